/* Dialogs: what is known of each SIP dialog and of an attempt at one. The record is plain and in the journal before the
 * network hears of it; everything else in the struct can be made again from it. The only door to dialog records.
 * Called by the call rooms; calls journal and, through a pointer, the state machine (life.c).
 * Owns the dialogs, by leg and by Call-ID.
 */
#ifndef DIALOG_H
#define DIALOG_H

#include "agent.h"
#include "fsm.h"
#include "hs_proto.h"
#include "interval.h"
#include "locations.h"

struct sipd;

enum dialog_state {
	DIALOG_NEW,
	DIALOG_CALLING,   /* INVITEs are out */
	DIALOG_RINGING,   /* a phone rings */
	DIALOG_OFFERED,   /* an INVITE came; apid decides */
	DIALOG_ALERTING,  /* apid said that something rings */
	DIALOG_ANSWERING, /* 200 is out, ACK awaited */
	DIALOG_UP,
	DIALOG_CLOSING, /* over for apid; BYE waits for the ACK */
	DIALOG_ENDED,   /* over; last transactions run out */
	DIALOG_STATES,
};

enum dialog_event {
	DIALOG_INVITED,
	DIALOG_ORIGINATE,
	DIALOG_RINGS,    /* 180, 183: struct dialog_rings */
	DIALOG_ACCEPTED, /* 2xx */
	DIALOG_REFUSED,  /* every fork failed: struct dialog_end */
	DIALOG_RING_TIMEOUT,
	DIALOG_PROGRESS, /* apid: bool early media */
	DIALOG_ANSWER,   /* apid */
	DIALOG_ACKED,
	DIALOG_ACK_LOST,
	DIALOG_CANCELLED,    /* by the caller */
	DIALOG_UNHEARD,      /* apid did not decide in time */
	DIALOG_MEDIA_FAILED, /* struct dialog_end */
	DIALOG_HANGUP,       /* apid: struct dialog_end */
	DIALOG_BYE,          /* by the far end: nta_incoming_t, to be answered */
	DIALOG_LOST,         /* the far end knows nothing of it any more: struct dialog_end */
	DIALOG_EVENTS,
};

/* Why a dialog ends, where the event alone does not say it. */
struct dialog_end {
	enum hs_cause cause;
	int status;
	const char *why;
};

struct dialog_rings {
	bool alert;       /* 180 */
	bool early_media; /* its description was handed to mediad */
};

/* One INVITE of ours. Plain. */
struct dialog_fork {
	char contact[384];
	char branch[40], call_id[72], tag[40];
	struct peer peer;
	bool nat, live;
	uint32_t cseq;   /* of the INVITE that is out: one more after each 422 */
	int32_t least_s; /* Min-SE of that 422; 0: none */
};

#define DIALOG_TARGET 512        /* a Contact's URI, with NUL */
#define DIALOG_REQUEST 8192      /* most of request_bytes */
#define DIALOG_DESCRIPTION 16384 /* most of description_bytes */
#define DIALOG_DIGITS 33         /* that wait to be sent by INFO, with NUL */

/* All that a successor needs to know. Plain: no pointers. In the journal its forks or its request follow it, and then a
 * description. */
struct dialog_record {
	uint32_t layout;
	int state;
	bool outgoing;
	bool told_end;  /* apid knows that it is over */
	bool told_ring; /* leg.ringing was told */
	bool nat;
	bool held_by_us, held_by_far_end;
	bool hold_wanted;                         /* by the API last */
	bool wants_answer, wants_progress, early; /* apid decided before mediad answered */
	bool undescribed;                         /* the description is theirs; mediad may not know it yet */
	char leg[65], call[65], line[65];
	char call_id[256];
	char local_tag[64], remote_tag[128];
	char local[512], remote[512]; /* From and To of the dialog without tags, seen from us */
	char target[DIALOG_TARGET];
	char routes[1024]; /* header text, or "" */
	uint32_t local_cseq, remote_cseq;
	int asked;             /* sip_method_t of our request that has local_cseq, until it is answered; 0: none */
	char asked_branch[40]; /* of that request, so that a successor can repeat it */
	char dialled[65];
	char digits[DIALOG_DIGITS]; /* still to be sent by INFO; the first one may be under way */
	int digit_ms;
	char digits_request[65];    /* who asked for them last: not twice */
	int64_t begun_ms;           /* hs_clock_lasting_ms */
	int64_t ring_until_ms;      /* outgoing, until it is answered */
	struct interval session;    /* as agreed, see refresh.h */
	int64_t refresh_ms;         /* when we refresh it next, if that is ours */
	int64_t expires_ms;         /* when it is over unless it is refreshed */
	bool knows_update;          /* its Allow names UPDATE */
	struct peer peer;           /* where it is reached */
	uint32_t forks_count;       /* outgoing: INVITEs that were sent */
	uint32_t forks_kept;        /* of them in the journal: none once all have their final answer */
	uint32_t request_bytes;     /* incoming, until its ACK came: the INVITE, as far as it is needed */
	uint32_t description_bytes; /* ours until it is confirmed; or theirs, see undescribed */
};

struct fork {
	struct dialog *dialog;
	struct dialog_fork *r;
	nta_leg_t *leg;
	nta_outgoing_t *invite;
	bool cancelled;
};

struct dialog {
	struct dialog_record r;
	struct sipd *sipd;
	uv_timer_t timer;           /* ring, patience, glare: one at a time */
	uv_timer_t session;         /* the next refresh, or the end without one */
	int open_timers;            /* until both are closed */
	nta_leg_t *leg;             /* the dialog, once there is one */
	nta_incoming_t *invite;     /* theirs: unanswered, or its ACK is awaited */
	nta_incoming_t *change_in;  /* their re-INVITE */
	nta_outgoing_t *change_out; /* our re-INVITE */
	nta_outgoing_t *bye;
	nta_outgoing_t *info;
	nta_outgoing_t *update;
	struct dialog_fork *fork_records; /* r.forks_count of each; the records are what the journal gets */
	struct fork *forks;
	char *request;        /* r.request_bytes: what the journal gets of their INVITE */
	char *description;    /* our SDP: the offer, or the answer once mediad gave it; or theirs, see r.undescribed */
	uint64_t ticket;      /* of the question mediad works on */
	int best_status;      /* of the forks that failed */
	int waited_ms;        /* for apid's decision */
	int64_t untaken_ms;   /* since when apid has not taken leg.incoming; 0: it has */
	uint64_t untaken_seq; /* that fact's number */
	struct dialog *untaken_next, *untaken_last;
	int glares;                    /* 491 in a row */
	bool is_answered;              /* theirs: something went out, 100 at least */
	bool hold_pending, hold_asked; /* a change is under way, and what it is */
	bool refreshing;               /* and it changes nothing */
	bool is_repetition;            /* of a request that a predecessor had: see remote_cseq */
	bool offered_in_200;           /* their re-INVITE had no offer: the ACK has the answer */
	size_t *line_calls;            /* its line's count, or NULL: not counted (left by a predecessor) */
	int byes;                      /* that could not be sent */
	bool bye_waits;                /* for a connection of the phone */
	bool closing;
};

struct dialogs;

/* life: the state machine; freed is called when the last dialog is gone after dialogs_drain. */
struct dialogs *dialogs_create(struct sipd *sipd, const struct hs_fsm *life);

/* A new dialog without a record yet; leg and call are copied. */
struct dialog *dialog_create(struct dialogs *dialogs, const char *leg, const char *call, const char *line,
			     bool outgoing);

/* The dialog of a leg that is not over, or NULL. any: also one that is over. */
struct dialog *dialog_find(const struct dialogs *dialogs, const char *leg, bool any);

/* True for one of the last legs that are over and forgotten: apid may ask for it once more after its own death. */
bool dialogs_had(const struct dialogs *dialogs, const char *leg);

/* The dialog that knows this Call-ID, or NULL. */
struct dialog *dialog_by_call_id(const struct dialogs *dialogs, const char *call_id);

/* From now on found by this Call-ID too. */
void dialog_know(struct dialog *dialog, const char *call_id);

/* Lets an event happen (hs_fsm_step). */
int dialog_step(struct dialog *dialog, enum dialog_event event, const void *argument);

/* The phone answered 481, or not at all (408): it knows nothing of the call any more. */
void dialog_lost(struct dialog *dialog, int status);

/* Reads the URI of a Contact for a record. False: it is longer than there is room for; ret_target is untouched. */
bool dialog_target(const sip_contact_t *contact, char ret_target[DIALOG_TARGET]);

/* Writes the record: where what a successor would do about the dialog changes, before the network hears of it. -ENOSPC:
 * the journal is full. */
int dialog_save(struct dialog *dialog);

/* Starts the dialog's one timer; due runs once. */
void dialog_wait(struct dialog *dialog, int ms, void (*due)(uv_timer_t *timer));

/* The newest fact told that it came in: it waits until apid has taken that, or has decided. Taken twice is fine. */
void dialog_untaken(struct dialog *dialog);
void dialog_taken(struct dialog *dialog);

/* How long the oldest one waits for apid to take it. What apid decides then may take as long as a phone far away takes
 * to ring. */
int64_t dialogs_untaken_ms(struct dialogs *dialogs);

/* Answers that come for a question of before are no longer ours. */
void dialog_forget_question(struct dialog *dialog);

/* Ends what is left and frees it, later on the loop. The record goes too. */
void dialog_destroy(struct dialog *dialog);

size_t dialogs_count(const struct dialogs *dialogs);

/* From now on it counts as a call of its line, until it is destroyed. */
void dialog_count(struct dialog *dialog);

/* Calls of a line, those that we began and those of the phone. */
size_t dialogs_of_line(const struct dialogs *dialogs, const char *line);

/* Visits all. */
void dialogs_each(struct dialogs *dialogs, void (*visit)(void *context, struct dialog *dialog), void *context);

/* Makes room for the INVITEs of an outgoing attempt, at most LOCATIONS_MAX; once. */
void dialog_make_forks(struct dialog *dialog, size_t count);

/* Makes the struct of a record that a predecessor left, and of what followed it. */
struct dialog *dialog_restore(struct dialogs *dialogs, const struct dialog_record *record, const void *tail);

/* Visits the records a predecessor left; both pointers live for the call. tail: record->forks_kept forks, or
 * record->request_bytes of the request; then record->description_bytes. */
void dialogs_left(struct dialogs *dialogs,
		  void (*visit)(void *context, const struct dialog_record *record, const void *tail), void *context);

/* Drops a record that no dialog stands for. */
void dialogs_drop_record(struct dialogs *dialogs, const char *leg);

void dialogs_destroy(struct dialogs *dialogs); /* NULL is fine */

#endif
