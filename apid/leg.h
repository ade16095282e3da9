/* A leg: one party's part in a call, as the drivers tell it.
 * Called by call and calls; calls line. Embedded in the call, which owns it. Whatever drives it, SIP or an analog
 * channel, it lives by these states.
 */
#ifndef LEG_H
#define LEG_H

#include "digits.h"
#include "line.h"

enum leg_state { LEG_NEW, LEG_PROGRESSING, LEG_RINGING, LEG_UP, LEG_ENDED, LEG_STATES };
enum leg_event { LEG_PROGRESSES, LEG_RINGS, LEG_ANSWERS, LEG_ENDS, LEG_EVENTS };

/* Its audio end in mediad. */
enum leg_media { LEG_MEDIA_NONE, LEG_MEDIA_OPENING, LEG_MEDIA_OPEN, LEG_MEDIA_CLOSING, LEG_MEDIA_CLOSED, LEG_MEDIAS };

struct call;

struct leg {
	char id[65];
	struct call *call;
	struct line *line; /* NULL when the configuration has dropped it */
	char line_id[65];
	enum hs_role driver;
	int state;
	enum leg_media media;
	bool incoming; /* it began at the phone */
	bool early;    /* it is heard before it is answered; not stored */
	bool unbegun;  /* it ended before anything could begin at its line; not stored */
	bool muted;
	bool held, hung_up; /* hung_up: leg.hangup was asked */
	int64_t asked_at;   /* the driver was asked for it, or told of it */
	int64_t media_at;   /* mediad was asked for its end, or knew it */
	int64_t answered_at, ended_at;
	enum hs_cause cause;
	int64_t status; /* SIP; 0: none */
	char *why;
	char *number; /* dialled on an exchange line, or NULL */
	enum hs_codec codec;
	char *figures; /* JSON of struct media_figures, once they came */
	struct digits_leg digits;
};

extern const struct hs_fsm leg_fsm;
extern const char *const leg_state_names[LEG_STATES];
extern const char *const leg_media_names[LEG_MEDIAS];

/* Lets something happen to a leg and its line. 0, or -EPROTO when that cannot happen now: refused and counted. */
int leg_step(struct leg *leg, enum leg_event event, bool measured, int64_t at_ms);

bool leg_lives(const struct leg *leg);

/* Frees its texts, not the leg. */
void leg_finish(struct leg *leg);

#endif
