#include "show.h"
#include "blot.h"
#include "cleanup.h"
#include "clock.h"
#include <stdlib.h>
#include <string.h>

#define BODY_SHOWN 1200 /* bytes, in the ledger */

static char *text_or_none(const char *text)
{
	return *text ? hs_strdup(text) : NULL;
}

static void fill(const struct show_what *what, const struct deliver_result *result, struct show *ret)
{
	ret->url = hs_printf("%s%s", what->url, result->lines->query);
	ret->error = result->status ? NULL : text_or_none(result->why);
	ret->head = text_or_none(result->head);
	ret->answer = text_or_none(result->answer);
	for (size_t i = 0; i < result->lines->count; i++)
		ret->headers[i] = ret->lines[i];
	ret->attempt = (struct hs_webhook_attempt){
		.delivery = what->delivery,
		.event_type = what->type,
		.cursor = *what->cursor ? what->cursor : NULL,
		.at = hs_clock_wall_ms(),
		.attempt = what->attempt,
		.took_ms = result->took_us / 1000,
		.url = ret->url,
		.headers_count = result->lines->count,
		.headers = ret->headers,
		.body = ret->body,
		.has_status = result->status > 0,
		.status = result->status,
		.error = ret->error,
		.answer_head = ret->head,
		.answer_body = ret->answer,
	};
}

void show_blotted(const struct show_what *what, const struct deliver_result *result, struct show *ret)
{
	*ret = (struct show){.body = blot_event(what->body, what->bytes, BODY_SHOWN)};
	for (size_t i = 0; i < result->lines->count; i++)
		ret->lines[i] = blot_line(result->lines->text[i]);
	fill(what, result, ret);
}

void show_whole(const struct show_what *what, const struct deliver_result *result, struct show *ret)
{
	*ret = (struct show){.body = hs_printf("%.*s", (int)what->bytes, what->body)};
	for (size_t i = 0; i < result->lines->count; i++)
		ret->lines[i] = hs_strdup(result->lines->text[i]);
	fill(what, result, ret);
}

void show_finish(struct show *show)
{
	for (size_t i = 0; i < SIGN_LINES; i++)
		free(show->lines[i]);
	free(show->body);
	free(show->url);
	free(show->error);
	free(show->head);
	free(show->answer);
}
