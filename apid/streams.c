#include "streams.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include <stdlib.h>
#include <string.h>

struct streams {
	struct streams_setup setup;
	struct hs_table *by_id;
	struct hs_metric *open;
};

static void ask(struct streams *streams, enum hs_message_id message, const char *grant, const void *body)
{
	const struct calls_ask one = {.to = HS_ROLE_MEDIAD, .message = message, .leg = grant, .body = body};

	streams->setup.ask(streams->setup.context, &one);
}

static void link_grant(struct streams *streams, struct grant *grant)
{
	grant->next = grant->line->grants;
	grant->line->grants = grant;
	hs_table_put(streams->by_id, grant->id, grant);
	hs_metric_set(streams->open, (int64_t)hs_table_count(streams->by_id));
}

static void unlink_grant(struct streams *streams, struct grant *grant)
{
	struct grant **at = &grant->line->grants;

	while (*at && *at != grant)
		at = &(*at)->next;
	if (*at)
		*at = grant->next;
	hs_table_remove(streams->by_id, grant->id);
	hs_metric_set(streams->open, (int64_t)hs_table_count(streams->by_id));
}

/* Joined under the leg's name: when the leg ends, so does what was asked about it. */
static void join_present_call(struct streams *streams, const struct grant *grant)
{
	struct leg *leg = calls_leg_of(streams->setup.calls, grant->line);
	struct hs_media_join body = {leg ? leg->id : NULL, grant->id};

	if (leg && leg->state == LEG_UP && leg->call->state == CALL_UP)
		calls_ask_media(leg, HS_MEDIA_JOIN, &body);
}

static struct grant *make_grant(const char *id, struct line *line, enum hs_role front, const char *via)
{
	struct grant *grant = hs_zalloc(sizeof(*grant));

	hs_copy(grant->id, sizeof(grant->id), id);
	hs_copy(grant->via, sizeof(grant->via), via);
	grant->line = line;
	grant->front = front;
	return grant;
}

void streams_add(struct streams *streams, const char *id, struct line *line, enum hs_role front, const char *via)
{
	struct grant *grant = make_grant(id, line, front, via);
	struct hs_operator_connected event = {grant->via};
	int64_t now = hs_clock_wall_ms();

	link_grant(streams, grant);
	store_write(streams->setup.store, STORE_GRANT_PUT, STORE_V_TEXT(id), STORE_V_TEXT(line->config->id),
		    STORE_V_TEXT(grant->via), STORE_V_TEXT(hs_role_names[front]), STORE_V_INT(now));
	eventlog_add(streams->setup.log, HS_OPERATOR_CONNECTED, now, line->config->id,
		     line->call[0] ? line->call : NULL, &event);
	hs_log(INFO, "operator.connected", LOG_LINE(line->config->id), LOG_TEXT("stream", id), LOG_TEXT("via", via));
	join_present_call(streams, grant);
}

static void tell_gone(struct streams *streams, const struct line *line, const struct hs_operator_disconnected *event)
{
	eventlog_add(streams->setup.log, HS_OPERATOR_DISCONNECTED, hs_clock_wall_ms(), line->config->id,
		     line->call[0] ? line->call : NULL, event);
	hs_log(INFO, "operator.disconnected", LOG_LINE(line->config->id), LOG_TEXT("via", event->via),
	       LOG_WHY(event->why));
}

/* Ends a grant. close: mediad still has the stream. */
static void end_grant(struct streams *streams, struct grant *grant, bool close)
{
	struct hs_media_close body = {grant->id};

	unlink_grant(streams, grant);
	store_write(streams->setup.store, STORE_GRANT_DROP, STORE_V_TEXT(grant->id));
	streams->setup.forget(streams->setup.context, HS_ROLE_MEDIAD, grant->id);
	if (close)
		ask(streams, HS_MEDIA_CLOSE, grant->id, &body);
	free(grant);
}

void streams_close(struct streams *streams, const struct hs_stream_close *request, struct line *line)
{
	struct grant *grant = request->stream ? hs_table_get(streams->by_id, request->stream) : NULL;
	struct hs_operator_disconnected event = {request->via, request->why, request->has_retry_in_ms,
						 request->retry_in_ms};

	if (request->stream && !grant)
		return;
	tell_gone(streams, grant ? grant->line : line, &event);
	if (grant)
		end_grant(streams, grant, true);
}

void streams_lost(struct streams *streams, const char *id, const char *why)
{
	struct grant *grant = id ? hs_table_get(streams->by_id, id) : NULL;
	struct hs_operator_disconnected event = {.why = why};

	if (!grant)
		return;
	event.via = grant->via;
	tell_gone(streams, grant->line, &event);
	end_grant(streams, grant, false);
}

struct front_gone {
	struct streams *streams;
	enum hs_role front;
};

static bool end_of_front(void *context, const char *key, void *object)
{
	struct front_gone *gone = context;
	struct grant *grant = object;
	struct hs_operator_disconnected event = {grant->via, "the front that held the connection is gone", false, 0};

	if (grant->front != gone->front)
		return true;
	tell_gone(gone->streams, grant->line, &event);
	end_grant(gone->streams, grant, true);
	return true;
}

void streams_front_gone(struct streams *streams, enum hs_role front)
{
	struct front_gone gone = {streams, front};

	hs_table_each(streams->by_id, end_of_front, &gone);
}

static bool open_again(void *context, const char *key, void *object)
{
	struct streams *streams = context;
	struct grant *grant = object;
	struct hs_media_open body = {.leg = grant->id, .kind = HS_MEDIA_KIND_STREAM};

	streams->setup.forget(streams->setup.context, HS_ROLE_MEDIAD, grant->id);
	ask(streams, HS_MEDIA_OPEN, grant->id, &body);
	join_present_call(streams, grant);
	return true;
}

void streams_media_restarted(struct streams *streams)
{
	hs_table_each(streams->by_id, open_again, streams);
}

bool streams_has(const struct line *line)
{
	for (const struct grant *grant = line->grants; grant; grant = grant->next)
		if (strcmp(grant->via, "listening") != 0)
			return true;
	return false;
}

static bool see_grant(void *context, const struct store_row *row)
{
	struct streams *streams = context;
	struct line *line = lines_find(streams->setup.lines, store_text(row, 1));
	const char *role = store_text(row, 3);
	bool dialled = role && strcmp(role, hs_role_names[HS_ROLE_HOOK_STREAM]) == 0;

	if (line)
		link_grant(streams, make_grant(store_text(row, 0), line,
					       dialled ? HS_ROLE_HOOK_STREAM : HS_ROLE_API_FRONT, store_text(row, 2)));
	return true;
}

struct streams *streams_create(const struct streams_setup *setup)
{
	struct streams *streams = hs_zalloc(sizeof(*streams));

	streams->setup = *setup;
	streams->by_id = hs_table_create();
	streams->open = hs_metric_gauge("hookswitch_operator_streams", "", "Audio streams that operators have open.");
	store_query(store_at_start(setup->store), STORE_GRANTS, NULL, 0, see_grant, streams);
	return streams;
}

static bool free_grant(void *context, const char *key, void *object)
{
	free(object);
	return true;
}

void streams_destroy(struct streams *streams)
{
	if (!streams)
		return;
	hs_table_each(streams->by_id, free_grant, NULL);
	hs_table_destroy(streams->by_id);
	free(streams);
}
