#include "watch.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRIVE_MS 3000 /* a daemon that has not connected by then is away */
#define RETURN_MS 1000 /* one that comes back without saying that it started was only stopped */
#define TRUST_MS 1000  /* one that said so is connected within that time */

struct part {
	struct watch *watch;
	enum hs_role role;
	bool up, away;         /* away: and that was told */
	int64_t trusted_until; /* it is there, though not connected yet (monotonic ms) */
	int64_t awaited_until; /* its keeper starts it again by then (monotonic ms) */
	uv_timer_t timer;
	struct hs_metric *gauge;
};

struct watch {
	struct apid *apid;
	struct part parts[HS_ROLES];
	size_t count;
	int handles;
};

static void remember(struct part *part, bool away)
{
	part->away = away;
	store_write(part->watch->apid->store, STORE_DAEMON_PUT, STORE_V_TEXT(hs_role_names[part->role]),
		    STORE_V_INT(away));
}

static void tell_away(struct part *part)
{
	struct hs_daemon_away event = {hs_role_names[part->role]};

	if (part->away)
		return;
	remember(part, true);
	eventlog_add(part->watch->apid->log, HS_DAEMON_AWAY, hs_clock_wall_ms(), NULL, NULL, &event);
	hs_log(WARN, "daemon.away", LOG_TEXT("peer", hs_role_names[part->role]));
}

static void tell_started(struct part *part, bool clean, int64_t at_ms)
{
	struct hs_daemon_started event = {hs_role_names[part->role], clean};

	uv_timer_stop(&part->timer);
	part->trusted_until = hs_clock_ms() + TRUST_MS;
	remember(part, false);
	eventlog_add(part->watch->apid->log, HS_DAEMON_STARTED, at_ms, NULL, NULL, &event);
	hs_log(INFO, "daemon.started", LOG_TEXT("peer", hs_role_names[part->role]),
	       LOG_TEXT("clean", clean ? "yes" : "no"));
}

static void timer_due(uv_timer_t *timer)
{
	struct part *part = timer->data;

	if (!part->up)
		tell_away(part);
	else if (part->away)
		tell_started(part, true, hs_clock_wall_ms());
}

static bool is_front(enum hs_role role)
{
	return role == HS_ROLE_API_FRONT || role == HS_ROLE_HOOK_STREAM;
}

/* A front that is gone took its connections with it. */
static void went_down(struct part *part)
{
	part->trusted_until = 0;
	part->awaited_until = hs_clock_ms() + ARRIVE_MS;
	tell_away(part);
	if (is_front(part->role))
		streams_front_gone(part->watch->apid->streams, part->role);
}

static void changed(void *context, enum hs_role to, bool up)
{
	struct apid *apid = context;
	struct part *part;

	if (!apid->watch || apid->stopping) /* the bus outlives us */
		return;
	part = &apid->watch->parts[0];
	while (part->role != to)
		part++;
	hs_metric_set(part->gauge, up);
	if (part->up == up)
		return;
	part->up = up;
	if (!up)
		went_down(part);
	else if (part->away && to == HS_ROLE_API_FRONT) /* it tells no facts */
		tell_started(part, false, hs_clock_wall_ms());
	else if (part->away)
		uv_timer_start(&part->timer, timer_due, RETURN_MS, 0);
}

void watch_started(struct watch *watch, enum hs_role role, bool clean, int64_t at_ms)
{
	for (size_t i = 0; watch && i < watch->count; i++)
		if (watch->parts[i].role == role)
			tell_started(&watch->parts[i], clean, at_ms);
}

/* NULL: nobody watches it. */
static const struct part *part_of(const struct watch *watch, enum hs_role role)
{
	for (size_t i = 0; watch && i < watch->count; i++)
		if (watch->parts[i].role == role)
			return &watch->parts[i];
	return NULL;
}

bool watch_is_there(const struct apid *apid, enum hs_role role)
{
	const struct part *part = part_of(apid->watch, role);

	return hs_bus_is_up(apid->house->bus, role) || (part && hs_clock_ms() < part->trusted_until);
}

bool watch_is_awaited(const struct apid *apid, enum hs_role role)
{
	const struct part *part = part_of(apid->watch, role);

	return watch_is_there(apid, role) || (part && hs_clock_ms() < part->awaited_until);
}

size_t watch_parts(const struct apid *apid, enum hs_role ret_roles[HS_ROLES])
{
	static const enum hs_role always[] = {HS_ROLE_SIPD, HS_ROLE_MEDIAD, HS_ROLE_HOOKD, HS_ROLE_API_FRONT,
					      HS_ROLE_HOOK_STREAM};
	const struct hs_config *config = apid->house->config;
	size_t count = 0;

	for (size_t i = 0; i < HS_COUNT(always); i++)
		ret_roles[count++] = always[i];
	for (size_t i = 0; i < config->lines_count; i++)
		if (config->lines[i].driver == HS_DRIVER_DAHDI) {
			ret_roles[count++] = HS_ROLE_DAHDID;
			break;
		}
	return count;
}

static bool see_daemon(void *context, const struct store_row *row)
{
	struct watch *watch = context;
	const char *name = store_text(row, 0);

	for (size_t i = 0; name && i < watch->count; i++)
		if (strcmp(hs_role_names[watch->parts[i].role], name) == 0)
			watch->parts[i].away = store_int(row, 1) != 0;
	return true;
}

static void watch_part(struct watch *watch, struct part *part, enum hs_role role)
{
	char labels[64];

	part->watch = watch;
	part->role = role;
	part->awaited_until = hs_clock_ms() + ARRIVE_MS;
	snprintf(labels, sizeof(labels), "peer=\"%s\"", hs_role_names[role]);
	part->gauge = hs_metric_gauge("hookswitch_peer_up", labels, "1: the daemon is connected.");
	uv_timer_init(watch->apid->house->loop, &part->timer);
	part->timer.data = part;
	watch->handles++;
	uv_timer_start(&part->timer, timer_due, ARRIVE_MS, 0);
}

struct watch *watch_create(struct apid *apid)
{
	struct watch *watch = hs_zalloc(sizeof(*watch));
	enum hs_role roles[HS_ROLES];

	watch->apid = apid;
	watch->count = watch_parts(apid, roles);
	for (size_t i = 0; i < watch->count; i++)
		watch_part(watch, &watch->parts[i], roles[i]);
	store_query(store_at_start(apid->store), STORE_DAEMONS, NULL, 0, see_daemon, watch);
	for (size_t i = 0; i < watch->count; i++) {
		/* Our predecessor was connected to it: only our own connection is new. */
		if (!watch->parts[i].away && apid->house->predecessor_died)
			watch->parts[i].trusted_until = hs_clock_ms() + TRUST_MS;
		hs_bus_watch(apid->house->bus, roles[i], changed, apid);
	}
	return watch;
}

static void timer_closed(uv_handle_t *timer)
{
	struct watch *watch = ((struct part *)timer->data)->watch;

	if (--watch->handles == 0)
		free(watch);
}

void watch_destroy(struct watch *watch)
{
	for (size_t i = 0; watch && i < watch->count; i++)
		uv_close((uv_handle_t *)&watch->parts[i].timer, timer_closed);
}
