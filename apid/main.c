/* apid: call control, event log, permissions, store. No socket but the bus's. */
#include "ask.h"
#include "ceiling.h"
#include "cleanup.h"
#include "clock.h"
#include "incoming.h"
#include "wall.h"
#include "watch.h"
#include <errno.h>
#include <stdlib.h>

#define DAY_MS 86400000

static void troubled(void *context, const char *why)
{
	const struct apid *apid = context;

	hs_daemon_degraded(apid->house, "store", why);
}

/* The end of a turn: what it changed goes into its transaction. */
static void turn(void *context)
{
	struct apid *apid = context;

	calls_save(apid->calls);
	lines_save(apid->lines);
}

static bool is_up(void *context, enum hs_role role)
{
	return watch_is_awaited(context, role);
}

static int open_store(struct apid *apid)
{
	const struct hs_config *config = apid->house->config;
	char boot_id[EVENTLOG_BOOT_ID];
	struct store_setup store = {
		apid->house->loop, apid->house->folder, config->store->durability, troubled, turn, apid};
	struct eventlog_setup log = {.loop = apid->house->loop,
				     .folder = apid->house->folder,
				     .node = config->node,
				     .boot_id = boot_id,
				     .retention_ms = config->store->retention_days * DAY_MS,
				     .committed = feed_event,
				     .context = apid};

	eventlog_boot_id(boot_id);
	apid->store = store_create(&store);
	if (!apid->store)
		return -EIO;
	log.store = apid->store;
	apid->log = eventlog_create(&log);
	return apid->log ? 0 : -EIO;
}

static void build_rooms(struct apid *apid)
{
	struct calls_setup calls = {apid->house->loop, apid->house->config, apid->store, apid->log, NULL, NULL,
				    asks_add,          asks_forget,         is_up,       apid,      NULL};
	struct streams_setup streams = {apid->store, apid->log, NULL, NULL, asks_add, asks_forget, apid};

	apid->lines = calls.lines = streams.lines = lines_create(apid->house->config, apid->store, apid->log);
	apid->routes = calls.routes = routes_create(apid->house->config);
	apid->asks = asks_create(apid);
	apid->ceiling = calls.ceiling = ceiling_create(apid->house, apid->store, apid->log);
	apid->calls = streams.calls = calls_create(&calls);
	apid->streams = streams_create(&streams);
	apid->auth = auth_create(apid->house->config, apid->house->home);
	apid->idempotency = idempotency_create(apid->store);
	apid->incoming = incoming_create(apid->house->config);
	apid->early = early_create(apid->store, apid->house->loop);
	apid->watch = watch_create(apid);
}

static int start(struct hs_house *house)
{
	struct apid *apid = hs_zalloc(sizeof(*apid));
	struct hs_daemon_started event = {"apid", !house->predecessor_died};
	int error;

	house->daemon = apid;
	apid->house = house;
	error = open_store(apid);
	if (error != 0)
		return error;
	build_rooms(apid);
	eventlog_add(apid->log, HS_DAEMON_STARTED, hs_clock_wall_ms(), NULL, NULL, &event);
	hear_start(apid);
	return store_commit(apid->store);
}

static void stop(struct hs_house *house)
{
	((struct apid *)house->daemon)->stopping = true;
	hs_daemon_stopped(house);
}

/* The rooms whose timers could write end first, then the store commits the rest and tells it. */
static void finish(struct hs_house *house)
{
	struct apid *apid = house->daemon;

	apid->stopping = true;
	watch_destroy(apid->watch);
	apid->watch = NULL; /* others stop at the same time, and the bus still tells it */
	early_destroy(apid->early);
	if (apid->calls)
		store_commit(apid->store);
	if (apid->log)
		eventlog_close(apid->log, apid->calls != NULL);
	calls_destroy(apid->calls);
	apid->calls = NULL;
	store_destroy(apid->store);
	hear_stop(apid);
	asks_destroy(apid->asks);
	idempotency_destroy(apid->idempotency);
	incoming_destroy(apid->incoming);
	streams_destroy(apid->streams);
	auth_destroy(apid->auth);
	routes_destroy(apid->routes);
	ceiling_destroy(apid->ceiling);
	lines_destroy(apid->lines);
	eventlog_destroy(apid->log);
	free(apid);
}

int main(int argc, char **argv)
{
	static struct hs_door doors[HS_MESSAGES];
	const struct hs_daemon apid = {
		.name = "apid",
		.role = HS_ROLE_APID,
		.sandbox = &apid_wall,
		.doors = doors,
		.doors_count = apid_doors(doors),
		.start = start,
		.stop = stop,
		.finish = finish,
	};

	return hs_daemon_main(argc, argv, &apid);
}
