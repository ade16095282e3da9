/* Texts and audio of an operator's WebSocket, in both dialects: understood or ignored, and the queues stay in bounds.
 */
#include "sid.h"
#include "talk.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int note(void *context, struct hs_frame *frame)
{
	if (frame->payload_bytes > HS_FRAME_MAX_PAYLOAD)
		abort();
	return frame->payload_bytes % 3 ? 0 : -1;
}

/* Every byte is a step: audio in, something out. */
static void drive(struct hs_talk *talk, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		struct hs_frame frame = {.kind = (enum hs_frame_kind)(data[i] >> 4),
					 .codec = (enum hs_codec)(data[i] % HS_CODEC_COUNT),
					 .is_outbound = data[i] & 8,
					 .timestamp = (uint32_t)i,
					 .payload = data + i,
					 .payload_bytes = bytes - i};
		const void *next;
		size_t next_bytes;
		bool text;

		if (data[i] & 1)
			hs_talk_heard(talk, &frame);
		else if (hs_talk_next(talk, (int64_t)i * 100, &text, &next, &next_bytes))
			hs_talk_sent(talk);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	for (int dialect = 1; dialect < HS_STREAM_DIALECT_COUNT; dialect++) {
		const struct hs_talk_setup setup = {
			.line = "phone1",
			.node = "1",
			.options = {.dialect = (enum hs_stream_dialect)dialect,
				    .format = bytes % 2 ? HS_STREAM_FORMAT_L16 : HS_STREAM_FORMAT_LINE,
				    .rate = bytes % 4 == 1 ? 16000 : 8000,
				    .track = HS_STREAM_TRACK_BOTH,
				    .direction = HS_STREAM_DIRECTION_BOTH},
			.send = note,
		};
		struct hs_talk *talk = hs_talk_create(&setup);
		char id[HS_SID_BYTES];

		hs_talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMU);
		hs_talk_call(talk, &(struct hs_stream_call_answer){.call_id = "c1-x"});
		hs_talk_read(talk, true, data, bytes);
		hs_talk_read(talk, false, data, bytes);
		drive(talk, data, bytes < 1000 ? bytes : 1000);
		hs_talk_destroy(talk);
		if (bytes < sizeof(id) && memchr(data, 0, bytes))
			hs_sid_read((const char *)data, 'c', "1", id);
	}
	return 0;
}
