#include "ceiling.h"
#include "cleanup.h"
#include "clock.h"
#include "hour.h"
#include "log.h"
#include "table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000
#define KEY "line.hour:" /* in the store, beside what lines keep there */

struct ceiling {
	struct hs_ceiling *file;
	struct store *store;
	struct eventlog *log;
	struct hs_table *hours; /* line -> struct hs_hour */
	int64_t told_at_ms;     /* 0: never */
	char why[HS_CEILING_WHY];
};

static struct hs_hour *hour_of(struct ceiling *ceiling, const char *line)
{
	struct hs_hour *hour = hs_table_get(ceiling->hours, line);

	if (!hour) {
		hour = hs_zalloc(sizeof(*hour));
		hs_table_put(ceiling->hours, line, hour);
	}
	return hour;
}

static bool see_hour(void *context, const struct store_row *row)
{
	static const char what[] = "hour:";
	const char *key = store_text(row, 0), *value = store_text(row, 1);

	if (key && value && strncmp(key, what, strlen(what)) == 0)
		hs_hour_read(hour_of(context, key + strlen(what)), value, hs_clock_ms(), hs_clock_lasting_ms());
	return true;
}

struct ceiling *ceiling_create(struct hs_house *house, struct store *store, struct eventlog *log)
{
	struct ceiling *ceiling = hs_zalloc(sizeof(*ceiling));

	ceiling->file = hs_ceiling_create(house);
	ceiling->store = store;
	ceiling->log = log;
	ceiling->hours = hs_table_create();
	store_query(store_at_start(store), STORE_LINES_MORE, NULL, 0, see_hour, ceiling);
	return ceiling;
}

static _Bool free_hour(void *context, const char *key, void *object)
{
	free(object);
	return true;
}

void ceiling_destroy(struct ceiling *ceiling)
{
	if (!ceiling)
		return;
	hs_ceiling_destroy(ceiling->file);
	hs_table_each(ceiling->hours, free_hour, NULL);
	hs_table_destroy(ceiling->hours);
	free(ceiling);
}

/* An attacker who knocks a thousand times is one piece of news. */
static void tell(struct ceiling *ceiling, const char *line)
{
	struct hs_ceiling_reached event = {ceiling->why};
	int64_t now_ms = hs_clock_ms();

	if (ceiling->told_at_ms && now_ms - ceiling->told_at_ms < MINUTE_MS)
		return;
	ceiling->told_at_ms = now_ms;
	hs_log(WARN, "ceiling.reached", LOG_LINE(line), LOG_WHY(ceiling->why));
	eventlog_add(ceiling->log, HS_CEILING_REACHED, hs_clock_wall_ms(), line, NULL, &event);
}

static _Bool count_out(void *context, const char *key, void *object)
{
	const struct leg *leg = object;
	int64_t *count = context;

	*count += leg->number && !leg->ended_at;
	return true;
}

bool ceiling_lets_out(const struct calls *calls, const struct hs_config_route *route, const char *number,
		      const char *line, const char **ret_why)
{
	struct ceiling *ceiling = calls->setup.ceiling;
	const struct hs_ceilings *now;
	int64_t count = 0;

	if (!ceiling || route->emergency)
		return true;
	now = hs_ceiling_now(ceiling->file);
	hs_table_each(calls->legs, count_out, &count);
	if (hs_ceiling_number(ceiling->file, number, ceiling->why) &&
	    hs_ceiling_count(ceiling->file, "calls.at_once", count, now->calls->at_once, ceiling->why))
		return true;
	*ret_why = ceiling->why;
	tell(ceiling, line);
	return false;
}

bool ceiling_has_room(struct ceiling *ceiling, const struct line *line)
{
	const struct hs_ceilings *now = ceiling ? hs_ceiling_now(ceiling->file) : NULL;

	if (!now)
		return !ceiling;
	return hs_hour_taken(hour_of(ceiling, line->config->id), hs_clock_ms()) < now->calls->per_hour;
}

const char *ceiling_is_full(struct ceiling *ceiling, const struct line *line)
{
	hs_ceiling_count(ceiling->file, "calls.per_hour", 0, 0, ceiling->why);
	tell(ceiling, line->config->id);
	return ceiling->why;
}

void ceiling_taken(struct ceiling *ceiling, const struct line *line)
{
	char key[sizeof(KEY) + 64], text[HS_HOUR_TEXT];
	struct hs_hour *hour;
	int64_t now_ms = hs_clock_ms();

	if (!ceiling || !line)
		return;
	hour = hour_of(ceiling, line->config->id);
	hs_hour_take(hour, now_ms);
	hs_hour_write(hour, now_ms, hs_clock_lasting_ms(), text);
	snprintf(key, sizeof(key), KEY "%s", line->config->id);
	store_write(ceiling->store, STORE_META_PUT, STORE_V_TEXT(key), STORE_V_TEXT(text));
}

bool ceiling_scope(const struct ceiling *ceiling, const char *scope, char *ret_why)
{
	return hs_ceiling_scope(ceiling->file, scope, ret_why);
}
