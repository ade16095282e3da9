/* Ports: one for each analog line, with its record, its channel and its state machine (life.c).
 * Called by all rooms that know a port; calls the journal. Owns the ports, by line, by leg and by grant.
 * The record is plain and in the journal before anybody hears of what it says; a successor goes on from it.
 */
#ifndef PORT_H
#define PORT_H

#include "chan.h"
#include "fsm.h"
#include "settings.h"
#include "taking.h"
#include <uv.h>

struct dahdid;
struct exchange;
struct ports;

enum port_state {
	PORT_AWAY,       /* not open; trouble says why */
	PORT_ALARM,      /* open, in alarm */
	PORT_IDLE,       /* handset down, ready */
	PORT_LIGHTING,   /* the same, and its lamp is told of messages by data */
	PORT_ANNOUNCING, /* caller identification before the first ring */
	PORT_RINGING,
	PORT_OFFERED,   /* handset lifted; apid decides */
	PORT_UP,        /* in a call */
	PORT_RELEASING, /* we hung up first: what the handset does shows when the battery is back */
	PORT_PARKED,    /* handset lifted and in no call */
	/* exchange lines */
	PORT_RUNG,    /* the exchange rings; who calls is listened for */
	PORT_IGNORED, /* it rings, and nobody here answers */
	PORT_SEIZED,  /* dial tone is awaited */
	PORT_DIALLING,
	PORT_CALLING, /* dialled; the answer is awaited */
	PORT_STATES,
};

enum port_event {
	PORT_FOUND,   /* opened */
	PORT_LOST,    /* gone, or cannot be used: enum hs_trouble */
	PORT_ALARMED, /* by the driver */
	PORT_CLEARED,
	PORT_LIFTED,
	PORT_DOWN, /* the handset was put down */
	PORT_FLASHED,
	PORT_PULSED, /* const char *: the digit */
	PORT_BURST_ON,
	PORT_BURST_OFF,
	PORT_ORIGINATE, /* apid: struct hs_leg_originate */
	PORT_ANNOUNCED, /* the caller identification was sent */
	PORT_RING_TIMEOUT,
	PORT_PROGRESS,     /* apid */
	PORT_ANSWER,       /* apid */
	PORT_HANGUP,       /* apid: struct port_end */
	PORT_UNHEARD,      /* apid did not decide in time */
	PORT_MEDIA_FAILED, /* struct port_end */
	PORT_RELEASED,     /* the battery is back */
	PORT_NEWS,         /* its lamp is to be told */
	PORT_TOLD,         /* it was, or cannot be */
	PORT_PREEMPTED,    /* a call comes first */
	/* exchange lines */
	PORT_RINGS,    /* a burst began */
	PORT_REVERSED, /* the polarity */
	PORT_DIALLED,
	PORT_TIMEOUT,
	PORT_HEARD, /* const enum progress_sound * */
	PORT_EVENTS,
};

/* Why a leg ends, where the event alone does not say it. */
struct port_end {
	enum hs_cause cause;
	const char *why;
};

/* All that a successor needs to know. Plain: no pointers. */
struct port_record {
	uint32_t layout;
	int state;
	int channel;
	uint64_t told; /* newest fact before its leg was told of: incoming, or ringing */
	char line[65];
	char leg[65], call[65]; /* "": no leg */
	char grant[HS_FRAME_GRANT_BYTES + 1];
	bool outgoing;
	bool answered; /* told */
	bool held;
	bool reversed;    /* polarity, by us */
	int messages;     /* that wait */
	int lamp_told;    /* how many its lamp was told of by data, plus 1; 0: it was not told yet */
	int64_t until_ms; /* hs_clock_ms: ringing, or releasing, ends then */
	/* an end that apid could not be told yet */
	char owed_leg[65];
	int owed_cause;
	bool owed_by_far_end;
};

/* Audio of a port; frames.c's. */
struct port_audio {
	int64_t *sent_at_us;     /* hs_clock_us of the last blocks for mediad, in memory that outlives us; 0: none */
	int64_t silent_since_us; /* likewise: the predecessor's last ones; 0: this call is ours alone */
	bool is_on;              /* blocks go both ways */
	bool is_attached;        /* mediad said so */
	uint32_t sequence, timestamp;
	int64_t written, heard; /* samples since the beginning: what the card got, and its clock */
	int64_t heard_at_us;    /* when the last block was read */
	bool is_dry;
	bool is_mute;                 /* nothing is written: the card's own tones go before it */
	int margin;                   /* samples that wait in the card beyond a block */
	int64_t changed_at;           /* heard, when the margin was changed last */
	uint8_t kept[CHAN_BLOCK_MAX]; /* for the card, until it was asked for its events */
	size_t kept_bytes;
	uint8_t *sound; /* caller identification that is being sent, or NULL */
	size_t sound_bytes, sound_at;
	int64_t own_sent_at_us; /* when the journal has no room */
};

/* Its place on the grid of its card's blocks; grid.c's. */
struct beat {
	enum { BEAT_NONE, BEAT_WAITING, BEAT_TRYING, BEAT_PROVEN, BEAT_CLOCK } place;
	struct port *previous, *next;
	int tries;
	int64_t block;        /* number of the last one that was read, as its card counts */
	int64_t missed_at_us; /* when it became the clock for want of a block */
};

struct port_counts {
	int64_t lifted, rung, flashes, pulses, opened, blocks_in, blocks_out, overruns, underruns, errors;
};

struct port {
	struct port_record r;
	struct dahdid *dahdid;
	const struct hs_config_line *line;
	struct settings settings;
	const struct hs_fsm *life;
	struct chan chan;
	struct taking taking;
	struct chan_facts facts; /* as asked last */
	struct chan_span span;   /* likewise; number 0: not known */
	enum hs_trouble trouble; /* 0: none */
	int64_t seek_at_ms;      /* hs_clock_ms: not looked for before */
	bool is_told;            /* apid knows whether it is reachable, as it is now */
	bool told_reachable;
	uv_poll_t *poll;        /* NULL: not open */
	int polled;             /* UV_* that are waited for */
	uv_timer_t timer;       /* ringing, patience, releasing: one at a time */
	uv_timer_t truth;       /* until the hook is looked at again */
	int64_t moves, doubted; /* events of the hook that came; how many had when it was not what the state says */
	uv_timer_t owed;        /* until an end is told again */
	uv_timer_t lamp;        /* until its lamp is told */
	struct port_audio audio;
	struct beat beat;
	struct port_counts counts;
	uint64_t ticket;                   /* of the question that mediad works on */
	void (*opened)(struct port *port); /* when that was the description of its offer */
	uint8_t *caller_sound;             /* made before it rings, or before its lamp is told; NULL: none */
	size_t caller_bytes;
	int lamp_telling; /* messages in that sound */
	int bursts;       /* that ended, of this ring */
	int waited_ms;
	bool wants_answer; /* apid answered before mediad did */
	int64_t pulsed_at_ms;
	int voltages_mv[3];
	int64_t measured_at_ms; /* wall; 0: never */
	bool cannot_measure;
	/* exchange lines */
	struct exchange *exchange; /* its own; NULL for a telephone's port */
	int slow;                  /* calls of the driver in a worker */
};

/* life: the state machine for a signalling. A port for each analog line of the configuration. */
struct ports *ports_create(struct dahdid *dahdid, const struct hs_fsm *(*life)(enum hs_signalling signalling));

struct port *ports_of_line(const struct ports *ports, const char *line); /* or NULL */
struct port *ports_of_leg(const struct ports *ports, const char *leg);   /* or NULL */
struct port *ports_of_grant(const struct ports *ports, const char *grant);

/* True for one of the last legs that are over: apid may ask for it once more. */
bool ports_had(const struct ports *ports, const char *leg);

void ports_each(struct ports *ports, void (*visit)(void *context, struct port *port), void *context);
size_t ports_count(const struct ports *ports);

/* Lets an event happen (hs_fsm_step). */
int port_step(struct port *port, enum port_event event, const void *argument);

/* Word of its state. */
const char *port_state_name(const struct port *port);

/* Writes the record. -ENOSPC: the journal is full. */
int port_save(struct port *port);

/* Before a new leg, or that it rings, is saved and then told; and true when a predecessor died between the two. */
void port_tells(struct port *port);
bool port_is_untold(const struct port *port);

/* The port has this leg from now on; both are copied. */
void port_take_leg(struct port *port, const char *leg, const char *call, bool outgoing);

/* It has none any more. */
void port_drop_leg(struct port *port);

/* Its audio has this grant; "" takes it back. */
void port_take_grant(struct port *port, const char *grant);

/* Starts the one timer; due runs once. */
void port_wait(struct port *port, int64_t ms, void (*due)(uv_timer_t *timer));

/* Answers that come for a question of before are no longer ours. */
void port_forget_question(struct port *port);

/* The records that a predecessor left, each with the port of its line (NULL: no longer configured). */
void ports_left(struct ports *ports, void (*visit)(void *context, const struct port_record *record, struct port *port),
		void *context);

/* Closes timers; after the loop has turned once more ports_destroy frees all. */
void ports_stop(struct ports *ports);
void ports_destroy(struct ports *ports); /* NULL is fine */

#endif
