/* Server-sent events: GET /api/v1/events with Accept: text/event-stream. The same events, cursors and filters as the
 * WebSocket has; the cursor is the id of each, so that Last-Event-ID is since.
 * Called by rest; calls subscription and http. Owns what waits to be sent to its client.
 */
#ifndef FRONT_SSE_H
#define FRONT_SSE_H

#include "rest.h"

struct sse;

/* Whether the request asks for events as they come. */
bool sse_is_wanted(const struct request *request);

/* Answers the request: with the events, or with a problem. Within http's asked only. */
void sse_begin(struct request *request);

void sse_destroy(struct sse *sse); /* NULL is fine */

#endif
