#include "bus_world.h"
#include "cleanup.h"
#include "clock.h"
#include "metrics.h"
#include "privs.h"
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

int world_setup(void **state)
{
	struct world *world = hs_zalloc(sizeof(*world));

	hs_copy(world->home, sizeof(world->home), "/tmp/hs-bus-XXXXXX");
	assert_non_null(mkdtemp(world->home));
	assert_int_equal(chmod(world->home, 0755), 0);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	for (int role = 1; role < HS_ROLES; role++)
		assert_int_equal(hs_privs_make_folders(world->home, (enum hs_role)role), 0);
	*state = world;
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	return remove(path);
}

int world_teardown(void **state)
{
	struct world *world = *state;

	for (int role = 1; role < HS_ROLES; role++) {
		world_close(world, (enum hs_role)role);
		hs_journal_close(world->journals[role]);
	}
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	nftw(world->home, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(world);
	return 0;
}

struct hs_bus *world_open(struct world *world, enum hs_role role)
{
	AUTO(free) char *incarnation = hs_printf("i-%s-%lld", hs_role_names[role], (long long)hs_clock_us());
	struct hs_bus_setup setup = {
		.loop = &world->loop,
		.role = role,
		.home = world->home,
		.incarnation = incarnation,
		.journal = world->journals[role],
		.far = world->far,
		.keep = role == HS_ROLE_APID ? world->keep : NULL,
	};

	world->buses[role] = hs_bus_create(&setup);
	assert_non_null(world->buses[role]);
	return world->buses[role];
}

struct hs_bus *world_open_with_journal(struct world *world, enum hs_role role)
{
	if (!world->journals[role])
		world->journals[role] = hs_journal_open(NULL, 1 << 20);
	assert_non_null(world->journals[role]);
	return world_open(world, role);
}

void world_close(struct world *world, enum hs_role role)
{
	hs_bus_destroy(world->buses[role]);
	world->buses[role] = NULL;
}

static void on_limit(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

bool world_turn_until(struct world *world, const int *counter, int value, int limit_ms)
{
	uv_timer_t *timer = hs_zalloc(sizeof(*timer));
	bool is_over = false;

	uv_timer_init(&world->loop, timer);
	uv_update_time(&world->loop);
	timer->data = &is_over;
	uv_timer_start(timer, on_limit, (uint64_t)limit_ms, 0);
	while (!is_over && *counter < value)
		uv_run(&world->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)timer, on_closed);
	return *counter >= value;
}

void world_turn_for(struct world *world, int ms)
{
	int never = 0;

	world_turn_until(world, &never, 1, ms);
}

int64_t world_refused(const char *why)
{
	AUTO(free) char *labels = hs_printf("why=\"%s\"", why);

	return hs_metric_value(
		hs_metric_counter("hookswitch_bus_refused_total", labels, "Messages refused, by reason."));
}

pid_t world_fork(struct world *world, int (*run)(const char *home))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(run(world->home));
}

void *world_raw(struct world *world, void **ret_context, int type, enum hs_role binder, enum hs_edge edge, bool binds)
{
	AUTO(free)
	char *endpoint =
		hs_printf("ipc://%s/run/%s/%s/socket", world->home, hs_role_names[binder], hs_edges[edge].name);
	int linger = 0;
	void *socket;

	*ret_context = zmq_ctx_new();
	socket = zmq_socket(*ret_context, type);
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	assert_int_equal(binds ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint), 0);
	return socket;
}
