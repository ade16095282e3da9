/* Edges between hosts: an apid that listens, a hookd elsewhere that brings its requests edge, and libzmq in either
 * place; keys that are not known, not permitted, withdrawn and rotated; strangers who say nothing. */
#include "bus_world.h"
#include "cleanup.h"
#include "clock.h"
#include "keep.h"
#include "keys.h"
#include "zmtp.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define PATIENCE_MS 20000
#define HOST "127.77.0.1"

enum { REQUESTS, CALLS, OF_HOOKD, EDGES };

static struct hs_config_edge edges[EDGES] = {
	[REQUESTS] = {.binder = HS_FAR_BINDER_APID, .edge = HS_FAR_EDGE_REQUESTS, .host = HOST},
	[CALLS] = {.binder = HS_FAR_BINDER_APID, .edge = HS_FAR_EDGE_CALLS, .host = HOST},
	[OF_HOOKD] = {.binder = HS_FAR_BINDER_HOOKD, .edge = HS_FAR_EDGE_REQUESTS, .host = HOST},
};
static const struct hs_config_bus far = {
	.listen = edges, .listen_count = EDGES, .connect = edges, .connect_count = EDGES};
static struct hs_keep *keep;

static struct {
	int asked, deleted, heard, failed, published, missed;
} counts;

/* ---- The world ---- */

static int64_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	AUTO(close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, HOST, &address.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	getsockname(fd, (struct sockaddr *)&address, &length);
	return ntohs(address.sin_port);
}

/* There was no keeper before. */
static bool is_bound(const char *name, const struct sockaddr *address, socklen_t length)
{
	return false;
}

static int hold(const char *name, int fd)
{
	hs_keep_leave(keep, name, fd);
	return 0;
}

static void copy_public(const struct world *world, const char *role)
{
	AUTO(free) char *from = hs_printf("%s/keys/%s.curve.pub", world->home, role);
	AUTO(free) char *to = hs_printf("%s/keys/peers/other.%s.pub", world->home, role);
	AUTO(free) char *beside = hs_printf("%s/keys/.new", world->home);
	uint8_t keys[256];
	AUTO(close) int in = open(from, O_RDONLY);
	AUTO(close) int out = open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ssize_t bytes = read(in, keys, sizeof(keys));

	assert_true(bytes >= HS_KEY_BYTES);
	assert_int_equal(write(out, keys, (size_t)bytes), bytes);
	assert_int_equal(rename(beside, to), 0);
}

static int far_setup(void **state)
{
	struct world *world;

	world_setup(state);
	world = *state;
	memset(&counts, 0, sizeof(counts));
	assert_int_equal(hs_keys_make(world->home, HS_KEYS_CURVE(HS_ROLE_APID)), 0);
	assert_int_equal(hs_keys_make(world->home, HS_KEYS_CURVE(HS_ROLE_HOOKD)), 0);
	assert_int_equal(hs_keys_make_peers(world->home), 0);
	copy_public(world, "apid");
	copy_public(world, "hookd");
	for (int i = 0; i < EDGES; i++)
		edges[i].port = free_port();
	world->far = &far;
	world->keep = keep = hs_keep_create(-1, 0);
	assert_int_equal(hs_bus_listen(&far, HS_ROLE_APID, is_bound, hold), 0);
	return 0;
}

static int far_teardown(void **state)
{
	world_teardown(state);
	hs_keep_destroy(keep);
	return 0;
}

static void serve_list(void *context, struct hs_request *request)
{
	assert_int_equal(request->from, HS_ROLE_HOOKD);
	counts.asked++;
	hs_bus_answer(request, &(struct hs_events_list_answer){.cursor = "1.g1.1"});
}

static void serve_delete(void *context, struct hs_request *request)
{
	assert_int_equal(request->from, HS_ROLE_APID);
	counts.deleted++;
	hs_bus_answer(request, NULL);
}

static const struct hs_door apid_doors[] = {{HS_EVENTS_LIST, serve_list}};
static const struct hs_door hookd_doors[] = {{HS_HOOK_DELETE, serve_delete}};

static void hear(void *context, const struct hs_fact *fact)
{
	counts.failed += fact->from == HS_ROLE_HOOKD && fact->message == HS_HOOK_FAILED;
}

static void done(void *context, enum hs_role from, uint64_t epoch, uint64_t seq)
{
	hs_bus_acknowledge(context, from, epoch, seq);
}

static void on_published(void *context, const struct hs_published *event)
{
	counts.published++;
}

static void on_missed(void *context)
{
	counts.missed++;
}

static struct hs_bus *open_apid(struct world *world)
{
	struct hs_bus *apid = world_open(world, HS_ROLE_APID);

	hs_bus_serve(apid, apid_doors, HS_COUNT(apid_doors), NULL);
	hs_bus_hear(apid, hear, done, apid);
	return apid;
}

static struct hs_bus *open_hookd(struct world *world)
{
	struct hs_bus *hookd = world_open_with_journal(world, HS_ROLE_HOOKD);

	hs_bus_serve(hookd, hookd_doors, HS_COUNT(hookd_doors), NULL);
	return hookd;
}

static void answered(void *context, const struct hs_answer *answer)
{
	assert_int_equal(answer->error, HS_OK);
	(*(int *)context)++;
}

/* Each asks the other, whatever connection there is by then. */
static void ask_both(struct world *world)
{
	int got = 0;

	hs_bus_ask(world->buses[HS_ROLE_HOOKD], &(struct hs_ask){.to = HS_ROLE_APID,
								 .message = HS_EVENTS_LIST,
								 .deadline_ms = PATIENCE_MS,
								 .patient = true,
								 .answered = answered,
								 .context = &got});
	hs_bus_ask(world->buses[HS_ROLE_APID], &(struct hs_ask){.to = HS_ROLE_HOOKD,
								.message = HS_HOOK_DELETE,
								.body = &(struct hs_hook_delete){.webhook = "w1"},
								.deadline_ms = PATIENCE_MS,
								.patient = true,
								.answered = answered,
								.context = &got});
	assert_true(world_turn_until(world, &got, 2, PATIENCE_MS));
}

static void turn_until_refused(struct world *world, const char *why, int64_t before)
{
	int64_t limit = hs_clock_ms() + PATIENCE_MS;

	while (world_refused(why) == before && hs_clock_ms() < limit)
		world_turn_for(world, 5);
	assert_true(world_refused(why) > before);
}

/* ---- What goes over it ---- */

static void test_all_of_it(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = open_apid(world), *hookd = open_hookd(world);
	AUTO(free) char *large = hs_zalloc(60000);

	hs_bus_subscribe(hookd, HS_ROLE_APID, HS_EDGE_CALLS, on_published, on_missed, NULL);
	assert_true(world_turn_until(world, &counts.missed, 1, PATIENCE_MS));
	ask_both(world);
	assert_int_equal(hs_bus_tell(hookd, HS_HOOK_FAILED,
				     &(struct hs_hook_failed){.webhook = "w1", .delivery = "d1", .why = "gone"}),
			 0);
	assert_true(world_turn_until(world, &counts.failed, 1, PATIENCE_MS));
	memset(large, ' ', 59999);
	memcpy(large, "{}", 2);
	for (int i = 0; i < 50; i++)
		hs_bus_publish(apid, HS_EDGE_CALLS, "call.ended", large, 59999);
	assert_true(world_turn_until(world, &counts.published, 50, PATIENCE_MS));
	assert_int_equal(counts.missed, 1);

	/* Either side is away for a moment: what the keeper holds is still there for apid's successor. */
	world_close(world, HS_ROLE_HOOKD);
	open_hookd(world);
	ask_both(world);
	world_close(world, HS_ROLE_APID);
	hs_bus_tell(world->buses[HS_ROLE_HOOKD], HS_HOOK_FAILED,
		    &(struct hs_hook_failed){.webhook = "w1", .delivery = "d2", .why = "gone"});
	hs_keep_destroy(keep);
	world->keep = keep = hs_keep_create(-1, 1);
	assert_int_equal(hs_bus_listen(&far, HS_ROLE_APID, is_bound, hold), 0);
	open_apid(world);
	ask_both(world);
	assert_true(world_turn_until(world, &counts.failed, 2, PATIENCE_MS));
}

/* ---- libzmq in the place of hookd and of apid ---- */

static void *open_zmq(void **ret_context, int type, int edge, const uint8_t secret[HS_KEY_BYTES], const uint8_t *server)
{
	AUTO(free) char *endpoint = hs_printf("tcp://" HOST ":%d", (int)edges[edge].port);
	int linger = 0, yes = 1;
	uint8_t public[HS_KEY_BYTES];
	void *socket;

	*ret_context = zmq_ctx_new();
	socket = zmq_socket(*ret_context, type);
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	if (type == ZMQ_SUB)
		zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
	if (secret) {
		crypto_scalarmult_base(public, secret);
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, HS_KEY_BYTES);
		zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, HS_KEY_BYTES);
		if (server)
			zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, HS_KEY_BYTES);
		else
			zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof(yes));
	}
	assert_int_equal(type == ZMQ_ROUTER ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint), 0);
	return socket;
}

static void close_zmq(void *context, void *socket)
{
	zmq_close(socket);
	zmq_ctx_term(context);
}

static void read_keys(const struct world *world, const char *name, uint8_t ret_key[HS_KEY_BYTES])
{
	struct hs_keys keys;

	assert_int_equal(hs_keys_read(world->home, name, &keys), 0);
	memcpy(ret_key, keys.keys[0], HS_KEY_BYTES);
}

/* The next frame of libzmq's, while our loop turns. */
static int receive(struct world *world, void *socket, char *ret_text, size_t size)
{
	int64_t limit = hs_clock_ms() + PATIENCE_MS;
	int got = -1;

	while (got < 0 && hs_clock_ms() < limit) {
		got = zmq_recv(socket, ret_text, size - 1, ZMQ_DONTWAIT);
		if (got < 0)
			world_turn_for(world, 2);
	}
	assert_true(got >= 0);
	ret_text[got] = '\0';
	return got;
}

static const char question[] =
	"{\"v\":1,\"kind\":\"request\",\"type\":\"events.list\",\"id\":\"a\",\"source\":\"hookd\","
	"\"deadline_ms\":60000,\"body\":{}}";

static void test_libzmq_asks_apid(void **state)
{
	struct world *world = *state;
	struct hs_bus *apid = open_apid(world);
	uint8_t secret[HS_KEY_BYTES], server[HS_KEY_BYTES];
	void *context, *dealer, *sub_context, *sub;
	char text[4096];

	read_keys(world, "hookd.curve.key", secret);
	read_keys(world, "apid.curve.pub", server);
	dealer = open_zmq(&context, ZMQ_DEALER, REQUESTS, secret, server);
	zmq_send(dealer, question, strlen(question), 0);
	receive(world, dealer, text, sizeof(text));
	assert_non_null(strstr(text, "\"kind\":\"answer\""));
	assert_int_equal(counts.asked, 1);
	sub = open_zmq(&sub_context, ZMQ_SUB, CALLS, secret, server);
	receive(world, sub, text, sizeof(text));
	assert_string_equal(text, "heartbeat");
	hs_bus_publish(apid, HS_EDGE_CALLS, "call.ended", "{}", 2);
	while (strcmp(text, "call.ended") != 0)
		receive(world, sub, text, sizeof(text));
	close_zmq(sub_context, sub);
	close_zmq(context, dealer);
}

static void test_libzmq_as_apid(void **state)
{
	struct world *world = *state;
	struct hs_bus *hookd;
	uint8_t secret[HS_KEY_BYTES];
	void *context, *router;
	char asker[256], text[4096];
	int got = 0, asker_bytes;
	AUTO(free) char *answer = NULL;
	char *id;

	hs_keep_destroy(keep);
	world->keep = keep = hs_keep_create(-1, 0);
	read_keys(world, "apid.curve.key", secret);
	router = open_zmq(&context, ZMQ_ROUTER, REQUESTS, secret, NULL);
	hookd = open_hookd(world);
	hs_bus_ask(hookd, &(struct hs_ask){.to = HS_ROLE_APID,
					   .message = HS_EVENTS_LIST,
					   .deadline_ms = PATIENCE_MS,
					   .patient = true,
					   .answered = answered,
					   .context = &got});
	do {
		asker_bytes = receive(world, router, asker, sizeof(asker));
		receive(world, router, text, sizeof(text));
		id = strstr(text, "\"id\":\"");
	} while (!id || !strstr(text, "events.list"));
	id += 6;
	id[strcspn(id, "\"")] = '\0';
	answer = hs_printf("{\"v\":1,\"kind\":\"answer\",\"re\":\"%s\",\"body\":{\"events\":[],\"cursor\":\"1.g1.1\","
			   "\"more\":false}}",
			   id);
	zmq_send(router, asker, (size_t)asker_bytes, ZMQ_SNDMORE);
	zmq_send(router, answer, strlen(answer), 0);
	assert_true(world_turn_until(world, &got, 1, PATIENCE_MS));
	close_zmq(context, router);
}

/* ---- Who does not get in ---- */

static int connect_to_requests(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)edges[REQUESTS].port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, HOST, &address.sin_addr);
	(void)connect(fd, (struct sockaddr *)&address, sizeof(address)); /* goes on while our loop turns */
	return fd;
}

static void test_strangers(void **state)
{
	struct world *world = *state;
	uint8_t secret[HS_KEY_BYTES], server[HS_KEY_BYTES];
	uint8_t greeting[ZMTP_GREETING_BYTES];
	int64_t before = world_refused("stranger");
	void *context, *socket;
	int fd;

	open_apid(world);
	open_hookd(world);
	read_keys(world, "apid.curve.pub", server);
	randombytes_buf(secret, sizeof(secret)); /* in no file */
	socket = open_zmq(&context, ZMQ_DEALER, REQUESTS, secret, server);
	zmq_send(socket, question, strlen(question), 0);
	turn_until_refused(world, "stranger", before);
	close_zmq(context, socket);
	before = world_refused("stranger");
	read_keys(world, "hookd.curve.key", secret); /* hookd's own edge is there for apid alone */
	socket = open_zmq(&context, ZMQ_DEALER, CALLS, secret, secret);
	turn_until_refused(world, "stranger", before); /* and who does not know our key is not heard */
	close_zmq(context, socket);
	before = world_refused("envelope");
	zmtp_greeting_write(greeting); /* no security at all */
	fd = connect_to_requests();
	world_turn_for(world, 1);
	assert_int_equal(send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL), sizeof(greeting));
	turn_until_refused(world, "envelope", before);
	close(fd);
	assert_int_equal(counts.asked, 0);
	ask_both(world);
}

/* Its key is another role's, which may not connect to this edge. */
static void test_another_role(void **state)
{
	struct world *world = *state;
	AUTO(free) char *from = hs_printf("%s/keys/peers/other.hookd.pub", world->home);
	AUTO(free) char *to = hs_printf("%s/keys/peers/other.sipd.pub", world->home);
	uint8_t secret[HS_KEY_BYTES], server[HS_KEY_BYTES];
	int64_t before = world_refused("stranger");
	void *context, *socket;

	assert_int_equal(rename(from, to), 0);
	open_apid(world);
	read_keys(world, "hookd.curve.key", secret);
	read_keys(world, "apid.curve.pub", server);
	socket = open_zmq(&context, ZMQ_SUB, CALLS, secret, server);
	turn_until_refused(world, "stranger", before);
	close_zmq(context, socket);
	before = world_refused("source");
	socket = open_zmq(&context, ZMQ_DEALER, REQUESTS, secret, server); /* sipd may, but not as hookd */
	zmq_send(socket, question, strlen(question), 0);
	turn_until_refused(world, "source", before);
	close_zmq(context, socket);
	assert_int_equal(counts.asked, 0);
}

static void test_silent_strangers_keep_nobody_out(void **state)
{
	struct world *world = *state;
	int fds[60], open_ones = 0;
	int64_t before = world_refused("overload");

	open_apid(world);
	for (size_t i = 0; i < HS_COUNT(fds); i++) {
		fds[i] = connect_to_requests();
		world_turn_for(world, 1);
	}
	turn_until_refused(world, "overload", before);
	open_hookd(world);
	ask_both(world);
	for (size_t i = 0; i < HS_COUNT(fds); i++) {
		char rubbish[256];
		ssize_t got;

		while ((got = recv(fds[i], rubbish, sizeof(rubbish), MSG_DONTWAIT)) > 0)
			;
		open_ones += got < 0;
		close(fds[i]);
	}
	assert_true(open_ones <= 32);
}

/* ---- Keys that change ---- */

static void test_a_withdrawn_key(void **state)
{
	struct world *world = *state;
	AUTO(free) char *peer = hs_printf("%s/keys/peers/other.hookd.pub", world->home);
	int64_t before = world_refused("stranger");

	open_apid(world);
	open_hookd(world);
	ask_both(world);
	assert_int_equal(unlink(peer), 0);
	turn_until_refused(world, "stranger", before);
	for (int64_t limit = hs_clock_ms() + PATIENCE_MS;
	     hs_bus_is_up(world->buses[HS_ROLE_APID], HS_ROLE_HOOKD) && hs_clock_ms() < limit;)
		world_turn_for(world, 5);
	assert_false(hs_bus_is_up(world->buses[HS_ROLE_APID], HS_ROLE_HOOKD));
	copy_public(world, "hookd");
	hs_bus_renew(world->buses[HS_ROLE_APID]);
	ask_both(world);
	/* Written by others it is not believed. */
	before = world_refused("stranger");
	assert_int_equal(chmod(peer, 0666), 0);
	hs_bus_renew(world->buses[HS_ROLE_APID]);
	turn_until_refused(world, "stranger", before);
}

/* As hookctl has all daemons do when keys were changed: how many stood on an old one of this role's. */
static int renew(struct world *world, enum hs_role role)
{
	int apid = hs_bus_renew(world->buses[HS_ROLE_APID]), hookd = hs_bus_renew(world->buses[HS_ROLE_HOOKD]);

	return role == HS_ROLE_APID ? apid : hookd;
}

static void rotate(struct world *world, enum hs_role role)
{
	int64_t limit = hs_clock_ms() + PATIENCE_MS;

	assert_int_equal(hs_keys_rotate(world->home, HS_KEYS_CURVE(role)), 1);
	assert_true(renew(world, role) > 0);
	ask_both(world); /* the old one is still good, for nobody has seen the new one */
	assert_true(renew(world, role) > 0);
	copy_public(world, hs_role_names[role]);
	do
		ask_both(world);
	while (renew(world, role) > 0 && hs_clock_ms() < limit);
	ask_both(world);
	assert_int_equal(renew(world, role), 0);
	assert_int_equal(hs_keys_forget_old(world->home, HS_KEYS_CURVE(role)), 0);
	copy_public(world, hs_role_names[role]);
	renew(world, role);
	ask_both(world);
}

static void test_rotation(void **state)
{
	struct world *world = *state;

	open_apid(world);
	open_hookd(world);
	ask_both(world);
	rotate(world, HS_ROLE_HOOKD);
	rotate(world, HS_ROLE_APID);
	world_close(world, HS_ROLE_HOOKD); /* only new keys are left */
	open_hookd(world);
	ask_both(world);
}

#define FAR_TEST(test) cmocka_unit_test_setup_teardown(test, far_setup, far_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAR_TEST(test_all_of_it),       FAR_TEST(test_libzmq_asks_apid),
		FAR_TEST(test_libzmq_as_apid),  FAR_TEST(test_strangers),
		FAR_TEST(test_another_role),    FAR_TEST(test_silent_strangers_keep_nobody_out),
		FAR_TEST(test_a_withdrawn_key), FAR_TEST(test_rotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
