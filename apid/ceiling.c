#include "ceiling.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "table.h"
#include <stdlib.h>
#include <string.h>

#define MINUTES 60
#define MINUTE_MS 60000

/* An exchange line's last hour, minute by minute. */
struct hour {
	int64_t minute; /* of the newest entry */
	int64_t taken[MINUTES];
};

struct ceiling {
	struct hs_ceiling *file;
	struct eventlog *log;
	struct hs_table *hours; /* line -> struct hour */
	int64_t told_at_ms;     /* 0: never */
	char why[HS_CEILING_WHY];
};

struct ceiling *ceiling_create(struct hs_house *house, struct eventlog *log)
{
	struct ceiling *ceiling = hs_zalloc(sizeof(*ceiling));

	ceiling->file = hs_ceiling_create(house);
	ceiling->log = log;
	ceiling->hours = hs_table_create();
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
	int64_t now_ms = hs_clock_wall_ms();

	if (ceiling->told_at_ms && now_ms - ceiling->told_at_ms < MINUTE_MS)
		return;
	ceiling->told_at_ms = now_ms;
	hs_log(WARN, "ceiling.reached", LOG_LINE(line), LOG_WHY(ceiling->why));
	eventlog_add(ceiling->log, HS_CEILING_REACHED, now_ms, line, NULL, &event);
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

/* The line's hour, with what is older than that forgotten. */
static struct hour *hour_of(struct ceiling *ceiling, const struct line *line)
{
	struct hour *hour = hs_table_get(ceiling->hours, line->config->id);
	int64_t minute = hs_clock_ms() / MINUTE_MS;

	if (!hour) {
		hour = hs_zalloc(sizeof(*hour));
		hour->minute = minute;
		hs_table_put(ceiling->hours, line->config->id, hour);
	}
	if (minute - hour->minute >= MINUTES)
		memset(hour->taken, 0, sizeof(hour->taken));
	else
		while (hour->minute < minute)
			hour->taken[++hour->minute % MINUTES] = 0;
	hour->minute = minute;
	return hour;
}

static int64_t taken_in(const struct hour *hour)
{
	int64_t taken = 0;

	for (size_t i = 0; i < MINUTES; i++)
		taken += hour->taken[i];
	return taken;
}

bool ceiling_has_room(struct ceiling *ceiling, const struct line *line)
{
	const struct hs_ceilings *now = ceiling ? hs_ceiling_now(ceiling->file) : NULL;

	if (!now)
		return !ceiling;
	return taken_in(hour_of(ceiling, line)) < now->calls->per_hour;
}

const char *ceiling_is_full(struct ceiling *ceiling, const struct line *line)
{
	hs_ceiling_count(ceiling->file, "calls.per_hour", 0, 0, ceiling->why);
	tell(ceiling, line->config->id);
	return ceiling->why;
}

void ceiling_taken(struct ceiling *ceiling, const struct line *line)
{
	struct hour *hour = ceiling && line ? hour_of(ceiling, line) : NULL;

	if (hour)
		hour->taken[hour->minute % MINUTES]++;
}

bool ceiling_scope(const struct ceiling *ceiling, const char *scope, char *ret_why)
{
	return hs_ceiling_scope(ceiling->file, scope, ret_why);
}
