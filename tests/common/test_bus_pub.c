/* Published copies and audio frames: counted, missed and told so, never in anybody's way. */
#include "bus_world.h"
#include "cleanup.h"
#include "clock.h"
#include "frame.h"
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <zmq.h>

#include <cmocka.h>

struct listener {
	int heard, missed;
	uint64_t last;
	char topic[65], body[128];
};

static void on_published(void *context, const struct hs_published *event)
{
	struct listener *listener = context;

	listener->heard++;
	listener->last = event->seq;
	hs_copy(listener->topic, sizeof(listener->topic), event->topic);
	hs_copy(listener->body, sizeof(listener->body), event->body);
}

static void on_missed(void *context)
{
	((struct listener *)context)->missed++;
}

static void publish(struct hs_bus *bus, const char *text)
{
	hs_bus_publish(bus, HS_EDGE_CALLS, "state_change", text, strlen(text));
}

static void test_published_copy(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID), *front = world_open(world, HS_ROLE_API_FRONT);
	struct listener listener = {0};

	publish(apid, "{\"before\":1}");
	assert_false(hs_bus_is_heard(apid, HS_EDGE_CALLS));
	hs_bus_subscribe(front, HS_ROLE_APID, HS_EDGE_CALLS, on_published, on_missed, &listener);
	/* The heartbeat to a newcomer says: from here on all is yours; see to what was before. */
	assert_true(world_turn_until(world, &listener.missed, 1, 2000));
	assert_int_equal(listener.heard, 0);
	assert_true(hs_bus_is_heard(apid, HS_EDGE_CALLS));
	assert_false(hs_bus_is_heard(apid, HS_EDGE_DIGITS));
	publish(apid, "{\"n\":2}");
	publish(apid, "{\"n\":3}");
	assert_true(world_turn_until(world, &listener.heard, 2, 2000));
	assert_int_equal(listener.missed, 1);
	assert_int_equal(listener.last, 3);
	assert_string_equal(listener.topic, "state_change");
	assert_string_equal(listener.body, "{\"n\":3}");
	world_close(world, HS_ROLE_API_FRONT);
	world_turn_for(world, 100);
	assert_false(hs_bus_is_heard(apid, HS_EDGE_CALLS));
}

static void send_copy(void *raw, const char *topic, uint64_t epoch, uint64_t seq, const char *source)
{
	AUTO(free)
	char *head = hs_printf("{\"v\":1,\"source\":\"%s\",\"edge\":\"calls\",\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64
			       ",\"at\":\"2026-01-01T00:00:00Z\"}",
			       source, epoch, seq);

	zmq_send(raw, topic, strlen(topic), ZMQ_SNDMORE);
	zmq_send(raw, head, strlen(head), ZMQ_SNDMORE);
	zmq_send(raw, "{}", 2, 0);
}

static const struct {
	const char *topic;
	uint64_t epoch, seq;
	int heard, missed; /* afterwards */
} copies[] = {
	{"a", 1, 5, 1, 1},                                     /* first contact */
	{"a", 1, 6, 2, 1},         {"a", 1, 9, 3, 2},          /* 7 and 8 are missing */
	{"a", 1, 9, 3, 2},                                     /* again */
	{"heartbeat", 1, 9, 3, 2}, {"heartbeat", 1, 12, 3, 3}, /* ahead of what came */
	{"a", 1, 13, 4, 3},        {"a", 2, 1, 5, 4},          /* the publisher restarted */
	{"a", 2, 2, 6, 4},         {"heartbeat", 3, 0, 6, 5},  {"a", 3, 1, 7, 5},
};

static void test_gaps_and_restarts(void **state)
{
	struct world *world = *state;
	struct hs_bus *front = world_open(world, HS_ROLE_API_FRONT);
	struct listener listener = {0};
	void *context, *raw = world_raw(world, &context, ZMQ_XPUB, HS_ROLE_APID, HS_EDGE_CALLS, true);
	int64_t refused;
	char subscription[8];

	hs_bus_subscribe(front, HS_ROLE_APID, HS_EDGE_CALLS, on_published, on_missed, &listener);
	while (zmq_recv(raw, subscription, sizeof(subscription), ZMQ_DONTWAIT) < 0)
		world_turn_for(world, 5);
	for (size_t i = 0; i < HS_COUNT(copies); i++) {
		send_copy(raw, copies[i].topic, copies[i].epoch, copies[i].seq, "apid");
		world_turn_until(world, &listener.heard, copies[i].heard, 1000);
		world_turn_until(world, &listener.missed, copies[i].missed, 1000);
		world_turn_for(world, 5);
		if (listener.heard != copies[i].heard || listener.missed != copies[i].missed)
			fail_msg("copy %zu: heard %d missed %d", i, listener.heard, listener.missed);
	}
	refused = world_refused("source");
	send_copy(raw, "a", 3, 2, "sipd");
	zmq_send(raw, "a", 1, ZMQ_SNDMORE);
	zmq_send(raw, "{}", 2, 0);
	world_turn_for(world, 50);
	assert_int_equal(world_refused("source"), refused + 1);
	assert_int_equal(listener.heard, 7);
	zmq_close(raw);
	zmq_ctx_term(context);
}

/* ---- A subscriber that is stopped: it must not slow the publisher, and must learn that it missed something ---- */

#define FLOOD 60000

struct slow_world {
	struct listener listener;
	uv_timer_t timer;
};

static int run_subscriber(const char *home)
{
	struct listener listener = {0};
	uv_loop_t loop;
	struct hs_bus_setup setup = {.loop = &loop, .role = HS_ROLE_API_FRONT, .home = home, .incarnation = "i-slow"};
	struct hs_bus *bus;
	int64_t limit = hs_clock_ms() + 15000;

	uv_loop_init(&loop);
	bus = hs_bus_create(&setup);
	if (!bus)
		return 1;
	hs_bus_subscribe(bus, HS_ROLE_APID, HS_EDGE_CALLS, on_published, on_missed, &listener);
	/* The end of the flood itself may be lost: only a heartbeat shows that. */
	while (listener.missed < 2 && hs_clock_ms() < limit)
		uv_run(&loop, UV_RUN_ONCE);
	return listener.missed >= 2 && listener.heard < FLOOD ? 0 : 2;
}

static void test_slow_subscriber(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = world_open(world, HS_ROLE_APID);
	pid_t pid = world_fork(world, run_subscriber);
	int status = -1, never = 0;
	int64_t began, limit = hs_clock_ms() + 5000;
	char body[256];

	while (!hs_bus_is_heard(apid, HS_EDGE_CALLS) && hs_clock_ms() < limit)
		world_turn_for(world, 5);
	world_turn_for(world, 50);
	kill(pid, SIGSTOP);
	memset(body, ' ', sizeof(body));
	memcpy(body, "{", 1);
	body[255] = '\0';
	body[254] = '}';
	began = hs_clock_ms();
	for (int i = 0; i < FLOOD; i++)
		publish(apid, body);
	assert_in_range(hs_clock_ms() - began, 0, 5000);
	kill(pid, SIGCONT);
	limit = hs_clock_ms() + 16000;
	while (waitpid(pid, &status, WNOHANG) == 0 && hs_clock_ms() < limit)
		world_turn_until(world, &never, 1, 20);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- Audio ---- */

struct ear {
	int heard, ups, downs;
	uint64_t peer;
	enum hs_role role;
	struct hs_frame frame;
	uint8_t payload[4];
};

static void on_frame(void *context, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
{
	struct ear *ear = context;

	ear->heard++;
	ear->peer = peer;
	ear->role = role;
	if (hs_frame_read(data, bytes, &ear->frame) == 0 && ear->frame.payload_bytes == 4)
		memcpy(ear->payload, ear->frame.payload, 4);
}

static void on_audio_changed(void *context, bool up)
{
	struct ear *ear = context;

	if (up)
		ear->ups++;
	else
		ear->downs++;
}

static int send_frame(struct hs_audio *audio, uint64_t peer, const char *payload)
{
	struct hs_frame frame = {.kind = HS_FRAME_AUDIO,
				 .codec = HS_CODEC_PCMU,
				 .grant = "s1-grant",
				 .payload = (const uint8_t *)payload,
				 .payload_bytes = 4};
	uint8_t data[256];
	int bytes = hs_frame_pack(&frame, data, sizeof(data));

	return hs_audio_send(audio, peer, data, (size_t)bytes);
}

static void test_audio_both_ways(void **state)
{
	struct world *world = *state;
	struct hs_bus *mediad = world_open(world, HS_ROLE_MEDIAD), *front = world_open(world, HS_ROLE_API_FRONT);
	struct ear engine = {0}, stream = {0};
	struct hs_audio *bound = hs_audio_bind(mediad, on_frame, &engine), *connected;

	assert_non_null(bound);
	connected = hs_audio_connect(front, on_frame, on_audio_changed, &stream);
	assert_int_equal(send_frame(connected, 0, "abcd"), -EHOSTUNREACH);
	assert_true(world_turn_until(world, &stream.ups, 1, 2000));
	assert_int_equal(send_frame(connected, 0, "abcd"), 0);
	assert_true(world_turn_until(world, &engine.heard, 1, 2000));
	assert_int_equal(engine.role, HS_ROLE_API_FRONT);
	assert_memory_equal(engine.payload, "abcd", 4);
	assert_string_equal(engine.frame.grant, "s1-grant");
	assert_int_not_equal(engine.peer, 0);
	assert_int_equal(send_frame(bound, engine.peer, "efgh"), 0);
	assert_true(world_turn_until(world, &stream.heard, 1, 2000));
	assert_int_equal(stream.peer, 0);
	assert_int_equal(stream.role, HS_ROLE_MEDIAD);
	assert_memory_equal(stream.payload, "efgh", 4);
	assert_int_equal(send_frame(bound, engine.peer + 1, "efgh"), -EHOSTUNREACH);

	world_close(world, HS_ROLE_API_FRONT);
	world_turn_for(world, 50);
	assert_int_equal(send_frame(bound, engine.peer, "efgh"), -EHOSTUNREACH);
}

static void test_audio_refuses_other_frames(void **state)
{
	struct world *world = *state;
	struct ear engine = {0};
	void *context, *raw;
	char noise[20000];

	memset(noise, 'x', sizeof(noise));
	hs_audio_bind(world_open(world, HS_ROLE_MEDIAD), on_frame, &engine);
	raw = world_raw(world, &context, ZMQ_DEALER, HS_ROLE_MEDIAD, HS_EDGE_AUDIO, false);
	zmq_send(raw, "short", 5, 0);
	zmq_send(raw, noise, 100, ZMQ_SNDMORE);
	zmq_send(raw, noise, 100, 0);
	zmq_send(raw, noise, 60, 0); /* long enough to be one: mediad looks inside */
	assert_true(world_turn_until(world, &engine.heard, 1, 2000));
	assert_int_equal(engine.role, HS_ROLE_NONE); /* one uid, and it did not say */
	zmq_send(raw, noise, sizeof(noise), 0);      /* too large: libzmq hangs up */
	world_turn_for(world, 50);
	assert_int_equal(engine.heard, 1);
	zmq_close(raw);
	zmq_ctx_term(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_published_copy, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_gaps_and_restarts, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_slow_subscriber, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_audio_both_ways, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_audio_refuses_other_frames, world_setup, world_teardown),
	};

	return cmocka_run_group_tests_name("bus_pub", tests, NULL, NULL);
}
