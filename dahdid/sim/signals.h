/* Signals between an exchange and the port on its line: caller identity by FSK, and the keys that it hears.
 * Called by fxo; calls spandsp, which only this file and display know.
 * Owns the modem states.
 */
#ifndef SIM_SIGNALS_H
#define SIM_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

struct adsi_sender;
struct key_listener;

/* A message of number and name ("" when there is none), Bellcore multiple data format, ready to be sent. */
struct adsi_sender *signals_identity(const char *number, const char *name);

/* The next samples of it; false when it is over. */
bool signals_send(struct adsi_sender *sender, int16_t *ret_samples, int count);
void signals_sender_destroy(struct adsi_sender *sender);

/* heard is called from signals_listen for each key. */
struct key_listener *signals_keys(void (*heard)(void *owner, char key), void *owner);
void signals_listen(struct key_listener *listener, const int16_t *samples, int count);
void signals_keys_destroy(struct key_listener *listener);

#endif
