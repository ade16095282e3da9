/* Any bytes as what a peer sends, cut in two ways: what is heard must be the same, lie within what was sent, and keep
 * the limits. The first byte says how it is cut. */
#include "zmtp.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct zmtp_limits limits = {4000, 6000};

struct heard {
	size_t messages, commands, bytes;
	uint32_t sum;
	int end;
};

static void add(struct heard *heard, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		heard->sum = heard->sum * 31 + data[i];
	heard->bytes += bytes;
}

static void read_command(const uint8_t *data, size_t bytes)
{
	struct zmtp_part rest, value;
	enum zmtp_type type;
	int64_t ttl_ms;
	int command = zmtp_command_read(data, bytes, &rest);

	if (command < 0)
		return;
	if (rest.data + rest.bytes != data + bytes)
		abort();
	if (zmtp_ready_read(&rest, "X-role", &type, &value) == 0 && value.bytes > 0 &&
	    (value.data < data || value.data + value.bytes > data + bytes))
		abort();
	if (zmtp_ping_read(&rest, &ttl_ms, &value) == 0 && (ttl_ms < 0 || value.bytes > ZMTP_CONTEXT_MAX))
		abort();
}

static void take(struct heard *heard, const struct zmtp_decoder *decoder, const uint8_t *data, int got)
{
	if (got == ZMTP_COMMAND) {
		heard->commands++;
		add(heard, data + decoder->command_at, decoder->command_bytes);
		read_command(data + decoder->command_at, decoder->command_bytes);
		return;
	}
	heard->messages++;
	if (decoder->count < 1 || decoder->count > ZMTP_FRAMES_MAX || decoder->at > limits.message)
		abort();
	for (int i = 0; i < decoder->count; i++) {
		if (decoder->frames[i].bytes > limits.frame)
			abort();
		add(heard, data + decoder->frames[i].at, decoder->frames[i].bytes);
	}
}

/* Each piece is shown in memory of its exact size, so that a step beyond it is seen. */
static struct heard hear(const uint8_t *data, size_t size, size_t step)
{
	struct zmtp_decoder decoder = {0};
	struct heard heard = {0};
	size_t at = 0;

	for (size_t there = step < size ? step : size;;) {
		uint8_t *piece = malloc(there - at + 1);
		int got;

		memcpy(piece, data + at, there - at);
		got = zmtp_decode(&decoder, piece, there - at, &limits);
		if (got > 0) {
			take(&heard, &decoder, piece, got);
			at += zmtp_pass(&decoder, got == ZMTP_MESSAGE);
		}
		free(piece);
		heard.end = got;
		if (got < 0 || (got == 0 && there == size))
			return heard;
		if (got == 0)
			there = there + step < size ? there + step : size;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard whole, cut;
	int minor;

	if (size < 1)
		return 0;
	if (zmtp_greeting_read(data + 1, size - 1, &minor) == 0 && size > 1 + ZMTP_GREETING_BYTES)
		hear(data + 1 + ZMTP_GREETING_BYTES, size - 1 - ZMTP_GREETING_BYTES, size);
	whole = hear(data + 1, size - 1, size);
	cut = hear(data + 1, size - 1, 1 + data[0] % 64);
	if (memcmp(&whole, &cut, sizeof(whole)) != 0)
		abort();
	return 0;
}
