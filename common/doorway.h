/* A listening TCP socket of the WebSocket port, and its guests until libwebsockets takes them over.
 * Called by lwsio.c; calls handshake.c. Owns the socket, and each guest from accept until it is released or gone.
 * A guest has 10 s to send its head; then he waits for a verdict as long as the owner likes. Refusals are plain HTTP.
 */
#ifndef HS_DOORWAY_H
#define HS_DOORWAY_H

#include "handshake.h"
#include <uv.h>

struct hs_doorway;
struct hs_guest;

struct hs_doorway_setup {
	uv_loop_t *loop;
	int fd;                 /* listening; ours from now on */
	size_t max_guests;      /* taken ones included; more get 503 */
	size_t max_per_address; /* loopback has no limit of its own */
	size_t max_head;        /* bytes */
	int sndbuf_bytes;       /* 0: the system's */

	/* A head has come: refuse or take the guest, now or later. */
	void (*asked)(void *context, struct hs_guest *guest, const struct hs_handshake *handshake);

	/* An asked guest is gone, by himself or after a refusal; he is freed after this. Not called for taken ones. */
	void (*gone)(void *context, struct hs_guest *guest);
	void *context;
};

/* Begins to listen. NULL with a log line. */
struct hs_doorway *hs_doorway_create(const struct hs_doorway_setup *setup);

/* Guests, the taken ones included. */
size_t hs_doorway_count(const struct hs_doorway *doorway);

void hs_guest_set_owner(struct hs_guest *guest, void *owner);
void *hs_guest_owner(const struct hs_guest *guest);

/* Numeric address; lives as long as the guest. */
const char *hs_guest_address(const struct hs_guest *guest);

/* Sends a response and closes when the guest has read it, after 2 s at the latest. headers: "" or whole lines. */
void hs_guest_refuse(struct hs_guest *guest, int status, const char *headers, const char *type, const char *body);

/* Hands over the connection; the guest still counts until he is released. */
int hs_guest_take(struct hs_guest *guest);

/* Closes what is left and frees the guest; gone is not called. NULL is fine. */
void hs_guest_release(struct hs_guest *guest);

/* No more guests. */
void hs_doorway_shut(struct hs_doorway *doorway);

/* Releases all guests that are not taken, and the doorway once the loop has closed its handles. NULL is fine. Taken
 * guests must be released before. */
void hs_doorway_destroy(struct hs_doorway *doorway);

#endif
