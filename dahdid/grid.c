#include "grid.h"
#include "clock.h"
#include "dahdid.h"
#include "frames.h"
#include "metrics.h"
#include "watch.h"

#define TRIES 5 /* to begin in the clock's millisecond */

static struct grid *grid_of(const struct port *port)
{
	return &port->dahdid->grid;
}

static bool is_on(const struct port *port)
{
	return port->beat.place != BEAT_NONE;
}

static bool same_card(const struct port *a, const struct port *b)
{
	return a->facts.span == b->facts.span;
}

static struct port *clock_of(const struct port *port)
{
	for (struct port *other = grid_of(port)->first; other; other = other->beat.next)
		if (other->beat.place == BEAT_CLOCK && same_card(other, port))
			return other;
	return NULL;
}

static void make_clock(struct port *port, struct port *before)
{
	if (before) {
		before->beat.place = BEAT_PROVEN;
		watch_audio(before, false);
	}
	port->beat.place = BEAT_CLOCK;
	watch_audio(port, true);
}

void grid_join(struct port *port)
{
	struct grid *grid = grid_of(port);

	grid_leave(port);
	port->beat = (struct beat){.place = BEAT_WAITING, .next = grid->first};
	if (grid->first)
		grid->first->beat.previous = port;
	grid->first = port;
	if (clock_of(port))
		watch_audio(port, false);
	else
		make_clock(port, NULL);
}

/* One that is known to come at the same time, else one that was told to, else any. */
static struct port *heir_of(const struct port *clock)
{
	struct port *heir = NULL;

	for (struct port *port = grid_of(clock)->first; port; port = port->beat.next)
		if (same_card(port, clock) && (!heir || port->beat.place > heir->beat.place))
			heir = port;
	return heir;
}

void grid_leave(struct port *port)
{
	struct grid *grid = grid_of(port);
	struct beat *beat = &port->beat;
	bool was_clock = beat->place == BEAT_CLOCK;
	struct port *heir;

	if (!is_on(port))
		return;
	if (grid->next == port)
		grid->next = beat->next;
	if (beat->previous)
		beat->previous->beat.next = beat->next;
	else
		grid->first = beat->next;
	if (beat->next)
		beat->next->beat.previous = beat->previous;
	*beat = (struct beat){0};
	heir = was_clock ? heir_of(port) : NULL;
	if (heir)
		make_clock(heir, NULL);
}

/* Beginning within the millisecond in which the clock's block came mostly succeeds, and shows at its next one. */
static void align(struct port *port, int64_t block)
{
	port->beat.place = BEAT_TRYING;
	port->beat.tries++;
	port->beat.block = block;
	frames_align(port);
}

static int64_t read_some(struct port *port, int most)
{
	int64_t before = port->counts.blocks_in;

	watch_blocks(port, most);
	return port->counts.blocks_in - before;
}

/* It comes later than the clock, or lost a block that the clock did not lose: the time of its next one tells. */
static void become_clock(struct port *port)
{
	make_clock(port, clock_of(port));
	port->beat.missed_at_us = hs_clock_us();
}

/* As many blocks as the clock has had. */
static void catch_up(struct port *port, int64_t block)
{
	struct beat *beat = &port->beat;
	int most = block - beat->block < WATCH_BLOCKS ? (int)(block - beat->block) : WATCH_BLOCKS;
	int64_t count = read_some(port, most);

	if (!is_on(port) || beat->place == BEAT_CLOCK)
		return;
	beat->block += count;
	if (beat->block == block)
		beat->place = BEAT_PROVEN;
	else if (count == 0 && beat->place == BEAT_TRYING && beat->tries < TRIES)
		align(port, block);
	else if (count == 0)
		become_clock(port);
}

static void read_clock(struct port *clock)
{
	struct beat *beat = &clock->beat;
	int64_t half_us = clock->dahdid->block_bytes * 125 / 2;

	if (beat->missed_at_us && hs_clock_us() - beat->missed_at_us > half_us)
		beat->block++;
	beat->missed_at_us = 0;
	beat->block += read_some(clock, frames_due(clock));
}

static void read_all(struct port *clock)
{
	struct grid *grid = grid_of(clock);
	int card = clock->facts.span;
	int64_t block;

	read_clock(clock);
	if (!is_on(clock))
		return; /* its heir comes in its own time */
	block = clock->beat.block;
	for (struct port *port = grid->first; port; port = grid->next) {
		grid->next = port->beat.next;
		if (port->facts.span != card || port->beat.place == BEAT_CLOCK)
			continue;
		if (port->beat.place == BEAT_WAITING)
			align(port, block);
		else if (port->beat.block < block)
			catch_up(port, block);
	}
	grid->next = NULL;
}

void grid_turn(struct port *clock)
{
	struct dahdid *dahdid = clock->dahdid;

	hs_audio_gather(dahdid->audio, 0);
	read_all(clock);
	hs_metric_add(dahdid->meters.lost, hs_audio_release(dahdid->audio));
}
