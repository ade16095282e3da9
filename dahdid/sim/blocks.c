#include "blocks.h"
#include "cleanup.h"
#include <stdlib.h>
#include <string.h>

static uint8_t *block(const struct blocks *blocks, const struct blocks_side *side, int number)
{
	return side->memory + (size_t)(number % blocks->count) * (size_t)blocks->size;
}

static bool waits_by_policy(const struct blocks *blocks)
{
	return blocks->policy == BLOCKS_WHEN_FULL || blocks->policy == BLOCKS_HALF_FULL;
}

void blocks_resize(struct blocks *blocks, int size, int count)
{
	blocks_finish(blocks);
	blocks->size = size;
	blocks->count = count < 2 ? 2 : count > BLOCKS_MAX ? BLOCKS_MAX : count;
	blocks->in.memory = hs_zalloc((size_t)size * (size_t)blocks->count);
	blocks->out.memory = hs_zalloc((size_t)size * (size_t)blocks->count);
	blocks->held = waits_by_policy(blocks);
	blocks_clear_in(blocks);
	blocks_clear_out(blocks);
}

void blocks_finish(struct blocks *blocks)
{
	free(blocks->in.memory);
	free(blocks->out.memory);
	blocks->in.memory = blocks->out.memory = NULL;
	blocks->size = 0;
	blocks->in.full = blocks->out.full = 0;
}

void blocks_clear_in(struct blocks *blocks)
{
	blocks->in.first = blocks->in.full = blocks->in.at = 0;
}

void blocks_clear_out(struct blocks *blocks)
{
	blocks->out.first = blocks->out.full = blocks->out.at = 0;
}

bool blocks_readable(const struct blocks *blocks)
{
	return blocks->in.full > 0;
}

bool blocks_writable(const struct blocks *blocks)
{
	return blocks->size && blocks->out.full < blocks->count;
}

bool blocks_all_sent(const struct blocks *blocks)
{
	return blocks->out.full == 0;
}

int blocks_receive(struct blocks *blocks, const uint8_t *samples, int count, bool *ret_filled)
{
	struct blocks_side *in = &blocks->in;

	*ret_filled = false;
	while (count > 0 && blocks->size && in->full < blocks->count) {
		int room = blocks->size - in->at;
		int take = count < room ? count : room;
		int number = (in->first + in->full) % blocks->count;

		memcpy(block(blocks, in, number) + in->at, samples, (size_t)take);
		samples += take;
		count -= take;
		in->at += take;
		if (in->at == blocks->size) {
			in->length[number] = in->at;
			in->at = 0;
			in->full++;
			*ret_filled = true;
		}
	}
	return count;
}

/* The block that was being sent is through. */
static void sent(struct blocks *blocks)
{
	struct blocks_side *out = &blocks->out;

	out->first = (out->first + 1) % blocks->count;
	out->full--;
	out->at = 0;
	if (!out->full && waits_by_policy(blocks))
		blocks->held = true;
}

int blocks_send(struct blocks *blocks, uint8_t *ret_samples, int count, bool *ret_freed)
{
	struct blocks_side *out = &blocks->out;
	int got = 0;

	*ret_freed = false;
	while (got < count && out->full && !blocks->held) {
		int left = out->length[out->first] - out->at;
		int take = count - got < left ? count - got : left;

		memcpy(ret_samples + got, block(blocks, out, out->first) + out->at, (size_t)take);
		got += take;
		out->at += take;
		if (out->at >= out->length[out->first]) {
			sent(blocks);
			*ret_freed = true;
		}
	}
	return got;
}

const uint8_t *blocks_oldest(const struct blocks *blocks, int *ret_length)
{
	if (!blocks->in.full)
		return NULL;
	*ret_length = blocks->in.length[blocks->in.first];
	return block(blocks, &blocks->in, blocks->in.first);
}

void blocks_drop(struct blocks *blocks)
{
	blocks->in.first = (blocks->in.first + 1) % blocks->count;
	blocks->in.full--;
}

uint8_t *blocks_free(struct blocks *blocks)
{
	return blocks_writable(blocks) ? block(blocks, &blocks->out, blocks->out.first + blocks->out.full) : NULL;
}

void blocks_written(struct blocks *blocks, int length)
{
	struct blocks_side *out = &blocks->out;

	out->length[(out->first + out->full) % blocks->count] = length;
	out->full++;
	if (out->full == blocks->count || (blocks->policy == BLOCKS_HALF_FULL && out->full >= blocks->count / 2))
		blocks->held = false;
}

void blocks_release(struct blocks *blocks)
{
	blocks->held = false;
}
