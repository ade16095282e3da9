#include "ask_all.h"
#include "cleanup.h"
#include "watch.h"
#include <stdlib.h>

struct round {
	struct answers answers;
	int pending;
	void (*done)(void *context, const struct answers *answers);
	void *context;
};

struct asked {
	struct round *round;
	size_t i;
};

/* It is the bus's, and read again from a copy. */
static void keep(struct answers *answers, size_t i, const struct hs_json *answer)
{
	const char *text = hs_arena_copy(answers->arena, answer->text, answer->bytes);
	struct hs_wire_fault fault;

	hs_wire_parse(text, answer->bytes, answers->arena, &answers->of[i], &fault);
}

static void answered(void *context, const struct hs_answer *answer)
{
	AUTO(free) struct asked *asked = context;
	struct round *round = asked->round;

	if (answer->error == HS_OK)
		keep(&round->answers, asked->i, answer->json);
	if (--round->pending > 0)
		return;
	round->done(round->context, &round->answers);
	hs_arena_destroy(round->answers.arena);
	free(round);
}

void ask_all(struct apid *apid, enum hs_message_id message, const void *body, int deadline_ms,
	     void (*done)(void *context, const struct answers *answers), void *context)
{
	struct round *round = hs_zalloc(sizeof(*round));
	size_t count = watch_parts(apid, round->answers.roles);

	round->answers.arena = hs_arena_create();
	round->answers.count = count;
	round->pending = (int)count;
	round->done = done;
	round->context = context;
	for (size_t i = 0; i < count; i++) {
		struct asked *asked = hs_zalloc(sizeof(*asked));
		struct hs_ask ask = {.to = round->answers.roles[i],
				     .message = message,
				     .body = body,
				     .deadline_ms = deadline_ms,
				     .answered = answered,
				     .context = asked};

		*asked = (struct asked){round, i};
		hs_bus_ask(apid->house->bus, &ask);
	}
}
