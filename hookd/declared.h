/* Declared: the endpoints of the configuration file, all in one form.
 * Called by main, wall and declare; calls nobody. Pure.
 * Owns nothing.
 */
#ifndef HOOKD_DECLARED_H
#define HOOKD_DECLARED_H

#include "hs_proto.h"

#define DECLARED_MAX 66 /* webhooks.outgoing has two, webhooks.endpoints at most 64 */

/* An endpoint of the configuration. Borrowed from it. */
struct declared {
	const char *id, *url, *secret;
	const char *const *events; /* of webhooks.endpoints */
	size_t events_count;
	const enum hs_line_state *states; /* of webhooks.outgoing */
	size_t states_count;
	const char *const *lines;
	size_t lines_count;
	enum hs_webhook_style style;
	const char *ca_file, *client_cert_file, *client_key_file;
};

/* All of them; how many. */
size_t declared_list(const struct hs_config_webhooks *webhooks, struct declared ret_declared[DECLARED_MAX]);

#endif
