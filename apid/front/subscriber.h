/* Subscribers: WebSocket clients of /api/v1/events. Events go out, commands come in: any request of the API that is not
 * an upload, as {"id": ..., "request": "calls.hangup", "body": {...}}; its reply has the id, status and body.
 * Called by ws; calls subscription, and apid for the commands. Owns the replies that wait to be sent.
 */
#ifndef FRONT_SUBSCRIBER_H
#define FRONT_SUBSCRIBER_H

#include "ws.h"

extern const struct ws_kind subscriber_kind;

#endif
