#include "stream.h"

#define PATIENCE_MS 60000 /* apid may be restarting: it must learn that an operator is gone */

uint64_t ask_open(struct stream *stream, const char *line,
		  void (*answered)(void *context, const struct hs_answer *answer), void *context)
{
	struct hs_stream_open open = {.line = line, .via = "dialled"};
	struct hs_ask ask = {
		.to = HS_ROLE_APID,
		.message = HS_STREAM_OPEN,
		.body = &open,
		.answered = answered,
		.context = context,
	};

	return hs_bus_ask(stream->house->bus, &ask);
}

uint64_t ask_present_call(struct stream *stream, const char *line,
			  void (*answered)(void *context, const struct hs_answer *answer), void *context)
{
	struct hs_stream_call call = {.line = line};
	struct hs_ask ask = {
		.to = HS_ROLE_APID,
		.message = HS_STREAM_CALL,
		.body = &call,
		.deadline_ms = PATIENCE_MS,
		.patient = true,
		.answered = answered,
		.context = context,
	};

	return hs_bus_ask(stream->house->bus, &ask);
}

void ask_close(struct stream *stream, const char *line, const char *grant, const char *why, int64_t retry_in_ms,
	       const char *call)
{
	struct hs_stream_close close = {
		.stream = grant && *grant ? grant : NULL,
		.line = line,
		.via = "dialled",
		.why = why,
		.has_retry_in_ms = retry_in_ms >= 0,
		.retry_in_ms = retry_in_ms,
		.end_call = call && *call ? call : NULL,
	};
	struct hs_ask ask = {
		.to = HS_ROLE_APID,
		.message = HS_STREAM_CLOSE,
		.body = &close,
		.deadline_ms = PATIENCE_MS,
		.patient = true,
	};

	hs_bus_ask(stream->house->bus, &ask);
}
