/* Streams: WebSocket clients of /api/v1/lines/{line}/audio, an operator's ear and mouth.
 * Called by ws; calls audio (mediad), feed (when calls begin and end), and apid for the grant. Owns the client's
 * frames. Binary messages are G.711 both ways: out exactly what mediad sends, in any size. Text messages are JSON:
 * hello first, then codec, call_started, call_ended and dropped; from the client {"type":"clear"}.
 */
#ifndef FRONT_STREAM_H
#define FRONT_STREAM_H

#include "ws.h"

extern const struct ws_kind stream_kind;

struct streams;

struct streams *streams_create(struct front *front);

/* Frees also those whose client had gone before apid's answer came. NULL is fine; after lwsio. */
void streams_destroy(struct streams *streams);

/* What a client's text message asks for. Pure. */
enum stream_command { STREAM_UNKNOWN, STREAM_CLEAR };
enum stream_command stream_command(const char *text, size_t bytes);

#endif
