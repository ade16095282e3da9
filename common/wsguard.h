/* Frames of WebSocket clients, looked at as they come in: masked, and lengths in their shortest form.
 * Called by lwsio.c. RFC 6455 5.1 tells a server to fail the connection on an unmasked frame; libwebsockets 4.1 takes
 * such frames, and has no hook before its parser. So recv(2), which it calls, is defined here, in the executable, and
 * feeds what comes in on watched sockets to hs_wsguard_feed. Owns the table of watched descriptors.
 */
#ifndef HS_WSGUARD_H
#define HS_WSGUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the reading of a connection's frames stands. Zeroed: before a frame. */
struct hs_wsguard {
	uint8_t step, left; /* bytes of this step still to come */
	uint8_t opcode, length7;
	uint64_t payload;
	bool heard;      /* something came in since this was last cleared */
	const char *why; /* not NULL: the connection has failed */
};

/* Takes bytes as they came from the network. False: the connection must fail with 1002, why says the reason. Pure. */
bool hs_wsguard_feed(struct hs_wsguard *guard, const uint8_t *data, size_t bytes);

#define HS_WSGUARD_CLOSE_BYTES 131

/* Writes a close frame; why is cut to 123 bytes. mask: 4 bytes, or NULL for a server's. Bytes written. Pure. */
size_t hs_wsguard_close_frame(int code, const char *why, const uint8_t *mask, uint8_t *ret_frame);

/* Makes room for descriptors below max. 0 or -errno. Once, before threads start that call recv. */
int hs_wsguard_open(size_t max);

/* From now on what recv reads from fd passes the guard (kept by the caller). NULL: no longer. A connection that fails
 * gets a close frame with 1002, and its reader ECONNRESET. */
void hs_wsguard_watch(int fd, struct hs_wsguard *guard);

void hs_wsguard_close(void);

#endif
