#include "playout.h"
#include <errno.h>
#include <string.h>

enum { START_SLOTS = 2, PAUSE_SLOTS = 50 };

struct playout {
	enum hs_codec codec; /* of what waits */
	size_t head, depth;  /* in samples; a ring */
	bool playing;        /* else filling up */
	int waited;          /* slots since something came while filling up */
	bool has_played;
	int dry; /* slots since the last frame */
	uint64_t underruns;
	uint64_t heard, cleared, dropped; /* samples, ever */
	bool is_paused, is_full;
	size_t first_mark, marks_count;
	struct mark {
		uint64_t at; /* samples that had left the queue when it is passed */
		uint32_t number;
	} marks[PLAYOUT_MARKS];
	uint8_t ring[PLAYOUT_SAMPLES];
};

const size_t playout_kept = sizeof(struct playout);

size_t playout_bytes(void)
{
	return sizeof(struct playout);
}

void playout_check(struct playout *playout)
{
	bool is_law = playout->codec == HS_CODEC_PCMU || playout->codec == HS_CODEC_PCMA;
	bool has_marks = playout->first_mark < PLAYOUT_MARKS && playout->marks_count <= PLAYOUT_MARKS;
	if (playout->head < PLAYOUT_SAMPLES && playout->depth <= PLAYOUT_SAMPLES && (is_law || !playout->depth) &&
	    has_marks)
		return;
	memset(playout, 0, offsetof(struct playout, marks));
	playout->codec = HS_CODEC_PCMU;
}

/* Told to whoever fills it: with a distance between the two, so that it is not told at each frame. */
static void note_depth(struct playout *playout)
{
	if (playout->depth >= PLAYOUT_ENOUGH)
		playout->is_full = true;
	else if (playout->depth < PLAYOUT_SOON_DRY)
		playout->is_full = false;
}

static void copy_in(struct playout *playout, const uint8_t *bytes, size_t count)
{
	size_t at = (playout->head + playout->depth) % PLAYOUT_SAMPLES;
	size_t first = count < PLAYOUT_SAMPLES - at ? count : PLAYOUT_SAMPLES - at;
	memcpy(playout->ring + at, bytes, first);
	memcpy(playout->ring, bytes + first, count - first);
}

static void convert_in(struct playout *playout, enum hs_codec codec, size_t count)
{
	size_t at = (playout->head + playout->depth) % PLAYOUT_SAMPLES;
	size_t first = count < PLAYOUT_SAMPLES - at ? count : PLAYOUT_SAMPLES - at;
	hs_law_convert(codec, playout->codec, playout->ring + at, first);
	hs_law_convert(codec, playout->codec, playout->ring, count - first);
}

size_t playout_put(struct playout *playout, enum hs_codec codec, const uint8_t *bytes, size_t count)
{
	size_t room = PLAYOUT_SAMPLES - playout->depth, taken = count < room ? count : room;
	if (playout->depth == 0) {
		playout->head = 0; /* stay in the pages that are already there */
		playout->codec = codec;
	}
	copy_in(playout, bytes, taken);
	convert_in(playout, codec, taken);
	playout->depth += taken;
	playout->dropped += count - taken;
	note_depth(playout);
	return count - taken;
}

int playout_mark(struct playout *playout, uint32_t number)
{
	if (playout->marks_count == PLAYOUT_MARKS)
		return -ENOSPC;
	struct mark *mark = &playout->marks[(playout->first_mark + playout->marks_count++) % PLAYOUT_MARKS];
	mark->at = playout->heard + playout->cleared + playout->depth;
	mark->number = number;
	return 0;
}

bool playout_passed(struct playout *playout, uint32_t *ret_number)
{
	const struct mark *mark = &playout->marks[playout->first_mark];
	if (playout->marks_count == 0 || mark->at > playout->heard + playout->cleared)
		return false;
	*ret_number = mark->number;
	playout->first_mark = (playout->first_mark + 1) % PLAYOUT_MARKS;
	playout->marks_count--;
	return true;
}

static bool may_start(struct playout *playout)
{
	if (playout->depth == 0)
		return false;
	return playout->depth >= PLAYOUT_START || ++playout->waited > START_SLOTS;
}

static bool stay_dry(struct playout *playout)
{
	if (playout->has_played && playout->dry < PAUSE_SLOTS)
		playout->dry++;
	return false;
}

bool playout_take(struct playout *playout, enum hs_codec *ret_codec, uint8_t ret_frame[CODEC_FRAME])
{
	if (playout->is_paused)
		return false;
	if (!playout->playing && !may_start(playout))
		return stay_dry(playout);
	if (playout->depth == 0) {
		playout->playing = false;
		playout->waited = 0;
		return stay_dry(playout);
	}
	size_t count = playout->depth < CODEC_FRAME ? playout->depth : CODEC_FRAME;
	for (size_t i = 0; i < count; i++)
		ret_frame[i] = playout->ring[(playout->head + i) % PLAYOUT_SAMPLES];
	memset(ret_frame + count, hs_law_silence(playout->codec), CODEC_FRAME - count);
	playout->head = (playout->head + count) % PLAYOUT_SAMPLES;
	playout->depth -= count;
	playout->heard += count;
	note_depth(playout);
	if (playout->dry < PAUSE_SLOTS)
		playout->underruns += (uint64_t)playout->dry;
	playout->dry = 0;
	playout->playing = playout->has_played = true;
	*ret_codec = playout->codec;
	return true;
}

void playout_clear(struct playout *playout)
{
	playout->cleared += playout->depth;
	playout->head = playout->depth = 0;
	playout->is_full = false;
	playout->playing = playout->has_played = false;
	playout->waited = playout->dry = 0;
}

/* A pause is no gap: what was dry before is forgotten. */
void playout_pause(struct playout *playout, bool is_paused)
{
	playout->is_paused = is_paused;
	playout->dry = 0;
}

bool playout_waits(const struct playout *playout)
{
	return playout->depth > 0 && !playout->is_paused;
}

void playout_measure(const struct playout *playout, struct hs_frame_queue *ret_queue)
{
	*ret_queue = (struct hs_frame_queue){
		.heard = playout->heard,
		.dropped = playout->dropped,
		.underruns = playout->underruns,
		.waiting = (uint32_t)playout->depth,
		.is_paused = playout->is_paused,
		.is_full = playout->is_full,
	};
}

size_t playout_depth(const struct playout *playout)
{
	return playout->depth;
}

uint64_t playout_underruns(const struct playout *playout)
{
	return playout->underruns;
}
