/* Texts and audio of an operator's WebSocket: understood or ignored, and the queues stay in bounds. */
#include "talk.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Every byte is a step: audio in, something out. */
static void drive(const uint8_t *data, size_t bytes)
{
	struct talk *talk = talk_create("phone1");
	const void *next;
	size_t next_bytes;
	bool text;

	talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMU);
	for (size_t i = 0; i < bytes; i++) {
		if (data[i] & 1)
			talk_audio(talk, (enum hs_codec)(data[i] % HS_CODEC_COUNT), data, bytes - i);
		else if (talk_next(talk, (int64_t)i * 100, &text, &next, &next_bytes))
			talk_sent(talk);
	}
	talk_destroy(talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (talk_read(data, bytes) > TALK_CLEAR)
		abort();
	drive(data, bytes < 1000 ? bytes : 1000);
	return 0;
}
