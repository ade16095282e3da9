/* Any bytes as what comes at any moment of a handshake, or laid over what an honest end says then. The first byte says
 * who hears it, when, and which of the two; the second how it is cut. Nobody comes up, and nothing is heard, by a
 * changed byte; what is heard lies within what came. */
#include "curve.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 8192

static const struct zmtp_limits limits = {4000, 6000};
static uint64_t seed;

/* Random bytes that are the same in each run. */
static const char *name_of_random(void)
{
	return "fuzz";
}

static uint32_t some(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 32);
}

static void fill(void *const to, const size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)to)[i] = (uint8_t)some();
}

static randombytes_implementation random_bytes = {
	.implementation_name = name_of_random,
	.random = some,
	.buf = fill,
};

struct end {
	struct curve *curve;
	uint8_t out[MOST], in[MOST];
	size_t out_bytes, in_bytes, plain_bytes;
	int result;
};

static bool welcomes(void *context, const uint8_t key[CURVE_KEY_BYTES])
{
	return memcmp(key, context, CURVE_KEY_BYTES) == 0;
}

static void open_end(struct end *end, bool is_server, const struct curve_pair *own, const uint8_t *key)
{
	uint8_t ready[ZMTP_ANSWER_MAX];

	*end = (struct end){.result = 1, .out_bytes = ZMTP_GREETING_BYTES};
	end->curve = curve_create(
		&(struct curve_setup){
			.is_server = is_server,
			.own = own,
			.own_count = 1,
			.server = key,
			.ready = {ready, zmtp_ready_write(ready, is_server ? ZMTP_ROUTER : ZMTP_DEALER, NULL, NULL)},
			.is_welcome = welcomes,
			.context = (void *)key,
		},
		end->out);
}

static void check(const struct curve_heard *heard, const uint8_t *piece, size_t bytes)
{
	if (heard->passed > bytes || heard->passed == 0 || heard->say_bytes > CURVE_SAY_MAX)
		abort();
	if (heard->plain.bytes &&
	    (heard->plain.data < piece || heard->plain.data + heard->plain.bytes > piece + heard->passed))
		abort();
}

/* Each piece is shown in memory of its exact size, so that a step beyond it is seen. */
static void hear(struct end *end)
{
	size_t at = 0;

	while (end->result > 0 && at < end->in_bytes) {
		struct curve_heard heard;
		uint8_t *piece = malloc(end->in_bytes - at);

		memcpy(piece, end->in + at, end->in_bytes - at);
		end->result = curve_hear(end->curve, piece, end->in_bytes - at, &limits, &heard);
		if (end->result > 0) {
			check(&heard, piece, end->in_bytes - at);
			end->plain_bytes += heard.plain.bytes;
			at += heard.passed;
			if (end->out_bytes + heard.say_bytes <= MOST) {
				memcpy(end->out + end->out_bytes, heard.say, heard.say_bytes);
				end->out_bytes += heard.say_bytes;
			}
		}
		free(piece);
	}
	if (end->result == 0)
		end->result = 1;
	memmove(end->in, end->in + at, end->in_bytes - at);
	end->in_bytes -= at;
}

static void carry(struct end *to, const uint8_t *data, size_t bytes, size_t step)
{
	for (size_t at = 0; at < bytes && to->result > 0; at += step) {
		size_t piece = bytes - at < step ? bytes - at : step;

		if (to->in_bytes + piece > MOST)
			return;
		memcpy(to->in + to->in_bytes, data + at, piece);
		to->in_bytes += piece;
		hear(to);
	}
}

/* A message of an end that is up. */
static void say(struct end *end)
{
	static const uint8_t frame[] = "\0\5hello";

	if (curve_is_up(end->curve) && end->out_bytes + 64 < MOST)
		end->out_bytes += curve_seal(end->curve, frame, sizeof(frame) - 1, end->out + end->out_bytes);
}

/* Lays the mask over what was said; whether that changed anything. */
static bool mask(struct end *end, const uint8_t *data, size_t size)
{
	bool is_changed = false;

	for (size_t i = 0; i < size && i < end->out_bytes; i++) {
		end->out[i] ^= data[i];
		is_changed |= data[i] != 0;
	}
	return is_changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct end ends[2];
	struct curve_pair pairs[2];
	bool is_changed;
	size_t step, before;
	struct end *from, *to;

	if (size < 2 || sodium_init() < 0)
		return 0;
	randombytes_set_implementation(&random_bytes);
	seed = 1;
	for (int i = 0; i < 2; i++)
		crypto_box_keypair(pairs[i].public, pairs[i].secret);
	for (int i = 0; i < 2; i++)
		open_end(&ends[i], i == 1, &pairs[i], pairs[1 - i].public);
	from = &ends[data[0] & 1];
	to = &ends[!(data[0] & 1)];
	step = (size_t)data[1] * 16 + 1;
	for (int i = 0; i < (data[0] >> 1 & 3); i++) {
		carry(to, from->out, from->out_bytes, MOST);
		from->out_bytes = 0;
		carry(from, to->out, to->out_bytes, MOST);
		to->out_bytes = 0;
	}
	say(from);
	before = to->plain_bytes;
	if (data[0] & 8) {
		is_changed = mask(from, data + 2, size - 2);
		carry(to, from->out, from->out_bytes, step);
		/* A greeting has bytes without a meaning, and a head can be said in two ways. */
		if (is_changed && before >= ZMTP_GREETING_BYTES && size > 4 && (data[3] || data[4]) &&
		    to->plain_bytes != before)
			abort();
	} else {
		carry(to, data + 2, size - 2, step);
		if (to->plain_bytes > before + ZMTP_GREETING_BYTES || (before && to->plain_bytes != before))
			abort();
	}
	curve_destroy(ends[0].curve);
	curve_destroy(ends[1].curve);
	return 0;
}
