/* Calls: the table of all that live, what the outside tells of them, and their records.
 * Called by hear (facts), ask (answers), serve and streams; calls call, lines, routes, eventlog and the store, and asks
 * drivers and mediad through "ask". Owns the calls.
 */
#ifndef CALLS_H
#define CALLS_H

#include "call.h"
#include "route.h"
#include "wire.h"

/* A request to a driver or to mediad. It is committed with the events of this turn, sent after the commit, and again
 * by our successor until it is confirmed. */
struct calls_ask {
	enum hs_role to;
	enum hs_message_id message;
	const char *call, *leg; /* concerned; or NULL */
	const void *body;       /* struct hs_<message> */
	const char *request;    /* id of the client's request that leads to it, or NULL */
};

struct calls_setup {
	uv_loop_t *loop;
	const struct hs_config *config;
	struct store *store;
	struct eventlog *log;
	struct lines *lines;
	struct routes *routes;
	void (*ask)(void *context, const struct calls_ask *ask);
	/* Forgets what a peer was asked about a leg and has not confirmed. */
	void (*forget)(void *context, enum hs_role to, const char *leg);
	bool (*is_up)(void *context, enum hs_role role); /* or will be in a moment */
	void *context;
	struct ceiling *ceiling; /* NULL: calls out know none */
};

struct calls {
	struct calls_setup setup;
	struct hs_table *by_id, *legs; /* struct call, struct leg */
	struct call *changed;
	int64_t next_n;
	int64_t at; /* when that happened which is being worked on */
	struct hs_metric *active[HS_CALL_DIRECTION_COUNT];
	struct hs_metric *setup_seconds, *duration_seconds;
};

/* Restores the calls that live. */
struct calls *calls_create(const struct calls_setup *setup);

struct call *calls_find(const struct calls *calls, const char *id);
struct leg *calls_find_leg(const struct calls *calls, const char *id);

/* The leg through which a line is in a call; NULL when it is in none. */
struct leg *calls_leg_of(const struct calls *calls, const struct line *line);

size_t calls_count(const struct calls *calls);

/* Ids of all calls, for walks that may end some. The caller frees them. */
char (*calls_all(struct calls *calls, size_t *ret_count))[65];

/* What the API wants of a new call. */
struct calls_order {
	struct line *line, *to_line;            /* to_line NULL: the group, by the route, or the operator */
	const struct hs_config_group *to_group; /* or NULL */
	const struct hs_config_route
		*route;      /* leads out, to the line (an exchange line) or to the other party; or NULL */
	const char *dialled; /* number that was asked for, or NULL */
	const struct hs_config_route
		*to_route;     /* leads out to the other party, when the first one is outside; or NULL */
	const char *to_number; /* likewise */
	const char *caller_number, *caller_name;
	const char *cadence; /* of an analog telephone; NULL: its usual one */
	const char *request; /* id of the client's request */
	int64_t ring_ms;
	int64_t max_ms; /* longest duration; 0: as configured */
};

/* Begins a call towards a line that is free. What it is to be connected to is as after calls_lead. */
struct call *calls_ring(struct calls *calls, const struct calls_order *order);

/* What is asked for the call from now on goes back to this request of a client. */
void calls_requested(struct call *call, const char *request);

/* Ends a call for a reason. false: it is ending already. */
bool calls_hang_up(struct call *call, enum hs_cause cause, const char *by, const char *why);

/* ---- what drivers tell; at_ms: when they told it ---- */

void calls_incoming(struct calls *calls, enum hs_role from, const struct hs_leg_incoming *fact, int64_t at_ms);
void calls_leg_progresses(struct leg *leg, bool early_media, int64_t at_ms);
void calls_leg_rings(struct leg *leg, int64_t at_ms);
void calls_leg_answered(struct leg *leg, bool measured, int64_t at_ms);
void calls_leg_ended(struct leg *leg, const struct hs_leg_ended *fact, int64_t at_ms);
void calls_leg_held(struct leg *leg, const struct hs_leg_held *fact, int64_t at_ms);
void calls_leg_not_held(struct leg *leg, bool held, const char *why, int64_t at_ms);
void calls_leg_flashed(struct leg *leg, int64_t at_ms);
void calls_leg_digit(struct leg *leg, const struct hs_leg_digit *fact, int64_t at_ms);

/* A driver began anew: legs it was asked for or told of before at_ms are gone. */
void calls_driver_restarted(struct calls *calls, enum hs_role driver, int64_t at_ms);

/* ---- what mediad answers and tells ---- */

/* Its answer to media.open: a description, or cause (then description is NULL). */
void calls_media_opened(struct leg *leg, const char *description, enum hs_cause cause);
void calls_media_started(struct leg *leg, const struct hs_media_started *fact, int64_t at_ms);
void calls_media_silent(struct leg *leg, const struct hs_media_silent *fact, int64_t at_ms);
void calls_media_closed(struct leg *leg, const struct hs_media_figures *figures);

/* It could not do what the leg needs: the call ends. */
void calls_media_failed(struct leg *leg, const char *why);

/* It could not keep the leg's audio over its own death: the call ends. */
void calls_media_lost(struct leg *leg);

/* It began anew: all audio it was asked for before at_ms is gone. */
void calls_media_restarted(struct calls *calls, int64_t at_ms);

/* ---- for call ---- */

/* Where what the first party dialled leads: notes it in the call, and returns what is to happen. ret_step is filled in
 * for a refusal. */
enum call_event calls_lead(struct call *call, struct call_step *ret_step);

/* Fills a new leg of the call for a line. driver: its driver. */
struct leg *calls_add_leg(struct call *call, struct line *line, const char *id, bool incoming);
void calls_tell(struct call *call, enum hs_message_id event, const char *line, const void *body);
void calls_ask_leg(struct leg *leg, enum hs_message_id message, const void *body);   /* its driver */
void calls_ask_media(struct leg *leg, enum hs_message_id message, const void *body); /* mediad */
void calls_changed(struct call *call);

/* A leg is over, whoever says so. */
void calls_leg_over(struct leg *leg, const struct call_step *step);

/* The call is over: figures, and the end of its memory after the commit. */
void calls_over(struct call *call);

/* Adds changed calls to this turn's transaction. */
void calls_save(struct calls *calls);

void calls_destroy(struct calls *calls); /* NULL is fine */

#endif
