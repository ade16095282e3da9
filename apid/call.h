/* A call: a conversation of one or two lines, or of a line and the operator's streams, as one table of transitions.
 * Called by calls (which owns them and hears facts); asks drivers and mediad through calls. Never knows which kind of
 * phone a leg is.
 */
#ifndef CALL_H
#define CALL_H

#include "leg.h"
#include <uv.h>

#define CALL_LEGS 16      /* parties that come and go; who is outside may be called over several lines in turn: */
#define CALL_FIRST_LEGS 4 /* so many lines for the first one */

enum call_state {
	CALL_NEW,
	CALL_PLACING,    /* the newest leg is being rung */
	CALL_RINGING,    /* and its bell rings */
	CALL_OFFERED,    /* the first leg hears ringing: the API is to take the call for the operator */
	CALL_ANSWERING,  /* the driver was asked to answer the first leg, which called us */
	CALL_DIALLING,   /* the first leg hears dial tone; its digits are awaited */
	CALL_CONNECTING, /* the second leg was answered; the first is being answered too */
	CALL_UP,
	CALL_TONE,    /* the first leg hears that there is no way through */
	CALL_ENDING,  /* all legs were asked to end */
	CALL_CLOSING, /* they have; the figures of their audio are awaited */
	CALL_ENDED,
	CALL_STATES,
};

enum call_event {
	CALL_PLACE,    /* ring the first leg */
	CALL_LIFT,     /* a handset was only lifted */
	CALL_OPERATOR, /* connect the first leg to the operator */
	CALL_LINE,     /* ring call->target and connect it */
	CALL_ACCEPT,   /* the API takes the call for the operator */
	CALL_TRANSFER, /* the first leg gets another second party */
	CALL_REFUSE,   /* no way through */
	CALL_EARLY,    /* the newest leg can be heard before it is answered */
	CALL_RINGS,    /* the newest leg rings */
	CALL_ANSWERED, /* a leg was answered */
	CALL_FAILED,   /* the leg that was rung is gone, the other one lives */
	CALL_LEFT,     /* a party left, the other one lives */
	CALL_EMPTY,    /* the last party left */
	CALL_HANGUP,   /* the API or the suite ends it */
	CALL_TIMER,    /* the deadline of the state */
	CALL_CLOSED,   /* all audio ends are closed */
	CALL_EVENTS,
};

/* What comes with an event. */
struct call_step {
	struct leg *leg; /* concerned, or NULL */
	enum hs_cause cause;
	const char *by;  /* line, api, system */
	const char *why; /* or NULL */
};

struct calls;
struct gather;

struct call {
	char id[65];
	int64_t n; /* rising number, for paging */
	struct calls *calls;
	int state;
	enum hs_call_state shown; /* public state */
	enum hs_call_direction direction;
	char line_id[65];                    /* it began with */
	struct line *target;                 /* line to ring next, or NULL */
	const struct hs_config_route *route; /* what was dialled leads out by it; or NULL */
	char route_id[65];                   /* it, also when it is configured no longer; or "" */
	/* the second party's, when both are outside */
	const struct hs_config_route *to_route;
	char to_route_id[65];
	char *to_number;
	const struct hs_config_group *group; /* whose lines are rung; or NULL */
	char group_id[65];                   /* it, also when it is configured no longer; or "" */
	int64_t group_at;                    /* of its lines so many have had their turn */
	int64_t hops;                        /* forwards since somebody was asked for */
	bool is_onward;                      /* the second party is no more who was dialled */
	char bridged[65];                    /* call whose party the first leg is connected with; or "" */
	bool to_operator;
	char *dialled, *caller_number, *caller_name;
	char *cadence; /* of the first leg's bell; not stored: our successor has it ring as usual */
	char *request; /* id of the client's request that was the last to concern it; NULL, or not stored: none is known
			*/
	int64_t created_at, answered_at, ended_at;
	enum hs_cause cause;
	const char *ended_by;
	char *why;
	int64_t digits;
	char collected[DIGITS_MAX + 1];
	int64_t ring_ms;
	int64_t max_ms;        /* longest duration that was asked for; 0: as configured */
	struct gather *gather; /* digits are gathered; or NULL */
	int64_t up_since;      /* hs_clock_lasting_ms of answered_at */
	int64_t deadline_at;   /* of the state, hs_clock_lasting_ms; 0: none */
	enum hs_tone tone;     /* the first leg hears it */
	struct leg legs[CALL_LEGS];
	size_t legs_count;
	size_t first;     /* newest leg of the first party */
	size_t second_at; /* first leg of the second party; 0: it has none yet */
	size_t second;    /* the one that was answered; 0: the newest */
	uv_timer_t timer;
	struct call *next_changed;
	bool is_changed;
};

extern const struct hs_fsm call_fsm;
extern const char *const call_state_names[CALL_STATES];

/* Lets something happen to a call. 0, or -EPROTO: not possible now. */
int call_step(struct call *call, enum call_event event, const struct call_step *step);

/* What was dialled leads out by this route; NULL: by none. */
void call_set_route(struct call *call, const struct hs_config_route *route);

/* And the second party, when the first one is outside too, by this one. */
void call_set_to_route(struct call *call, const struct hs_config_route *route);

/* Lines of this group are rung for the second party; NULL: of none. */
void call_set_group(struct call *call, const struct hs_config_group *group);

/* Finds out where the parties' legs are, in a call whose record does not say it. */
void call_find_parties(struct call *call);

/* Route and number of a leg at an exchange line that is called out on; NULL and NULL: it has none. */
const struct hs_config_route *call_route_of(const struct leg *leg, const char **ret_dialled);

/* The leg of the party that the call began with. */
struct leg *call_first(struct call *call);

/* The leg of the other party that was answered, else the newest one; there is one. */
struct leg *call_second(const struct call *call);

/* The route that leads to the second party, or NULL: it is inside. */
const struct hs_config_route *call_second_route(const struct call *call);

/* True for a leg that is or was rung for whoever is being called now. */
bool call_is_rung(const struct call *call, const struct leg *leg);

/* The second party's legs begin here; rings a line, which is one of them. */
void call_begin_second(struct call *call);
void call_ring(struct call *call, struct line *line);

/* A leg of a call that goes on is asked to leave; its end will be no news. */
void call_let_go(struct leg *leg, enum hs_cause cause);

/* The leg hears the operators of its line. */
void call_join_streams(struct leg *leg);

/* True until it is being ended. */
bool call_is_active(const struct call *call);

/* A key of the first leg went down or came up while a number is dialled. */
void call_key_down(struct call *call);
void call_key_up(struct call *call, char digit);

/* Steps CALL_CLOSED when the call waits for nothing more. */
void call_check_closed(struct call *call);

/* Restarts the timer of a call that was restored. */
void call_resume(struct call *call);

#endif
