/* Keys in RTP (RFC 4733): received exactly once each, and sent. Pure: the time is an argument.
 * Called by leg_rtp; reports through a callback. Plain records that the caller keeps.
 * An event is known by SSRC and timestamp, never by the marker bit: providers omit it.
 */
#ifndef MEDIAD_DIGITS_H
#define MEDIAD_DIGITS_H

#include "packet.h"

#define DIGITS_FLASH 16
#define DIGITS_ENDED 8           /* ended events that are remembered, against late copies */
#define DIGITS_SILENCE_US 200000 /* an event without packets for this long is over */
#define DIGITS_QUEUE 64          /* digits that wait to be sent */

enum digits_edge { DIGITS_BEGIN, DIGITS_END, DIGITS_FLASHED };

struct digits_in {
	bool active;
	uint8_t event;
	uint32_t ssrc, timestamp;
	uint32_t before;   /* units of earlier segments of the same event */
	uint16_t duration; /* units of the present one */
	int64_t packet_at_us;
	struct {
		bool used;
		uint32_t ssrc, timestamp;
	} ended[DIGITS_ENDED];
	uint8_t ended_next;
};

typedef void digits_tell(void *context, enum digits_edge edge, char digit, uint32_t duration_ms);

/* Takes one event packet and tells what it means. False: not one of the 17 events we know. */
bool digits_hear(struct digits_in *in, uint32_t ssrc, uint32_t timestamp, const struct packet_event *event,
		 int64_t now_us, digits_tell *tell, void *context);

/* Ends an event whose packets stopped coming. */
void digits_expire(struct digits_in *in, int64_t now_us, digits_tell *tell, void *context);

/* Ends an event at once (the leg closes). */
void digits_stop(struct digits_in *in, digits_tell *tell, void *context);

/* Event number of a key, or -1. */
int digits_event(char key);

struct digits_out {
	char queue[DIGITS_QUEUE];
	uint16_t units[DIGITS_QUEUE]; /* length of each */
	uint8_t head, count;
	bool sending;
	uint32_t timestamp; /* of the event's begin */
	uint16_t sent;      /* units so far */
	uint8_t ends;       /* end packets sent */
	uint8_t pause;      /* slots of silence still owed after a digit */
};

/* Queues keys. False: no room for all of them, none was taken; or a character that is no key. */
bool digits_queue(struct digits_out *out, const char *keys, int64_t duration_ms);

/* Digits wait or one is being sent. */
bool digits_busy(const struct digits_out *out);

/* What to send in this 20 ms slot, whose timestamp is given. True: the event, its timestamp and marker; false: nothing
 * in this slot. */
bool digits_slot(struct digits_out *out, uint32_t timestamp, struct packet_event *ret_event, uint32_t *ret_timestamp,
		 bool *ret_marker);

/* False for bytes that cannot be records of ours. */
bool digits_is_sane(const struct digits_in *in, const struct digits_out *out);

#endif
