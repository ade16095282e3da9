/* A DAHDI channel as the rest of the daemon sees it: open, ask, command, read, write, in our own words.
 * Called by the rooms that own a port; calls the kernel. The only code that knows <dahdi/user.h>.
 * Owns nothing: descriptors are their callers'. Every failure is counted, and logged with the request it belongs to.
 */
#ifndef CHAN_H
#define CHAN_H

#include "hs_proto.h"

#define CHAN_CADENCE 16    /* numbers in a cadence: on, off, ... in ms */
#define CHAN_BLOCK_MAX 480 /* bytes: 60 ms */
#define CHAN_ELAST 500     /* from read and write: an event waits */

/* An open channel. */
struct chan {
	int fd;           /* -1: not open */
	int number;       /* DAHDI's */
	char request[65]; /* id of the client's request that is being worked on, for logs; or "" */
	int64_t failures; /* of calls, since it was made */
	bool is_quiet;    /* in a worker: nothing is logged or counted there */
};

/* What the driver says of a channel. */
struct chan_facts {
	int number, span;
	char name[40];
	enum hs_signalling signalling; /* 0: none that is ours */
	bool is_configured;
	enum hs_codec law;
	bool off_hook; /* the other end, measured */
	bool ringing;  /* we ring it now */
	uint32_t alarms;
};

struct chan_span {
	int number, alarms, channels, spans;
	char name[20], description[40], device[40], type[6];
};

enum chan_event_kind {
	CHAN_NOTHING,
	CHAN_ON_HOOK,
	CHAN_OFF_HOOK, /* for an exchange line: a ring burst ended */
	CHAN_FLASH,
	CHAN_PULSES, /* the first pulse of a digit */
	CHAN_PULSE_DIGIT,
	CHAN_BURST_ON, /* of our ringing; the first one is not told */
	CHAN_BURST_OFF,
	CHAN_HOOK_DONE, /* battery drop, flash or wink is over */
	CHAN_DIALLED,
	CHAN_ALARM,
	CHAN_NO_ALARM,
	CHAN_REMOVED,
	CHAN_RING_BEGAN, /* exchange line: it rings */
	CHAN_POLARITY,   /* exchange line: it was reversed */
	CHAN_FAX,        /* 2100 Hz: the echo canceller was switched off */
	CHAN_OTHER,
	CHAN_EVENTS,
};

struct chan_event {
	enum chan_event_kind kind;
	char digit; /* CHAN_PULSE_DIGIT */
	int number; /* DAHDI's */
};

/* Word of an event for logs. */
const char *chan_event_name(enum chan_event_kind kind);

enum chan_hook { CHAN_HANG_UP, CHAN_ENGAGE, CHAN_RING, CHAN_STOP_RING, CHAN_RECALL };

enum chan_tone { CHAN_TONE_NONE = -1, CHAN_TONE_CONGESTION = 3 };

enum { CHAN_FLUSH_READ = 1, CHAN_FLUSH_WRITE = 2, CHAN_FLUSH_EVENTS = 4 };

/* Opens a channel of the device folder, by its generic file or by its own where that is all there is. Fills chan->fd.
 * -ENODEV: no device files at all; -ENOENT: no such channel; -ENXIO: not configured; -EBUSY, -EACCES, -ENOMEM ... */
int chan_open(struct chan *chan, const char *folder, int number);

void chan_close(struct chan *chan); /* closed is fine */

int chan_ask(struct chan *chan, struct chan_facts *ret_facts);

/* Takes the oldest event: the driver itself writes its number, or 0 when there is none. -ENODEV: the card is gone. */
int chan_take_event(struct chan *chan, int *ret_number);

/* What an event of this number is. */
void chan_read_event(int number, struct chan_event *ret_event);

/* Hook of a port, or of us on an exchange line. 0 also where the driver has only begun (EINPROGRESS). -EBUSY: not now;
 * -ENODATA: no tone zone. */
int chan_hook(struct chan *chan, enum chan_hook hook);

/* The longest flash of a telephone, which is also how long its handset must be down to have hung up. */
int chan_flash_time(struct chan *chan, int ms);

/* How long our own flash opens the loop towards an exchange. */
int chan_recall_time(struct chan *chan, int ms);

/* Ring cadence: on, off, ... in ms, at most 8 pairs, 0 ends. */
int chan_cadence(struct chan *chan, const int ms[CHAN_CADENCE]);

/* Blocks of so many bytes, and how many the card keeps in each direction. Empties both. */
int chan_blocks(struct chan *chan, int bytes, int count);

int chan_flush(struct chan *chan, int what); /* CHAN_FLUSH_* */

int chan_law(struct chan *chan, enum hs_codec law);

/* Tables by code, in the channel's law. */
int chan_gains(struct chan *chan, const uint8_t receive[256], const uint8_t transmit[256]);

/* 0: off. It succeeds, too, where no canceller is attached. */
int chan_echo(struct chan *chan, int taps);

/* A tone of the driver's own; any write ends it. */
int chan_tone(struct chan *chan, enum chan_tone tone);

/* Dials digits by tones or pulses; CHAN_DIALLED tells the end. What is read meanwhile is silence. */
int chan_dial(struct chan *chan, const char *digits, bool by_pulses);

/* These four may sleep for some ms on a card: call them from a worker. -ENOTTY: the card cannot. */
int chan_on_hook_transfer(struct chan *chan, int ms);
int chan_polarity(struct chan *chan, bool is_reversed);
int chan_lamp(struct chan *chan, enum hs_lamp lamp, int messages);
int chan_voltages(struct chan *chan, int ret_mv[3]); /* tip, ring, battery */

/* One block. Bytes, or -EAGAIN, -CHAN_ELAST (look for events first), -ENODEV. */
int chan_read(struct chan *chan, uint8_t *ret_block, size_t size);
int chan_write(struct chan *chan, const uint8_t *block, size_t bytes);

/* Version of the driver. Asked by the device folder's ctl file, which must be readable. */
int chan_version(const char *folder, char *ret_text, size_t size);

/* A span by number from 1; -EINVAL: there is none of this number. */
int chan_span(const char *folder, int number, struct chan_span *ret_span);

/* The span of an open channel. */
int chan_own_span(struct chan *chan, struct chan_span *ret_span);

#endif
