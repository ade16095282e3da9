/* Serving: what clients, fronts and hookd ask of apid.
 * serve.c is the gate (token, scope, rate, repetition) and the table; serve_*.c have the handlers. Called by the bus;
 * calls the rooms. A visit is one request in work: each handler answers or refuses it exactly once, then or later.
 */
#ifndef SERVE_H
#define SERVE_H

#include "apid.h"

struct visit {
	struct apid *apid;
	struct hs_request *request;
	const struct hs_config_token *token; /* NULL: a daemon asks for itself */
	const struct serve_row *row;
	char key[IDEMPOTENCY_KEY]; /* "": nothing is remembered of it */
	bool brief;
	bool reads; /* counts among its asker's reads, and has its place in this lane */
	enum store_lane lane;
};

/* One request we answer. */
struct serve_row {
	enum hs_message_id message;
	void (*handle)(struct visit *visit);
	bool changes;  /* it is answered after the commit of what it did */
	bool unstored; /* the answer holds a secret and is never written down */
	bool inner;    /* hookd and hook-stream ask it for themselves, without a token */
};

/* Rows of the handlers' files, ended by a NULL handle. */
extern const struct serve_row serve_call_rows[], serve_event_rows[], serve_stream_rows[], serve_hook_rows[],
	serve_emergency_rows[], serve_suite_rows[], serve_line_rows[], serve_place_rows[], serve_party_rows[],
	serve_transfer_rows[], serve_explain_rows[], serve_twilio_rows[];

/* serve_lines.c: a driver began anew: it is told the messages that wait for its lines. */
void serve_lines_driver_started(struct apid *apid, enum hs_role driver);

/* answer: struct hs_<message>_answer; NULL where it has no members. Ends the visit. */
void visit_answer(struct visit *visit, const void *answer);

/* Like hs_bus_refuse. Ends the visit. */
void visit_refuse(struct visit *visit, enum hs_error error, const char *field, const char *state, const char *format,
		  ...) __attribute__((format(printf, 5, 6)));

/* Passes on the refusal of whoever was asked for it. Ends the visit. */
void visit_pass_refusal(struct visit *visit, const struct hs_answer *answer);

/* Before a read of the store for a visit, which its answer or refusal ends. Refuses the visit and returns false when
 * who asks has too many in work: one asker's reads never make another one wait long. */
bool visit_begin_read(struct visit *visit);

/* Refuses a visit whose read failed: with what the done of store_read was told. */
void visit_refuse_unread(struct visit *visit, int error);

/* The visit goes on as another request, by a token of the configuration, as if its owner had made it. path and key name
 * it: the second one of the same name gets the first one's answer. body must outlive the request. */
void visit_become(struct visit *visit, enum hs_message_id message, const void *body,
		  const struct hs_config_token *token, const char *path, const char *key);

/* True when the caller may have this scope; daemons that ask for themselves have all. */
bool visit_may(const struct visit *visit, const char *scope);

/* The line a request names; NULL id: the default line. Refuses the visit and returns NULL when there is none. */
struct line *visit_line(struct visit *visit, const char *id);

/* ---- serve_place.c ---- */

/* One party, as asked for: one of the three, or the operator. */
struct party {
	struct line *line;                   /* or NULL */
	const struct hs_config_group *group; /* or NULL */
	const struct hs_config_route *route; /* outside: leads there */
};

/* Whether the token may show this number (or NULL) as the caller. If not, refuses the visit. */
bool visit_may_show(struct visit *visit, const char *number);

/* Who is to be connected: a line, or a number. Refuses the visit and returns false when nobody is. */
bool visit_find_party(struct visit *visit, const char *to_line, const char *to_number, struct party *ret_party);

/* ---- serve_calls.c ---- */

/* True, and the visit refused, when a part of the suite cannot be reached. */
bool visit_is_away(struct visit *visit, enum hs_role role);

/* Refuses the visit and returns false when the line cannot be rung now. beyond_limits: calls.max_active does not count.
 */
bool visit_can_ring(struct visit *visit, const struct line *line, bool beyond_limits);

/* How long to ring: timeout_s where it is given. */
int64_t visit_ring_ms(const struct visit *visit, bool given, int64_t timeout_s);

/* A call that is not over. Refuses the visit and returns NULL when there is none. */
struct call *visit_call(struct visit *visit, const char *id);

/* The party of such a call that can be heard: of a line, or with line NULL who the call began with. Refuses the visit
 * and returns NULL when there is none, or it is not answered. */
struct leg *visit_party(struct visit *visit, const char *call, const char *line);

/* Looks for a call's record, living or over, and hands it over: *call until found returns, what it points to with the
 * arena, which found takes. Refuses the visit where there is none. */
void visit_record(struct visit *visit, const char *call,
		  void (*found)(struct visit *visit, const struct hs_call *call, struct hs_arena *arena));

/* Who called and who was called, as numbers or ids of lines; borrowed from call and configuration. */
void visit_parties(const struct visit *visit, const struct hs_call *call, const char **ret_from, const char **ret_to);

/* Answers with the call. Ends the visit. */
void visit_answer_call(struct visit *visit, const struct call *call);

#endif
