#include "digits.h"
#include <string.h>

static const char keys[] = "0123456789*#ABCD";

enum {
	SLOT = 160,            /* units of 20 ms */
	SEGMENT_FROM = 0xf000, /* a segment ends near the largest duration (RFC 4733 section 2.5.1.3) */
	SEGMENT_SLACK = 8000,  /* how far from it the next segment may begin, in units */
	END_PACKETS = 3,
	PAUSE_SLOTS = 2, /* with the two repeated ends: 80 ms between digits */
	VOLUME = 10,
};

int digits_event(char key)
{
	const char *at = key ? strchr(keys, key) : NULL;
	return at ? (int)(at - keys) : -1;
}

static bool has_ended(const struct digits_in *in, uint32_t ssrc, uint32_t timestamp)
{
	for (int i = 0; i < DIGITS_ENDED; i++)
		if (in->ended[i].used && in->ended[i].ssrc == ssrc && in->ended[i].timestamp == timestamp)
			return true;
	return false;
}

static void remember(struct digits_in *in)
{
	in->ended[in->ended_next].used = true;
	in->ended[in->ended_next].ssrc = in->ssrc;
	in->ended[in->ended_next].timestamp = in->timestamp;
	in->ended_next = (in->ended_next + 1) % DIGITS_ENDED;
}

void digits_stop(struct digits_in *in, digits_tell *tell, void *context)
{
	if (!in->active)
		return;
	in->active = false;
	remember(in);
	if (in->event != DIGITS_FLASH)
		tell(context, DIGITS_END, keys[in->event], (in->before + in->duration) / 8);
}

void digits_expire(struct digits_in *in, int64_t now_us, digits_tell *tell, void *context)
{
	if (in->active && now_us - in->packet_at_us >= DIGITS_SILENCE_US)
		digits_stop(in, tell, context);
}

static void begin(struct digits_in *in, uint32_t ssrc, uint32_t timestamp, uint8_t event, digits_tell *tell,
		  void *context)
{
	in->active = true;
	in->event = event;
	in->ssrc = ssrc;
	in->timestamp = timestamp;
	in->before = 0;
	in->duration = 0;
	if (event == DIGITS_FLASH)
		tell(context, DIGITS_FLASHED, 0, 0);
	else
		tell(context, DIGITS_BEGIN, keys[event], 0);
}

/* The next segment of a key held longer than a duration can say: it begins where the last one ended. */
static bool is_segment(const struct digits_in *in, uint32_t ssrc, uint32_t timestamp, uint8_t event)
{
	uint32_t distance = timestamp - in->timestamp;
	return in->ssrc == ssrc && in->event == event && in->duration >= SEGMENT_FROM && distance >= in->duration &&
	       distance <= (uint32_t)in->duration + SEGMENT_SLACK;
}

bool digits_hear(struct digits_in *in, uint32_t ssrc, uint32_t timestamp, const struct packet_event *event,
		 int64_t now_us, digits_tell *tell, void *context)
{
	if (event->event > DIGITS_FLASH)
		return false;
	if (has_ended(in, ssrc, timestamp))
		return true;
	if (in->active && (in->ssrc != ssrc || in->timestamp != timestamp)) {
		if (in->ssrc == ssrc && (int32_t)(timestamp - in->timestamp) < 0)
			return true; /* late copy of an older event */
		if (is_segment(in, ssrc, timestamp, event->event)) {
			remember(in);
			in->before += timestamp - in->timestamp;
			in->timestamp = timestamp;
			in->duration = 0;
		} else {
			digits_stop(in, tell, context); /* its end was lost, or the keys overlap */
		}
	}
	if (!in->active)
		begin(in, ssrc, timestamp, event->event, tell, context);
	in->packet_at_us = now_us;
	if (event->event == in->event && event->duration > in->duration)
		in->duration = event->duration;
	if (event->end && event->event == in->event)
		digits_stop(in, tell, context);
	return true;
}

bool digits_queue(struct digits_out *out, const char *wanted, int64_t duration_ms)
{
	size_t count = strlen(wanted);
	if (count > (size_t)(DIGITS_QUEUE - out->count))
		return false;
	for (size_t i = 0; i < count; i++)
		if (digits_event(wanted[i]) < 0)
			return false;
	for (size_t i = 0; i < count; i++) {
		int at = (out->head + out->count++) % DIGITS_QUEUE;
		out->queue[at] = wanted[i];
		out->units[at] = (uint16_t)((duration_ms * 8 + SLOT - 1) / SLOT * SLOT);
	}
	return true;
}

bool digits_busy(const struct digits_out *out)
{
	return out->count > 0 || out->pause > 0;
}

static void finish(struct digits_out *out)
{
	out->sending = false;
	out->pause = PAUSE_SLOTS;
	out->head = (out->head + 1) % DIGITS_QUEUE;
	out->count--;
}

bool digits_slot(struct digits_out *out, uint32_t timestamp, struct packet_event *ret_event, uint32_t *ret_timestamp,
		 bool *ret_marker)
{
	if (out->pause > 0) {
		out->pause--;
		return false;
	}
	if (out->count == 0)
		return false;
	*ret_marker = !out->sending;
	if (!out->sending) {
		out->sending = true;
		out->timestamp = timestamp;
		out->sent = 0;
		out->ends = 0;
	}
	uint16_t units = out->units[out->head];
	if (out->sent < units)
		out->sent += SLOT;
	if (out->sent >= units)
		out->ends++;
	*ret_event = (struct packet_event){
		.event = (uint8_t)digits_event(out->queue[out->head]),
		.end = out->ends > 0,
		.volume = VOLUME,
		.duration = out->sent,
	};
	*ret_timestamp = out->timestamp;
	if (out->ends == END_PACKETS)
		finish(out);
	return true;
}

static bool is_out_sane(const struct digits_out *out)
{
	if (out->head >= DIGITS_QUEUE || out->count > DIGITS_QUEUE || out->ends > END_PACKETS ||
	    out->pause > PAUSE_SLOTS || (out->sending && !out->count))
		return false;
	for (int i = 0; i < out->count; i++)
		if (digits_event(out->queue[(out->head + i) % DIGITS_QUEUE]) < 0)
			return false;
	return true;
}

bool digits_is_sane(const struct digits_in *in, const struct digits_out *out)
{
	return in->event <= DIGITS_FLASH && in->ended_next < DIGITS_ENDED && is_out_sane(out);
}
