/* Streams: WebSocket clients of /api/v1/lines/{line}/audio, an operator's ear and mouth.
 * Called by ws; calls talk (what is said), audio (mediad), feed (what happens to the line), and apid for the grant.
 * Owns the client's talk. What the client may choose is struct stream_options, as a query.
 */
#ifndef FRONT_STREAM_H
#define FRONT_STREAM_H

#include "ws.h"

extern const struct ws_kind stream_kind;

struct streams;

struct streams *streams_create(struct front *front);

/* Frees also those whose client had gone before apid's answer came. NULL is fine; after lwsio. */
void streams_destroy(struct streams *streams);

#endif
