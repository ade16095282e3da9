/* The caller-ID display of a telephone: what it shows of the signals that come while it is on hook.
 * Called by phone; calls spandsp's FSK and key receivers, which only this file and exchange know.
 * Owns the receivers. display_parse and display_keys are pure.
 */
#ifndef SIM_DISPLAY_H
#define SIM_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISPLAY_TEXT 64

enum display_kind { DISPLAY_NOTHING, DISPLAY_CALLER, DISPLAY_LAMP };

struct display_message {
	enum display_kind kind;
	const char *means; /* fsk or dtmf */
	char number[DISPLAY_TEXT], name[DISPLAY_TEXT], date[DISPLAY_TEXT];
	char absent; /* why there is no number: P private, O out of area, or NUL */
	bool lamp;   /* DISPLAY_LAMP: on or off */
	int waiting; /* likewise: messages, where it says how many; else 0 */
};

struct display;

/* told is called from display_hear for each message that makes sense. */
struct display *display_create(void (*told)(void *owner, const struct display_message *message), void *owner);
void display_destroy(struct display *display);

/* Linear samples that the telephone hears on hook. */
void display_hear(struct display *display, const int16_t *samples, int count);

/* The line is no longer listened to: what was half received is dropped. */
void display_restart(struct display *display);

/* Reads a data-link message of single or multiple parameters, without its checksum. False: nothing to show. */
bool display_parse(const uint8_t *bytes, size_t count, struct display_message *ret_message);

/* Reads caller identity sent by keys: "A5551234C", "D5551234C", "A5551234#". False: it is not finished or not one. */
bool display_keys(const char *keys, struct display_message *ret_message);

#endif
