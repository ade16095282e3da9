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
struct trial;
struct again;

struct hookd {
	struct hs_house *house;
	struct egress_rules rules;
	struct hs_ceiling *ceiling;
	struct resolve *resolve;
	struct deliver *deliver;
	struct outbox *outbox;
	struct dispatch *dispatch;
	struct hear *hear;
	struct putting *putting; /* hook.put and hook.change requests whose host is being resolved */
	struct trial *trials;    /* hook.test requests under way */
	struct again *again;     /* hook.again requests whose events are being read */
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
#define SERVE_DOORS 13
extern const struct hs_door serve_doors[SERVE_DOORS];
void serve_finish(struct hookd *hookd); /* refuses what is not answered yet */

/* The endpoint a request names. Refuses and returns NULL when there is none. */
struct endpoint *serve_find(struct hookd *hookd, struct hs_request *request, const char *id);

/* True, and the request refused, when the configuration file has it; when nothing can be written now. */
bool serve_is_declared(struct hs_request *request, const struct endpoint *endpoint);
bool serve_is_stuck(struct hookd *hookd, struct hs_request *request);

/* put.c: endpoints made, changed, and given new secrets. */
void serve_put(void *hookd, struct hs_request *request);
void serve_change(void *hookd, struct hs_request *request);
void serve_rotate(void *hookd, struct hs_request *request);
void put_finish(struct hookd *hookd);

/* verify.c: whether a request to one of webhooks.incoming is signed by who may. */
void serve_verify(void *hookd, struct hs_request *request);

/* trial.c: a test message, sent beside the queue. */
void serve_test(void *hookd, struct hs_request *request);
void trial_finish(struct hookd *hookd);

/* again.c: events sent again, read from apid's log. */
void serve_again(void *hookd, struct hs_request *request);
void again_finish(struct hookd *hookd);

/* tell.c: facts. */
void tell_failed(struct hookd *hookd, const struct hs_hook_failed *failure);

#endif
