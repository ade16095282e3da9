/* The hand on the telephone of a port, for conform: the same words whether the telephone is dahdisim's or that of the
 * card in tests/kernel/card. Called by conform; knows both ways.
 * Owns its descriptors. Everything fails by ending the program with a sentence: a test without a hand is none.
 */
#ifndef HANDSET_H
#define HANDSET_H

#include <stdbool.h>
#include <stddef.h>

struct handset;

/* how is "card", or the path of dahdisim's socket. */
struct handset *handset_open(const char *how, int port);
void handset_close(struct handset *handset);

/* Tells the telephone; goes on at once, even when what was told takes time. */
void handset_do(struct handset *handset, const char *command);

/* Tells the card: unplug, plug (with its configuration), alarm BITS. */
void handset_card(struct handset *handset, const char *command);

/* Only what happens from now on counts. */
void handset_forget(struct handset *handset);

/* The next such event within ms: its time on the card's clock in ms, or -1. What came before it is forgotten. */
long handset_expect(struct handset *handset, const char *event, const char *detail, int ms);

/* G.711 into the mouthpiece. */
void handset_say(struct handset *handset, const unsigned char *bytes, size_t count);

/* Begins to listen, and ends: how many of the bytes that came meanwhile were put into ret_bytes, from the beginning. */
void handset_listen(struct handset *handset);
size_t handset_heard(struct handset *handset, unsigned char *ret_bytes, size_t size);

#endif
