/* Peers that speak ZeroMQ by hand, badly: one's faults end its connection, and concern nobody else. */
#include "bus_world.h"
#include "cleanup.h"
#include "clock.h"
#include "zmtp.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

static int served;

static void serve(void *context, struct hs_request *request)
{
	served++;
	hs_bus_answer(request, NULL);
}

static const struct hs_door doors[] = {{HS_LEG_ORIGINATE, serve}};

static const char question[] =
	"{\"v\":1,\"kind\":\"request\",\"type\":\"leg.originate\",\"id\":\"a\",\"source\":\"apid\","
	"\"deadline_ms\":60000,\"body\":{\"leg\":\"l1\",\"call\":\"c1\",\"line\":\"p1\",\"ring_timeout_ms\":1000}}";

static struct hs_bus *open_sipd(struct world *world)
{
	struct hs_bus *sipd = world_open(world, HS_ROLE_SIPD);

	served = 0;
	hs_bus_serve(sipd, doors, HS_COUNT(doors), NULL);
	return sipd;
}

static int dial(const struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/sipd/requests/socket", world->home);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Greeting and handshake of a DEALER. */
static size_t write_hello(uint8_t *to)
{
	zmtp_greeting_write(to);
	return ZMTP_GREETING_BYTES + zmtp_ready_write(to + ZMTP_GREETING_BYTES, ZMTP_DEALER, NULL, NULL);
}

static size_t write_frame(uint8_t *to, const char *text, bool has_more)
{
	size_t head = zmtp_head_write(to, strlen(text), has_more, false);

	memcpy(to + head, text, strlen(text));
	return head + strlen(text);
}

static int dial_and_greet(const struct world *world)
{
	uint8_t hello[ZMTP_GREETING_BYTES + ZMTP_ANSWER_MAX];
	int fd = dial(world);
	ssize_t bytes = (ssize_t)write_hello(hello);

	assert_int_equal(send(fd, hello, (size_t)bytes, MSG_NOSIGNAL), bytes);
	return fd;
}

/* Reads what came; false when the other side has ended it. */
static bool is_open(int fd, size_t *ret_bytes)
{
	uint8_t rubbish[65536];
	ssize_t got;

	while ((got = recv(fd, rubbish, sizeof(rubbish), MSG_DONTWAIT)) > 0)
		*ret_bytes += (size_t)got;
	return got < 0 && errno == EAGAIN;
}

static void turn_until_ended(struct world *world, int fd)
{
	int64_t limit = hs_clock_ms() + PATIENCE_MS;
	size_t bytes = 0;

	while (is_open(fd, &bytes) && hs_clock_ms() < limit)
		world_turn_for(world, 1);
	assert_false(is_open(fd, &bytes));
	close(fd);
}

/* Sends as much as is taken. */
static size_t pour(int fd, const uint8_t *data, size_t bytes)
{
	ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

	return sent > 0 ? (size_t)sent : 0;
}

static const struct {
	const char *text;
	size_t bytes;
	bool is_greeted;
} insults[] = {
	{"GET / HTTP/1.1\r\n", 16, false},
	{"\377\0\0\0\0\0\0\0\1\177\1", 11, false},       /* ZMTP 2 */
	{"\0\2{}", 4, true},                             /* one whose sender is left in peace */
	{"\2\377\377\377\377\377\377\377\377", 9, true}, /* all the memory of the world */
	{"\2\0\0\0\0\0\5\0\0", 9, true},                 /* 320 KiB */
	{"\10\0", 2, true},                              /* a flag that is none */
	{"\4\6\5READY", 8, true},                        /* once more */
	{"\4\11\5ERROR\3no!", 11, true},
	{"\4\12\11SUBSCRIBE", 12, true}, /* to one that publishes nothing */
	{"\4\5\4PING", 7, true},         /* without its time */
	{"\4\0", 2, true},               /* a command without a name */
};

static void test_insults(void **state)
{
	struct world *world = *state;

	open_sipd(world);
	for (size_t i = 0; i < HS_COUNT(insults); i++) {
		int64_t before = world_refused("envelope");
		int fd = insults[i].is_greeted ? dial_and_greet(world) : dial(world);

		pour(fd, (const uint8_t *)insults[i].text, insults[i].bytes);
		if (insults[i].text[0] == '\0') { /* nonsense inside a message is the next floor's business */
			size_t bytes = 0;

			while (world_refused("envelope") == before)
				world_turn_for(world, 1);
			assert_true(is_open(fd, &bytes));
			close(fd);
			continue;
		}
		turn_until_ended(world, fd);
		if (world_refused("envelope") != before + 1)
			fail_msg("row %zu", i);
	}
	assert_int_equal(served, 0);
}

/* Whatever the pieces, the message is the same. */
static void test_byte_by_byte(void **state)
{
	struct world *world = *state;
	uint8_t text[2048];
	size_t bytes = write_hello(text), heard = 0;
	int fd;

	open_sipd(world);
	bytes += write_frame(text + bytes, question, false);
	fd = dial(world);
	for (size_t i = 0; i < bytes; i++) {
		assert_int_equal(pour(fd, text + i, 1), 1);
		uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	assert_true(world_turn_until(world, &served, 1, PATIENCE_MS));
	world_turn_for(world, 1);
	assert_true(is_open(fd, &heard));
	assert_true(heard > ZMTP_GREETING_BYTES);
	close(fd);
}

static void test_endless_message(void **state)
{
	struct world *world = *state;
	uint8_t text[65536];
	int fd;

	open_sipd(world);
	fd = dial_and_greet(world);
	for (size_t at = 0; at < sizeof(text); at += 2)
		memcpy(text + at, "\1\0", 2);
	pour(fd, text, sizeof(text));
	turn_until_ended(world, fd);
}

static void on_answer(void *context, const struct hs_answer *answer)
{
	(*(int *)context)++;
}

static void ask(struct hs_bus *bus, int *answered)
{
	struct hs_leg_originate body = {.leg = "l1", .call = "c1", .line = "p1", .ring_timeout_ms = 30000};
	struct hs_ask ask = {.to = HS_ROLE_SIPD,
			     .message = HS_LEG_ORIGINATE,
			     .body = &body,
			     .deadline_ms = 60000,
			     .patient = true,
			     .answered = on_answer,
			     .context = answered};

	hs_bus_ask(bus, &ask);
}

static long memory_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Pings, or questions, without end, by somebody who never reads: what waits for him is bounded, others are served. */
static void flood(struct world *world, const uint8_t *text, size_t bytes)
{
	struct hs_bus *apid = world_open(world, HS_ROLE_APID);
	int answered = 0, fd = dial_and_greet(world);
	long before = memory_kb();

	for (int round = 0; round < 300; round++) {
		pour(fd, text, bytes); /* cut anywhere: then it is one that ends */
		if (round % 30 == 0)
			ask(apid, &answered);
		uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	assert_true(world_turn_until(world, &answered, 10, PATIENCE_MS));
	assert_true(memory_kb() - before < 200000);
	close(fd);
	world_close(world, HS_ROLE_APID);
}

static void test_floods(void **state)
{
	struct world *world = *state;
	AUTO(free) uint8_t *text = hs_zalloc(65536);
	uint8_t one[ZMTP_ANSWER_MAX];
	size_t bytes = zmtp_ping_write(one, 0), at;

	open_sipd(world);
	for (at = 0; at + bytes <= 60000; at += bytes)
		memcpy(text + at, one, bytes);
	flood(world, text, at);
	for (at = 0; at + sizeof(question) + ZMTP_HEAD_BYTES <= 60000;)
		at += write_frame(text + at, question, false);
	flood(world, text, at);
}

/* Half a greeting, and then nothing; and half a message, which may take its time. */
static void test_silent_ones(void **state)
{
	struct world *world = *state;
	int64_t before = world_refused("envelope");
	size_t bytes = 0;
	int mute, slow;

	open_sipd(world);
	mute = dial(world);
	slow = dial_and_greet(world);
	pour(mute, (const uint8_t *)"\377", 1);
	pour(slow, (const uint8_t *)"\2\0\0\0\0\0\0\1\0ab", 11);
	turn_until_ended(world, mute);
	assert_int_equal(world_refused("envelope"), before + 1);
	assert_true(is_open(slow, &bytes));
	close(slow);
}

/* Who opens connections without end gets no more than its share. */
static void test_crowd(void **state)
{
	struct world *world = *state;
	int fds[300];
	int64_t before = world_refused("overload");
	size_t bytes = 0;

	open_sipd(world);
	for (size_t i = 0; i < HS_COUNT(fds); i++) {
		fds[i] = dial(world);
		uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	turn_until_ended(world, fds[HS_COUNT(fds) - 1]);
	assert_true(world_refused("overload") > before);
	assert_true(is_open(fds[0], &bytes));
	for (size_t i = 0; i + 1 < HS_COUNT(fds); i++)
		close(fds[i]);
}

/* ---- What is asked in the moment of connecting gets there at once, not when it is asked again ---- */

#define AGAIN_MS 500
#define TRIES 20

struct eager {
	struct hs_bus *apid;
	int answered;
	int64_t up_at;
};

static void on_changed(void *context, enum hs_role to, bool up)
{
	struct eager *eager = context;

	if (!up)
		return;
	eager->up_at = hs_clock_ms();
	ask(eager->apid, &eager->answered);
}

/* The machine may be slow, but not each time by just so much. */
static void test_asked_when_it_comes(void **state)
{
	struct world *world = *state;
	struct eager eager = {.apid = world_open(world, HS_ROLE_APID)};
	bool was_at_once = false;

	hs_bus_watch(eager.apid, HS_ROLE_SIPD, on_changed, &eager);
	for (int times = 1; times <= TRIES && !was_at_once; times++) {
		ask(eager.apid, &eager.answered);
		open_sipd(world);
		assert_true(world_turn_until(world, &eager.answered, 2 * times, PATIENCE_MS));
		was_at_once = hs_clock_ms() - eager.up_at < AGAIN_MS;
		world_close(world, HS_ROLE_SIPD);
	}
	assert_true(was_at_once);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_insults, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_byte_by_byte, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_endless_message, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_floods, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_silent_ones, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_crowd, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_asked_when_it_comes, world_setup, world_teardown),
	};

	return cmocka_run_group_tests_name("bus_wire", tests, NULL, NULL);
}
