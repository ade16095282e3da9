/* The head of an HTTP request on the WebSocket port: read strictly, before anybody else sees it.
 * Called by lwsio.c. Pure.
 * What RFC 9112 lets a lenient reader do is refused: folded lines, bare LF, NUL and other controls, blanks before the
 * colon, a second copy of a field that decides anything, a body.
 */
#ifndef HS_HANDSHAKE_H
#define HS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#define HS_HANDSHAKE_KEY 24    /* characters of Sec-WebSocket-Key */
#define HS_HANDSHAKE_LINES 100 /* header lines at most */

struct hs_handshake {
	const char *method, *path, *query; /* query without '?' */
	/* Texts are "" when absent; blanks around values are gone. All point into the head. */
	const char *host, *origin, *authorization, *protocol, *request_id, *upgrade, *connection, *key, *version;
	bool is_websocket; /* GET with Upgrade: websocket and Connection: upgrade */
	const char *why;   /* what is wrong, on -EBADMSG */
};

/* Length of the head with its empty line, or 0 when that has not come yet. */
size_t hs_handshake_end(const char *data, size_t bytes);

/* Reads a whole head (bytes from hs_handshake_end), writing NULs into it. 0, or -EBADMSG with why. */
int hs_handshake_read(char *head, size_t bytes, struct hs_handshake *ret_handshake);

/* True when the version is 13 and the key is 16 bytes in base 64. */
bool hs_handshake_acceptable(const struct hs_handshake *handshake);

#endif
