/* Incoming: the hooks that others call, each with the request that it stands for.
 * Called by serve_hooks; calls nobody. Owns these requests' bodies, which live as long as it.
 */
#ifndef INCOMING_H
#define INCOMING_H

#include "hs_proto.h"

struct incoming;

/* What a hook does, as if a client with this token had asked for it. */
struct incoming_hook {
	const char *id;
	const struct hs_config_token *token;
	enum hs_message_id message;
	union {
		struct hs_lines_ring ring;
		struct hs_lines_hangup hangup;
		struct hs_calls_create call;
	} body;
};

struct incoming *incoming_create(const struct hs_config *config);

/* By id; NULL: there is none. */
const struct incoming_hook *incoming_find(const struct incoming *incoming, const char *id);

void incoming_destroy(struct incoming *incoming); /* NULL is fine */

#endif
