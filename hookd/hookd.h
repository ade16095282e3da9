/* hookd: what its doors share.
 * Made by main; used by declare, hear, serve and tell. Owns every room of the daemon.
 */
#ifndef HOOKD_H
#define HOOKD_H

#include "daemon.h"
#include "dispatch.h"
#include "outbox.h"

struct hear;
struct putting;

struct hookd {
	struct hs_house *house;
	struct egress_rules rules;
	struct hs_ceiling *ceiling;
	struct resolve *resolve;
	struct deliver *deliver;
	struct outbox *outbox;
	struct dispatch *dispatch;
	struct hear *hear;
	struct putting *putting; /* hook.put requests whose host is being resolved */
	uv_timer_t ending;
};

/* declare.c: brings the outbox's endpoints in line with the configuration. Moves what waits when a URL changed; removes
 * an endpoint that is no longer declared, with what waits for it. */
void declare_endpoints(struct hookd *hookd);

/* hear.c: follows apid's event log into dispatch. */
struct hear *hear_create(struct hookd *hookd);
void hear_rewind(struct hear *hear);  /* a transaction was undone */
void hear_destroy(struct hear *hear); /* NULL is fine */

/* serve.c: hook.* requests. */
#define SERVE_DOORS 5
extern const struct hs_door serve_doors[SERVE_DOORS];
void serve_finish(struct hookd *hookd); /* refuses what is not answered yet */

/* tell.c: facts. */
void tell_failed(struct hookd *hookd, const struct hs_hook_failed *failure);

#endif
