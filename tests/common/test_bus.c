/* Requests: asked, answered, refused, repeated, late, lost; and who is let in. */
#include "bus_world.h"
#include "cleanup.h"
#include "clock.h"
#include "privs.h"
#include "trace.h"
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

/* ---- A sipd that answers, refuses or waits, as the line's name says ---- */

struct server {
	int served;
	struct hs_request *held;
	char line[65], request_id[65];
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
	else if (strcmp(body->line, "busy") == 0)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, "line", "off_hook", "line %s is off hook", body->line);
	else
		hs_bus_answer(request, NULL);
}

static const struct hs_door sipd_doors[] = {{HS_LEG_ORIGINATE, serve_originate}};

struct asker {
	int answered;
	enum hs_error error;
	char detail[200], field[128], state[64];
	bool has_body;
};

static void on_answer(void *context, const struct hs_answer *answer)
{
	struct asker *asker = context;

	asker->answered++;
	asker->error = answer->error;
	asker->has_body = answer->body && answer->json;
	hs_copy(asker->detail, sizeof(asker->detail), answer->detail);
	hs_copy(asker->field, sizeof(asker->field), answer->field);
	hs_copy(asker->state, sizeof(asker->state), answer->state);
}

static struct hs_ask ask_for(enum hs_message_id message, const void *body, struct asker *asker)
{
	return (struct hs_ask){
		.to = HS_ROLE_SIPD,
		.message = message,
		.body = body,
		.request_id = "r-7",
		.answered = on_answer,
		.context = asker,
	};
}

static uint64_t originate(struct hs_bus *bus, const char *line, const char *id, bool patient, struct asker *asker)
{
	struct hs_leg_originate body = {.leg = "l1", .call = "c1", .line = line, .ring_timeout_ms = 30000};
	struct hs_ask ask = ask_for(HS_LEG_ORIGINATE, &body, asker);

	ask.id = id;
	ask.patient = patient;
	return hs_bus_ask(bus, &ask);
}

static void test_answer_and_refusal(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID), *sipd = world_open(world, HS_ROLE_SIPD);
	struct server server = {0};
	struct asker asker = {0};
	struct hs_trace traces[8];

	hs_trace_setup("apid", NULL);
	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &server);
	originate(apid, "phone1", NULL, false, &asker);
	assert_int_equal(asker.answered, 0); /* never before ask has returned */
	assert_true(world_turn_until(world, &asker.answered, 1, 2000));
	assert_int_equal(asker.error, HS_OK);
	assert_true(asker.has_body);
	assert_string_equal(server.line, "phone1");
	assert_string_equal(server.request_id, "r-7");
	assert_int_equal(server.from, HS_ROLE_APID);
	assert_int_equal(hs_trace_read("c1", traces, 8), 2);
	assert_string_equal(traces[0].what, "leg.originate");
	assert_string_equal(traces[0].leg, "l1");
	assert_string_equal(traces[0].from, "apid");
	assert_string_equal(traces[0].to, "sipd");
	assert_string_equal(traces[1].what, "leg.originate: ok");

	originate(apid, "busy", NULL, false, &asker);
	assert_true(world_turn_until(world, &asker.answered, 2, 2000));
	assert_int_equal(asker.error, HS_ERROR_WRONG_STATE);
	assert_false(asker.has_body);
	assert_string_equal(asker.field, "line");
	assert_string_equal(asker.state, "off_hook");
	assert_string_equal(asker.detail, "line busy is off hook");
}

/* What is wrong is said with the field's path; what nobody serves, and what the sender may not send, is told apart. */
static void test_refused_before_the_door(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID), *sipd = world_open(world, HS_ROLE_SIPD);
	struct hs_leg_hangup hangup = {.leg = "l1", .cause = HS_CAUSE_NORMAL};
	struct server server = {0};
	struct asker asker = {0};
	struct hs_ask ask = ask_for(HS_LEG_ORIGINATE, NULL, &asker);
	int64_t refused = world_refused("not_permitted");

	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &server);
	ask.body_text = "{\"leg\":\"l1\",\"call\":\"c1\",\"line\":\"p 1\"}";
	hs_bus_ask(apid, &ask);
	assert_true(world_turn_until(world, &asker.answered, 1, 2000));
	assert_int_equal(asker.error, HS_ERROR_INVALID);
	assert_string_equal(asker.field, "line");

	ask = ask_for(HS_LEG_HANGUP, &hangup, &asker);
	hs_bus_ask(apid, &ask);
	assert_true(world_turn_until(world, &asker.answered, 2, 2000));
	assert_int_equal(asker.error, HS_ERROR_UNKNOWN_MESSAGE);

	ask = ask_for(HS_CALLS_LIST, NULL, &asker);
	ask.to = HS_ROLE_APID;
	hs_bus_ask(sipd, &ask);
	assert_true(world_turn_until(world, &asker.answered, 3, 2000));
	assert_int_equal(asker.error, HS_ERROR_NOT_PERMITTED);
	assert_int_equal(world_refused("not_permitted"), refused + 1);
	assert_int_equal(server.served, 0);
}

static void test_same_id_is_served_once(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID), *sipd = world_open(world, HS_ROLE_SIPD);
	struct server server = {0};
	struct asker asker = {0};

	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &server);
	originate(apid, "late", "i1-intent", false, &asker);
	assert_true(world_turn_until(world, &server.served, 1, 2000));
	originate(apid, "late", "i1-intent", false, &asker);
	world_turn_for(world, 700); /* longer than the time to resend */
	assert_int_equal(server.served, 1);
	assert_int_equal(asker.answered, 0);
	hs_bus_refuse(server.held, HS_ERROR_OVERLOADED, NULL, NULL, NULL);
	assert_true(world_turn_until(world, &asker.answered, 2, 2000));
	originate(apid, "late", "i1-intent", false, &asker);
	assert_true(world_turn_until(world, &asker.answered, 3, 2000));
	assert_int_equal(asker.error, HS_ERROR_OVERLOADED);
	assert_int_equal(server.served, 1);
}

static void test_away_is_told_at_once(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID), *sipd;
	struct server server = {0};
	struct asker hasty = {0}, patient = {0};
	int64_t asked_at = hs_clock_ms();

	originate(apid, "phone1", NULL, false, &hasty);
	originate(apid, "phone1", NULL, true, &patient);
	assert_true(world_turn_until(world, &hasty.answered, 1, 2000));
	assert_int_equal(hasty.error, HS_ERROR_UNAVAILABLE);
	assert_in_range(hs_clock_ms() - asked_at, 0, 1500);
	originate(apid, "phone1", NULL, false, &hasty);
	asked_at = hs_clock_ms();
	assert_true(world_turn_until(world, &hasty.answered, 2, 2000));
	assert_in_range(hs_clock_ms() - asked_at, 0, 1000);

	sipd = world_open(world, HS_ROLE_SIPD);
	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &server);
	assert_true(world_turn_until(world, &patient.answered, 1, 2000));
	assert_int_equal(patient.error, HS_OK);
	assert_true(hs_bus_is_up(apid, HS_ROLE_SIPD));
}

struct order {
	int served;
	bool is_broken;
};

static void serve_in_order(void *context, struct hs_request *request)
{
	const struct hs_leg_digits *body = request->body;
	struct order *order = context;

	order->is_broken |= body->duration_ms != 40 + order->served++;
	hs_bus_answer(request, NULL);
}

/* What was asked while the peer was away reaches it in the order of asking. */
static void test_order_is_kept(void **state)
{
	static const struct hs_door doors[] = {{HS_LEG_DIGITS, serve_in_order}};
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID);
	struct hs_leg_digits body = {.leg = "l1", .digits = "1"};
	struct asker asker = {0};
	struct hs_ask ask = ask_for(HS_LEG_DIGITS, &body, &asker);
	struct order order = {0};

	ask.patient = true;
	for (int i = 0; i < 300; i++) {
		body.duration_ms = 40 + i;
		hs_bus_ask(apid, &ask);
	}
	world_turn_for(world, 20);
	hs_bus_serve(world_open(world, HS_ROLE_SIPD), doors, HS_COUNT(doors), &order);
	assert_true(world_turn_until(world, &asker.answered, 300, 3000));
	assert_false(order.is_broken);
}

static void test_deadline_and_forget(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID), *sipd = world_open(world, HS_ROLE_SIPD);
	struct hs_leg_originate body = {.leg = "l1", .call = "c1", .line = "late", .ring_timeout_ms = 30000};
	struct server server = {0};
	struct asker asker = {0}, forgotten = {0};
	struct hs_ask ask = ask_for(HS_LEG_ORIGINATE, &body, &asker);
	uint64_t ticket;

	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &server);
	ask.deadline_ms = 300;
	hs_bus_ask(apid, &ask);
	assert_true(world_turn_until(world, &asker.answered, 1, 1000));
	assert_int_equal(asker.error, HS_ERROR_TIMEOUT);
	hs_bus_answer(server.held, NULL); /* too late: nobody hears it */
	ticket = originate(apid, "phone1", NULL, false, &forgotten);
	assert_true(ticket > 0);
	hs_bus_forget(apid, ticket);
	hs_bus_forget(apid, ticket);
	hs_bus_forget(apid, 12345);
	originate(apid, "phone1", NULL, false, &asker);
	assert_true(world_turn_until(world, &asker.answered, 2, 1000));
	assert_int_equal(forgotten.answered, 0);
}

/* The peer dies with the question; its successor gets it again. */
static void test_restart_in_mid_question(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID), *sipd = world_open(world, HS_ROLE_SIPD);
	struct server server = {0}, successor = {0};
	struct asker asker = {0};

	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &server);
	originate(apid, "late", NULL, false, &asker);
	assert_true(world_turn_until(world, &server.served, 1, 2000));
	world_close(world, HS_ROLE_SIPD);
	sipd = world_open(world, HS_ROLE_SIPD);
	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &successor);
	assert_true(world_turn_until(world, &successor.served, 1, 1500));
	hs_bus_answer(successor.held, NULL);
	assert_true(world_turn_until(world, &asker.answered, 1, 1500));
	assert_int_equal(asker.error, HS_OK);
}

/* ---- The stall: answers sent later, from timers, while questions pour in ---- */

#define STALL_QUESTIONS 3000

struct late_answer {
	uv_timer_t timer;
	struct hs_request *request;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_late(uv_timer_t *timer)
{
	hs_bus_answer(((struct late_answer *)timer)->request, NULL);
	uv_close((uv_handle_t *)timer, on_closed);
}

static void serve_later(void *context, struct hs_request *request)
{
	struct world *world = context;
	struct late_answer *late = hs_zalloc(sizeof(*late));

	late->request = request;
	uv_timer_init(&world->loop, &late->timer);
	uv_timer_start(&late->timer, on_late, 3, 0);
}

struct load {
	struct hs_bus *bus;
	struct asker asker;
	int asked;
};

static void on_ask(uv_timer_t *timer)
{
	struct load *load = timer->data;

	for (int i = 0; i < 4 && load->asked < STALL_QUESTIONS; i++, load->asked++)
		originate(load->bus, "phone1", NULL, false, &load->asker);
}

static void test_late_answers_never_stall(void **state)
{
	static const struct hs_door doors[] = {{HS_LEG_ORIGINATE, serve_later}};
	struct world *world = *state;
	struct hs_bus *sipd = world_open(world, HS_ROLE_SIPD);
	struct load load = {.bus = world_open(world, HS_ROLE_APID)};
	uv_timer_t *timer = hs_zalloc(sizeof(*timer));

	hs_bus_serve(sipd, doors, HS_COUNT(doors), world);
	originate(load.bus, "phone1", NULL, true, &load.asker);
	assert_true(world_turn_until(world, &load.asker.answered, 1, 2000));
	uv_timer_init(&world->loop, timer);
	timer->data = &load;
	uv_timer_start(timer, on_ask, 1, 2);
	assert_true(world_turn_until(world, &load.asker.answered, STALL_QUESTIONS + 1, 20000));
	assert_int_equal(load.asker.error, HS_OK);
	uv_close((uv_handle_t *)timer, on_closed);
}

/* ---- Peers that die and peers that are stopped, in processes of their own ---- */

static void serve_in_child(void *context, struct hs_request *request)
{
	hs_bus_answer(request, NULL);
}

static int run_sipd(const char *home)
{
	static const struct hs_door doors[] = {{HS_LEG_ORIGINATE, serve_in_child}};
	uv_loop_t loop;
	struct hs_bus_setup setup = {.loop = &loop, .role = HS_ROLE_SIPD, .home = home, .incarnation = "i-child"};
	struct hs_bus *bus;

	uv_loop_init(&loop);
	bus = hs_bus_create(&setup);
	if (!bus)
		return 1;
	hs_bus_serve(bus, doors, HS_COUNT(doors), NULL);
	return uv_run(&loop, UV_RUN_DEFAULT);
}

struct watched {
	int ups, downs;
};

static void on_changed(void *context, enum hs_role to, bool up)
{
	struct watched *watched = context;

	if (up)
		watched->ups++;
	else
		watched->downs++;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_watch_death_and_stop(void **state)
{
	struct world *world = *state;
	pid_t first = world_fork(world, run_sipd), second;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID);
	struct watched watched = {0};
	struct asker asker = {0};
	int64_t at;

	hs_bus_watch(apid, HS_ROLE_SIPD, on_changed, &watched);
	assert_true(world_turn_until(world, &watched.ups, 1, 3000));
	at = hs_clock_ms();
	end(first);
	assert_true(world_turn_until(world, &watched.downs, 1, 1000));
	assert_in_range(hs_clock_ms() - at, 0, 1000);
	assert_false(hs_bus_is_up(apid, HS_ROLE_SIPD));

	second = world_fork(world, run_sipd);
	assert_true(world_turn_until(world, &watched.ups, 2, 3000));
	kill(second, SIGSTOP);
	originate(apid, "phone1", NULL, true, &asker);
	assert_true(world_turn_until(world, &watched.downs, 2, 4500));
	kill(second, SIGCONT);
	assert_true(world_turn_until(world, &watched.ups, 3, 3000));
	assert_true(world_turn_until(world, &asker.answered, 1, 3000));
	end(second);
}

/* ---- Who is let in ---- */

/* Connects as this uid, with our library's part left out, and asks. 0: was answered; 2: heard nothing. */
static int knock(const char *home, uid_t uid, const char *source)
{
	AUTO(free) char *endpoint = hs_printf("ipc://%s/run/sipd/requests/socket", home);
	AUTO(free)
	char *text =
		hs_printf("{\"v\":1,\"kind\":\"request\",\"type\":\"leg.originate\",\"id\":\"k1\",\"source\":\"%s\","
			  "\"deadline_ms\":1000,\"body\":{}}",
			  source);
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
	int wait_ms = 700;
	char answer[512];

	if (setgid(uid) < 0 || setuid(uid) < 0)
		return 3;
	zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof(wait_ms));
	zmq_connect(socket, endpoint);
	zmq_send(socket, text, strlen(text), 0);
	return zmq_recv(socket, answer, sizeof(answer), 0) > 0 ? 0 : 2;
}

#define UID_BASE 61000

static int knock_as_stranger(const char *home)
{
	return knock(home, 65432, "apid");
}

static int knock_as_hookd(const char *home)
{
	return knock(home, UID_BASE + HS_ROLE_HOOKD, "apid");
}

static int knock_as_apid(const char *home)
{
	return knock(home, UID_BASE + HS_ROLE_APID, "apid");
}

static int knock_as_apid_lying(const char *home)
{
	return knock(home, UID_BASE + HS_ROLE_APID, "ops");
}

static const struct {
	int (*run)(const char *home);
	int exit_code;
	const char *counted;
} knocks[] = {
	{knock_as_stranger, 2, "stranger"},
	{knock_as_hookd, 2, "stranger"},
	{knock_as_apid, 0, NULL},
	{knock_as_apid_lying, 2, "source"},
};

/* The modes of the files would already keep strangers away: here it is the second lock that is tried. */
static void open_folder(struct world *world)
{
	AUTO(free) char *folder = hs_printf("%s/run/sipd/requests", world->home);

	assert_int_equal(chmod(folder, 02777), 0);
}

static void open_files(struct world *world)
{
	AUTO(free) char *file = hs_printf("%s/run/sipd/requests/socket", world->home);

	open_folder(world);
	assert_int_equal(chmod(file, 0777), 0);
}

/* A process that runs a sipd as root with separate users, and says how many were turned away. */
static int run_separate(const char *home)
{
	struct world world = {0};
	struct server server = {0};
	int failures = 0;

	hs_privs_setup(UID_BASE);
	hs_copy(world.home, sizeof(world.home), home);
	uv_loop_init(&world.loop);
	if (hs_privs_make_folders(home, HS_ROLE_SIPD) < 0 || seteuid(hs_privs_uid(HS_ROLE_SIPD)) < 0)
		return 10;
	/* Group of the edge is inherited from the folder (setgid). */
	hs_bus_serve(world_open(&world, HS_ROLE_SIPD), sipd_doors, HS_COUNT(sipd_doors), &server);
	if (seteuid(0) < 0)
		return 11;
	open_files(&world);
	for (size_t i = 0; i < HS_COUNT(knocks); i++) {
		int64_t before = knocks[i].counted ? world_refused(knocks[i].counted) : 0;
		pid_t pid = world_fork(&world, knocks[i].run);
		int status = -1, never = 0;

		while (waitpid(pid, &status, WNOHANG) == 0)
			world_turn_until(&world, &never, 1, 10);
		if (WEXITSTATUS(status) != knocks[i].exit_code ||
		    (knocks[i].counted && world_refused(knocks[i].counted) == before)) {
			fprintf(stderr, "knock %zu: status %d\n", i, WEXITSTATUS(status));
			failures++;
		}
	}
	return failures + server.served;
}

/* Somebody else listens where sipd should. SO_PEERCRED of a listener is the uid at listen(). */
static int listen_as_hookd(const char *home)
{
	AUTO(free) char *endpoint = hs_printf("ipc://%s/run/sipd/requests/socket", home);
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);

	if (setgid(UID_BASE + HS_ROLE_HOOKD) < 0 || setuid(UID_BASE + HS_ROLE_HOOKD) < 0 ||
	    zmq_bind(socket, endpoint) < 0)
		return 1;
	chmod(endpoint + strlen("ipc://"), 0777);
	return pause();
}

static int listen_as_sipd(const char *home)
{
	hs_privs_setup(UID_BASE);
	return setuid(hs_privs_uid(HS_ROLE_SIPD)) < 0 ? 1 : run_sipd(home);
}

/* apid as root with separate users, towards an impostor and then the real sipd. */
static int run_towards_impostor(const char *home)
{
	struct world world = {0};
	struct watched watched = {0};
	struct hs_bus *apid;
	int failures = 0;
	pid_t pid;

	hs_privs_setup(UID_BASE);
	hs_copy(world.home, sizeof(world.home), home);
	uv_loop_init(&world.loop);
	if (hs_privs_make_folders(home, HS_ROLE_SIPD) < 0 || hs_privs_make_folders(home, HS_ROLE_APID) < 0)
		return 10;
	open_folder(&world);
	pid = world_fork(&world, listen_as_hookd);
	if (seteuid(hs_privs_uid(HS_ROLE_APID)) < 0)
		return 11;
	apid = world_open(&world, HS_ROLE_APID);
	if (seteuid(0) < 0) /* root passes the files' modes: only their owner is left */
		return 12;
	hs_bus_watch(apid, HS_ROLE_SIPD, on_changed, &watched);
	for (int i = 0; i < 200 && world_refused("stranger") == 0; i++)
		world_turn_for(&world, 10);
	failures += world_refused("stranger") == 0;
	failures += watched.ups;
	end(pid);
	pid = world_fork(&world, listen_as_sipd);
	failures += !world_turn_until(&world, &watched.ups, 1, 4000);
	end(pid);
	return failures;
}

static void test_impostor_listens(void **state)
{
	struct world *world = *state;
	int status = -1;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = world_fork(world, run_towards_impostor);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_strangers_and_wrong_roles(void **state)
{
	struct world *world = *state;
	int status = -1;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = world_fork(world, run_separate);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_socket_file(void **state)
{
	struct world *world = *state;
	AUTO(free) char *file = hs_printf("%s/run/apid/digits/socket", world->home);
	struct stat status;

	world_open(world, HS_ROLE_APID);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
	assert_int_equal(status.st_uid, geteuid());
}

/* ---- A peer that says anything ---- */

static const struct {
	const char *frame;
	const char *counted;
} insults[] = {
	{"", "envelope"},
	{"hello", "envelope"},
	{"{}", "envelope"},
	{"{\"kind\":\"request\"}", "envelope"},
	{"{\"v\":2,\"kind\":\"request\",\"type\":\"leg.answer\",\"id\":\"a\",\"source\":\"apid\",\"deadline_ms\":9,"
	 "\"body\":{}}",
	 "envelope"},
	{"{\"v\":1,\"kind\":\"request\",\"type\":\"leg.answer\",\"id\":\"a b\",\"source\":\"apid\",\"deadline_ms\":9,"
	 "\"body\":{}}",
	 "envelope"},
	{"{\"v\":1,\"kind\":\"request\",\"type\":\"leg.answer\",\"id\":\"a\",\"source\":\"king\",\"deadline_ms\":9,"
	 "\"body\":{}}",
	 "source"},
	{"{\"v\":1,\"kind\":\"request\",\"type\":\"no.such\",\"id\":\"a\",\"source\":\"apid\",\"deadline_ms\":9,"
	 "\"body\":{}}",
	 "unknown"},
	{"{\"v\":1,\"kind\":\"request\",\"type\":\"leg.ended\",\"id\":\"a\",\"source\":\"apid\",\"deadline_ms\":9,"
	 "\"body\":{}}",
	 "unknown"},
	{"{\"v\":1,\"kind\":\"request\",\"type\":\"leg.originate\",\"id\":\"a\",\"source\":\"mediad\",\"deadline_ms\":"
	 "9,"
	 "\"body\":{}}",
	 "not_permitted"},
	{"{\"v\":1,\"kind\":\"request\",\"type\":\"leg.originate\",\"id\":\"a\",\"source\":\"apid\",\"deadline_ms\":9,"
	 "\"body\":{}}",
	 "invalid"},
	{"{\"v\":1,\"kind\":\"request\",\"type\":\"leg.originate\",\"id\":\"a\",\"source\":\"apid\",\"deadline_ms\":9,"
	 "\"at\":1,\"body\":{\"leg\":\"l\",\"call\":\"c\",\"line\":\"p\",\"ring_timeout_ms\":"
	 "1000}}",
	 "expired"},
	{"{\"v\":1,\"kind\":\"facts\",\"source\":\"apid\",\"epoch\":1}", "not_permitted"},
	{"{\"v\":1,\"kind\":\"answer\",\"re\":\"a\",\"body\":{}}", "envelope"},
};

static void test_insults(void **state)
{
	struct world *world = *state;
	struct hs_bus *sipd = world_open(world, HS_ROLE_SIPD);
	struct server server = {0};
	void *context, *raw = world_raw(world, &context, ZMQ_DEALER, HS_ROLE_SIPD, HS_EDGE_REQUESTS, false);
	AUTO(free) char *large = hs_zalloc(300000);

	hs_bus_serve(sipd, sipd_doors, HS_COUNT(sipd_doors), &server);
	for (size_t i = 0; i < HS_COUNT(insults); i++) {
		int64_t before = world_refused(insults[i].counted), limit = hs_clock_ms() + 2000;

		zmq_send(raw, insults[i].frame, strlen(insults[i].frame), 0);
		while (world_refused(insults[i].counted) == before && hs_clock_ms() < limit)
			world_turn_for(world, 1);
		if (world_refused(insults[i].counted) == before)
			fail_msg("not counted as %s: %s", insults[i].counted, insults[i].frame);
	}
	for (int i = 0; i < 200; i++) /* a message of 201 frames */
		zmq_send(raw, "{}", 2, ZMQ_SNDMORE);
	zmq_send(raw, "{}", 2, 0);
	memset(large, '[', 300000);
	zmq_send(raw, large, 300000, 0); /* over the limit: libzmq hangs up */
	world_turn_for(world, 100);
	assert_int_equal(server.served, 0);
	zmq_close(raw);
	zmq_ctx_term(context);
}

/* ---- One peer asks without end ---- */

#define SHARE 4096 /* of one peer, in progress */

static void serve_never(void *context, struct hs_request *request)
{
	int64_t left_ms = request->deadline_at - hs_clock_ms();

	(*(int *)context)++;
	assert_true(left_ms > 0 && left_ms <= 60000);
}

static void test_share_of_one_peer(void **state)
{
	static const struct hs_door doors[] = {{HS_EVENTS_LIST, serve_never}};
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID), *hookd = world_open(world, HS_ROLE_HOOKD);
	struct hs_bus *front = world_open(world, HS_ROLE_API_FRONT);
	struct hs_events_list body = {.has_limit = true, .limit = 1};
	struct asker asker = {0};
	struct hs_ask ask = ask_for(HS_EVENTS_LIST, &body, &asker);
	int64_t refused = world_refused("overload");
	int served = 0;

	hs_bus_serve(apid, doors, HS_COUNT(doors), &served);
	ask.to = HS_ROLE_APID;
	ask.deadline_ms = 60000;
	ask.patient = true;
	for (int i = 0; i < SHARE + 10; i++)
		hs_bus_ask(hookd, &ask);
	assert_true(world_turn_until(world, &asker.answered, 10, 20000));
	assert_int_equal(asker.error, HS_ERROR_OVERLOADED);
	assert_int_equal(world_refused("overload"), refused + 10);
	assert_int_equal(served, SHARE);
	hs_bus_ask(front, &ask);
	assert_true(world_turn_until(world, &served, SHARE + 1, 2000));
	assert_int_equal(asker.answered, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer_and_refusal, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_refused_before_the_door, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_same_id_is_served_once, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_away_is_told_at_once, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_order_is_kept, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_deadline_and_forget, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_restart_in_mid_question, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_late_answers_never_stall, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_watch_death_and_stop, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_strangers_and_wrong_roles, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_impostor_listens, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_socket_file, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_insults, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_share_of_one_peer, world_setup, world_teardown),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
