/* The bus, with several roles in one process on one loop (each has a ZeroMQ context of its own, so that all goes over
 * real sockets), and with peers in processes of their own where one must be stopped or killed. */
#include "bus.h"
#include "cleanup.h"
#include "clock.h"
#include "metrics.h"
#include "privs.h"
#include "trace.h"
#include "wire.h"
#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

struct world {
	uv_loop_t loop;
	char home[64];
	struct hs_bus *buses[HS_ROLES];
	struct hs_journal *journals[HS_ROLES];
};

static struct hs_bus *open_bus(struct world *world, enum hs_role role, struct hs_journal *journal)
{
	AUTO(free) char *incarnation = hs_printf("i-%s-%lld", hs_role_names[role], (long long)hs_clock_us());
	struct hs_bus_setup setup = {
		.loop = &world->loop, .role = role, .home = world->home, .incarnation = incarnation, .journal = journal};

	world->journals[role] = journal;
	world->buses[role] = hs_bus_create(&setup);
	assert_non_null(world->buses[role]);
	return world->buses[role];
}

static void close_bus(struct world *world, enum hs_role role)
{
	hs_bus_destroy(world->buses[role]);
	world->buses[role] = NULL;
}

static int setup(void **state)
{
	struct world *world = hs_zalloc(sizeof(*world));

	strcpy(world->home, "/tmp/hs-bus-XXXXXX");
	assert_non_null(mkdtemp(world->home));
	chmod(world->home, 0755);
	uv_loop_init(&world->loop);
	for (int role = 1; role < HS_ROLES; role++)
		assert_int_equal(hs_privs_make_folders(world->home, (enum hs_role)role), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	AUTO(free) char *command = NULL;

	for (int role = 1; role < HS_ROLES; role++) {
		close_bus(world, (enum hs_role)role);
		hs_journal_close(world->journals[role]);
	}
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	free(world);
	return 0;
}

static void on_limit(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Turns the loop until a counter reaches a value, at most so long. */
static bool turn_until(struct world *world, const int *counter, int value, int limit_ms)
{
	bool is_over = false;
	uv_timer_t timer;

	uv_timer_init(&world->loop, &timer);
	timer.data = &is_over;
	uv_timer_start(&timer, on_limit, (uint64_t)limit_ms, 0);
	while (!is_over && *counter < value)
		uv_run(&world->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&world->loop, UV_RUN_NOWAIT);
	return *counter >= value;
}

static void turn_for(struct world *world, int ms)
{
	int never = 0;

	turn_until(world, &never, 1, ms);
}

/* ---- Requests ---- */

struct server {
	int served;
	struct hs_request *held;
	char line[65], request_id[65], token[65];
	enum hs_role from;
};

static void serve_originate(void *context, struct hs_request *request)
{
	struct server *server = context;
	const struct hs_leg_originate *body = request->body;

	server->served++;
	server->from = request->from;
	hs_copy(server->line, sizeof(server->line), body->line);
	hs_copy(server->request_id, sizeof(server->request_id), request->request_id);
	if (strcmp(body->line, "late") == 0)
		server->held = request;
	else if (strcmp(body->line, "none") == 0)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, "line", "off_hook", "line %s is busy", body->line);
	else
		hs_bus_answer(request, NULL);
}

static const struct hs_door sipd_doors[] = {{HS_LEG_ORIGINATE, serve_originate}};

struct asker {
	int answered;
	enum hs_error error;
	char detail[200], field[64], state[64];
	bool has_body;
};

static void on_answer(void *context, const struct hs_answer *answer)
{
	struct asker *asker = context;

	asker->answered++;
	asker->error = answer->error;
	asker->has_body = answer->body != NULL && answer->json != NULL;
	hs_copy(asker->detail, sizeof(asker->detail), answer->detail);
	hs_copy(asker->field, sizeof(asker->field), answer->field);
	hs_copy(asker->state, sizeof(asker->state), answer->state);
}

static uint64_t ask_originate(struct hs_bus *bus, const char *line, const char *id, struct asker *asker)
{
	struct hs_leg_originate body = {.leg = "l1", .call = "c1", .line = line, .ring_timeout_ms = 30000};
	struct hs_ask ask = {.to = HS_ROLE_SIPD,
			     .message = HS_LEG_ORIGINATE,
			     .body = &body,
			     .id = id,
			     .request_id = "r-7",
			     .answered = on_answer,
			     .context = asker};

	return hs_bus_ask(bus, &ask);
}

static void test_round_trip(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = open_bus(world, HS_ROLE_APID, NULL), *sipd = open_bus(world, HS_ROLE_SIPD, NULL);
	struct server server = {0};
	struct asker asker = {0};
	struct hs_trace traces[8];

	hs_trace_setup("apid", NULL);
	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &server);
	ask_originate(apid, "phone1", NULL, &asker);
	assert_int_equal(asker.answered, 0); /* never before ask has returned */
	assert_true(turn_until(world, &asker.answered, 1, 2000));
	assert_int_equal(asker.error, HS_OK);
	assert_true(asker.has_body);
	assert_string_equal(server.line, "phone1");
	assert_string_equal(server.request_id, "r-7");
	assert_int_equal(server.from, HS_ROLE_APID);
	assert_int_equal(hs_trace_read("c1", traces, 8), 2);
	assert_string_equal(traces[0].what, "leg.originate");
	assert_string_equal(traces[0].leg, "l1");
	assert_string_equal(traces[1].what, "leg.originate: ok");

	ask_originate(apid, "none", NULL, &asker);
	assert_true(turn_until(world, &asker.answered, 2, 2000));
	assert_int_equal(asker.error, HS_ERROR_WRONG_STATE);
	assert_false(asker.has_body);
	assert_string_equal(asker.field, "line");
	assert_string_equal(asker.state, "off_hook");
	assert_string_equal(asker.detail, "line none is busy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
