/* A port of the card and what hangs on its line: a telephone on an FXS port, an exchange line on an FXO port.
 * Called by bank (the clock), ioctls (what only the card can do) and commands; calls chan upwards, fxs and fxo.
 * Owns the channel, its far end and the diary of what happened there.
 */
#ifndef SIM_PORT_H
#define SIM_PORT_H

#include "chan.h"
#include "diary.h"
#include "display.h"
#include "faults.h"
#include "voice.h"
#include <stdbool.h>
#include <stdint.h>

/* Line feed of an FXS port, as the battery's state at the telephone. */
enum feed { FEED_OPEN, FEED_FORWARD, FEED_ONHOOK_TRANSFER, FEED_REVERSED, FEED_ONHOOK_REVERSED, FEED_RINGING, FEEDS };

/* The telephone, and the card's driving of it. */
struct fxs {
	enum feed feed, idle;
	bool reversed, lamp_reverses;
	uint32_t lamp_kinds; /* DAHDI_VMWI_ bits */
	int messages;
	bool transfer; /* the line is held for on-hook transmission until transfer_until_ms */
	int64_t transfer_until_ms;
	bool off_hook; /* the telephone itself, whatever the card can see of it */
	bool ringing;  /* the bell moves */
	int64_t ring_changed_ms;
	int rings;
	struct display *display;
	bool listening; /* the display heard the last millisecond */
	struct display_message shown, lamp_message;
};

enum fxo_sound { FXO_SILENCE, FXO_DIAL_TONE, FXO_BUSY, FXO_RINGBACK, FXO_CONGESTION, FXO_SOUNDS };

struct adsi_sender;
struct key_listener;

/* The exchange, and what the card sees of its line. */
struct fxo {
	bool battery, reversed;    /* what the exchange does */
	bool seen_battery, seized; /* what the card made of it; we closed the loop */
	int battery_ms;            /* how long the battery has been otherwise than seen */
	int alarm_ms;
	int drop_ms; /* battery comes back after this, 0: stays as it is */
	bool ring_wanted, ring_burst;
	int ring_at_ms, rings;
	char number[DISPLAY_TEXT], name[DISPLAY_TEXT];
	struct adsi_sender *sender;
	struct key_listener *keys;
	char digits[64];
	int loop_open_ms, pulses, pulse_pause_ms;
	bool auto_dial_tone;
	enum fxo_sound sound;
	struct zone_player player;
};

struct port {
	struct chan chan;
	bool is_fxo;
	bool cut;                      /* the cable between port and far end */
	bool plugged;                  /* the card is there */
	int quiet_in_ms, quiet_out_ms; /* one direction says nothing */
	const struct zone *zone;       /* sounds of the exchange */
	int64_t now_ms;
	struct voice voice;
	struct diary diary;
	struct faults faults;
	struct fxs fxs;
	struct fxo fxo;
};

/* A port of the caller's memory with its far end at rest. zone is borrowed; loaded: the driver has it too. */
void port_init(struct port *port, int number, bool is_fxo, enum law law, const struct zone *zone, bool loaded);
void port_finish(struct port *port);

/* The card was put in again: the channel begins anew, the far end is as it was. Nobody may have it open. */
void port_plug(struct port *port, bool configured);

/* One millisecond of this port. */
void port_tick(struct port *port, int64_t now_ms);

/* An ioctl that the card answers; argument in and out. 0 or negative errno, -ENOTTY: not the card's either. */
int port_ioctl(struct port *port, unsigned int command, void *argument);

/* Cuts or mends the cable. */
void port_cut(struct port *port, bool cut);

/* The telephone's message lamp is lit. */
bool port_lamp(const struct port *port);

#define port_note(port, name, ...) diary_note(&(port)->diary, (port)->now_ms, name, __VA_ARGS__)

/* ---- Used by port.c alone ---- */

struct port_kind {
	struct chan_card card;
	void (*init)(struct port *port);
	void (*finish)(struct port *port);
	void (*plug)(struct port *port);
	void (*hook)(void *owner, bool off);
	void (*tick)(struct port *port); /* the card's own timers */
	const uint8_t *(*line)(struct port *port, const uint8_t *sent, uint8_t *ret_received); /* audio */
	int (*ioctl)(struct port *port, unsigned int command, void *argument);
};

extern const char *const fxs_feed_names[FEEDS];

extern const struct port_kind fxs_kind, fxo_kind;

#endif
