#include "operator.h"
#include "stream.h"

static void happened(void *context, const struct follow_event *event)
{
	struct stream *stream = context;

	for (size_t i = 0; i < stream->count; i++)
		operator_event(stream->operators[i], event->head, event->json);
}

/* From the log's end on: an operator is told what happens, not what happened. */
void hear_start(struct stream *stream)
{
	struct follow_setup setup = {
		.bus = stream->house->bus,
		.loop = stream->house->loop,
		.happened = happened,
		.context = stream,
	};

	stream->follow = follow_create(&setup);
}
