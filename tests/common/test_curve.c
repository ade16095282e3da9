/* CURVE: the two ends with each other and with libzmq, however it is cut; and what a stranger, a thief of keys, a
 * replay and a changed bit come to. */
#include "cleanup.h"
#include "curve.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define PATIENCE_MS 20000
#define BUFFER 131072

static const struct zmtp_limits limits = {60000, 70000};
static struct curve_pair server_pair, older_pair, client_pair;

/* One end, with what it sent, got and heard. */
struct end {
	struct curve *curve;
	uint8_t out[BUFFER], in[BUFFER], plain[BUFFER];
	size_t out_bytes, in_bytes, plain_bytes;
	int result; /* of the last piece */
};

static bool welcomes(void *context, const uint8_t key[CURVE_KEY_BYTES])
{
	return memcmp(key, context, CURVE_KEY_BYTES) == 0;
}

static struct end *open_end(bool is_server, const struct curve_pair *own, size_t own_count, const uint8_t *key)
{
	struct end *end = hs_zalloc(sizeof(*end));
	uint8_t ready[ZMTP_ANSWER_MAX];

	end->curve = curve_create(
		&(struct curve_setup){
			.is_server = is_server,
			.own = own,
			.own_count = own_count,
			.server = is_server ? NULL : key,
			.ready = {ready, zmtp_ready_write(ready, is_server ? ZMTP_ROUTER : ZMTP_DEALER, NULL, NULL)},
			.is_welcome = welcomes,
			.context = (void *)key,
		},
		end->out);
	end->out_bytes = ZMTP_GREETING_BYTES;
	return end;
}

static void close_end(struct end *end)
{
	curve_destroy(end->curve);
	free(end);
}

static void add(uint8_t *to, size_t *bytes, const void *data, size_t more)
{
	assert_true(*bytes + more <= BUFFER);
	memcpy(to + *bytes, data, more);
	*bytes += more;
}

/* Hears what has come, as far as it is whole. */
static void hear(struct end *end)
{
	struct curve_heard heard;
	size_t at = 0;

	end->result = 1;
	while (end->result > 0 && at < end->in_bytes) {
		/* Memory of its exact size: a step beyond it is seen. */
		AUTO(free) uint8_t *piece = hs_zalloc(end->in_bytes - at);

		memcpy(piece, end->in + at, end->in_bytes - at);
		end->result = curve_hear(end->curve, piece, end->in_bytes - at, &limits, &heard);
		if (end->result <= 0)
			break;
		add(end->out, &end->out_bytes, heard.say, heard.say_bytes);
		if (heard.plain.bytes)
			add(end->plain, &end->plain_bytes, heard.plain.data, heard.plain.bytes);
		at += heard.passed;
	}
	memmove(end->in, end->in + at, end->in_bytes - at);
	end->in_bytes -= at;
}

/* What one has said reaches the other, in pieces of this size. */
static void carry(struct end *from, struct end *to, size_t step)
{
	for (size_t at = 0; at < from->out_bytes && to->result >= 0; at += step) {
		add(to->in, &to->in_bytes, from->out + at, from->out_bytes - at < step ? from->out_bytes - at : step);
		hear(to);
	}
	from->out_bytes = 0;
}

static void shake_hands(struct end *client, struct end *server, size_t step)
{
	for (int i = 0; i < 3; i++) {
		carry(client, server, step);
		carry(server, client, step);
	}
}

static void say(struct end *end, size_t bytes, bool has_more, bool is_command)
{
	AUTO(free) uint8_t *frame = hs_zalloc(bytes + ZMTP_HEAD_BYTES);
	size_t head = zmtp_head_write(frame, bytes, has_more, is_command), most;

	memset(frame + head, 'x', bytes);
	most = curve_sealed_most(frame, head + bytes);
	assert_true(end->out_bytes + most <= sizeof(end->out));
	end->out_bytes += curve_seal(end->curve, frame, head + bytes, end->out + end->out_bytes);
	assert_true(end->out_bytes <= most + sizeof(end->out));
}

/* What was heard is a greeting without security, READY of this type, and then this message. */
static void assert_heard(const struct end *end, enum zmtp_type type, const size_t *sizes, int count)
{
	struct zmtp_decoder decoder = {0};
	struct zmtp_part rest, value;
	enum zmtp_type said;
	const uint8_t *at = end->plain;
	size_t left = end->plain_bytes, passed;
	int minor;

	assert_int_equal(zmtp_greeting_read(at, left, &minor), 0);
	at += ZMTP_GREETING_BYTES;
	left -= ZMTP_GREETING_BYTES;
	assert_int_equal(zmtp_decode(&decoder, at, left, &limits), ZMTP_COMMAND);
	assert_int_equal(zmtp_command_read(at + decoder.command_at, decoder.command_bytes, &rest), ZMTP_READY);
	assert_int_equal(zmtp_ready_read(&rest, "X-role", &said, &value), 0);
	assert_int_equal(said, type);
	passed = zmtp_pass(&decoder, false);
	assert_int_equal(zmtp_decode(&decoder, at + passed, left - passed, &limits), ZMTP_MESSAGE);
	assert_int_equal(decoder.count, count);
	for (int i = 0; i < count; i++)
		assert_int_equal(decoder.frames[i].bytes, sizes[i]);
	assert_int_equal(decoder.at, left - passed);
}

static void test_both_ends_however_it_is_cut(void **state)
{
	static const size_t sizes[] = {0, 1, 222, 223, 255, 256, 1500};

	for (size_t step = 1; step < 5000; step = step * 3 + 1) {
		const struct curve_pair own[] = {server_pair, older_pair};
		bool is_old = step % 2;
		struct end *server = open_end(true, own, 2, client_pair.public);
		struct end *client = open_end(false, &client_pair, 1, is_old ? older_pair.public : server_pair.public);

		shake_hands(client, server, step);
		assert_true(curve_is_up(client->curve) && curve_is_up(server->curve));
		assert_memory_equal(curve_their_key(server->curve), client_pair.public, CURVE_KEY_BYTES);
		assert_memory_equal(curve_own_key(server->curve), own[is_old].public, CURVE_KEY_BYTES);
		for (size_t i = 0; i < HS_COUNT(sizes); i++) {
			say(client, sizes[i], i + 1 < HS_COUNT(sizes), false);
			say(server, sizes[i], i + 1 < HS_COUNT(sizes), false);
		}
		carry(client, server, step);
		carry(server, client, step);
		assert_heard(server, ZMTP_DEALER, sizes, HS_COUNT(sizes));
		assert_heard(client, ZMTP_ROUTER, sizes, HS_COUNT(sizes));
		say(server, 6, false, true);
		carry(server, client, step);
		assert_int_equal(client->plain[client->plain_bytes - 8], 4); /* still a command */
		close_end(client);
		close_end(server);
	}
}

/* How a server ends a client that comes with these keys. */
static int end_of(const struct curve_pair *pair, const uint8_t *server_key)
{
	struct end *server = open_end(true, &server_pair, 1, client_pair.public);
	struct end *client = open_end(false, pair, 1, server_key);
	int result;

	shake_hands(client, server, 10000);
	result = server->result;
	assert_int_equal(curve_is_up(server->curve), result >= 0);
	close_end(client);
	close_end(server);
	return result;
}

static void test_strangers(void **state)
{
	struct curve_pair stranger, thief = client_pair;

	assert_int_equal(end_of(&client_pair, server_pair.public), 0 + 1);
	crypto_box_keypair(stranger.public, stranger.secret);
	assert_int_equal(end_of(&stranger, server_pair.public), -ENOKEY);
	assert_int_equal(end_of(&client_pair, stranger.public), -EKEYREJECTED);
	memcpy(thief.secret, stranger.secret, sizeof(thief.secret)); /* knows the name of a key only */
	assert_int_equal(end_of(&thief, server_pair.public), -EKEYREJECTED);
}

static void test_no_security_is_refused(void **state)
{
	struct end *server = open_end(true, &server_pair, 1, client_pair.public);

	zmtp_greeting_write(server->in);
	server->in_bytes = ZMTP_GREETING_BYTES;
	hear(server);
	assert_int_equal(server->result, -EPROTO);
	close_end(server);
	server = open_end(true, &server_pair, 1, client_pair.public);
	add(server->in, &server->in_bytes, "GET / HTTP/1.1", 14);
	hear(server);
	assert_int_equal(server->result, -EPROTO);
	close_end(server);
}

/* An INITIATE that was heard by one server and is said again to another connection of it; and a cookie of another. */
static void test_nothing_can_be_said_again(void **state)
{
	struct end *one = open_end(true, &server_pair, 1, client_pair.public);
	struct end *two = open_end(true, &server_pair, 1, client_pair.public);
	struct end *client = open_end(false, &client_pair, 1, server_pair.public);
	uint8_t said[4096];
	size_t bytes = 0;

	for (int i = 0; i < 3; i++) {
		memcpy(said + bytes, client->out, client->out_bytes);
		bytes += client->out_bytes;
		carry(client, one, 4096);
		carry(one, client, 4096);
	}
	assert_true(curve_is_up(one->curve));
	add(two->in, &two->in_bytes, said, bytes);
	hear(two);
	assert_int_equal(two->result, -EKEYREJECTED);

	say(client, 100, false, false);
	bytes = client->out_bytes;
	memcpy(said, client->out, bytes);
	carry(client, one, 4096);
	assert_int_equal(one->result, 1);
	add(one->in, &one->in_bytes, said, bytes);
	hear(one);
	assert_int_equal(one->result, -EBADMSG);
	close_end(client);
	close_end(one);
	close_end(two);
}

/* Each bit of what a client says counts: none of its messages is heard, or what it announces never comes. */
static void hear_changed(size_t at, bool *ret_is_over)
{
	struct end *server = open_end(true, &server_pair, 1, client_pair.public);
	struct end *client = open_end(false, &client_pair, 1, server_pair.public);
	size_t passed = 0;

	for (int i = 0; i < 4; i++) {
		if (i == 3 && curve_is_up(client->curve))
			say(client, 300, false, false);
		if (at >= passed && at < passed + client->out_bytes)
			client->out[at - passed] ^= 1 << at % 8;
		passed += client->out_bytes;
		carry(client, server, 4096);
		carry(server, client, 4096);
	}
	*ret_is_over = at >= passed;
	assert_int_equal(server->result < 0 || server->plain_bytes < ZMTP_GREETING_BYTES + 300, !*ret_is_over);
	close_end(client);
	close_end(server);
}

static void test_changed_bits(void **state)
{
	bool is_over = false;

	for (size_t at = ZMTP_GREETING_BYTES; !is_over; at += at < 90 ? 1 : 7)
		hear_changed(at, &is_over);
}

static const struct {
	const char *text;
	size_t bytes;
	int result;
} insults[] = {
	{"\6\0\0\0\0\0\1\0\0", 9, -EMSGSIZE}, /* a command of 64 KiB */
	{"\2\377\377\377\377\377\377\377\377", 9, -EMSGSIZE},
	{"\4\6\5HELLO", 8, -EPROTO}, /* once more */
	{"\4\12\5ERROR\003400", 12, -EACCES},
	{"\4\0", 2, -EPROTO},
	{"\0\11\10INITIATE", 11, -EPROTO}, /* no command */
	{"\20\0", 2, -EPROTO},
};

static void test_insults_in_the_handshake(void **state)
{
	for (size_t i = 0; i < HS_COUNT(insults); i++) {
		struct end *server = open_end(true, &server_pair, 1, client_pair.public);
		struct end *client = open_end(false, &client_pair, 1, server_pair.public);

		carry(client, server, 4096);
		carry(server, client, 4096);
		client->out_bytes = 0;
		add(client->out, &client->out_bytes, insults[i].text, insults[i].bytes);
		carry(client, server, 4096);
		assert_int_equal(server->result, insults[i].result);
		close_end(client);
		close_end(server);
	}
}

/* ---- libzmq ---- */

static void *open_zmq(void **ret_context, int type)
{
	int linger = 0;
	void *socket;

	*ret_context = zmq_ctx_new();
	socket = zmq_socket(*ret_context, type);
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	return socket;
}

static void set_keys(void *socket, const struct curve_pair *pair, const uint8_t *server)
{
	int is_server = server == NULL, patience = PATIENCE_MS;

	zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof(patience));
	zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, pair->secret, CURVE_KEY_BYTES);
	zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, pair->public, CURVE_KEY_BYTES);
	if (server)
		zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, CURVE_KEY_BYTES);
	else
		zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &is_server, sizeof(is_server));
}

/* Talks until so many bytes were heard. */
static void talk(struct end *end, int fd, size_t wanted)
{
	do {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		ssize_t got;

		assert_int_equal(send(fd, end->out, end->out_bytes, MSG_NOSIGNAL), end->out_bytes);
		end->out_bytes = 0;
		if (end->plain_bytes >= wanted)
			return;
		assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
		got = recv(fd, end->in + end->in_bytes, sizeof(end->in) - end->in_bytes, 0);
		assert_true(got > 0);
		end->in_bytes += (size_t)got;
		hear(end);
		assert_true(end->result >= 0);
	} while (true);
}

#define AFTER_READY(type) (ZMTP_GREETING_BYTES + 8 + 1 + 11 + 4 + sizeof(type) - 1 + 1 + 8 + 4)

static void test_libzmq_as_client(void **state)
{
	static const size_t sizes[] = {5, 0, 60000};
	static char large[60000];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	AUTO(close) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO(free) char *endpoint = NULL;
	struct end *server = open_end(true, &server_pair, 1, client_pair.public);
	void *context, *socket = open_zmq(&context, ZMQ_DEALER);
	char answer[300];
	int fd;

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&address, &length);
	endpoint = hs_printf("tcp://127.0.0.1:%d", ntohs(address.sin_port));
	set_keys(socket, &client_pair, server_pair.public);
	assert_int_equal(zmq_connect(socket, endpoint), 0);
	zmq_send(socket, "hello", 5, ZMQ_SNDMORE);
	zmq_send(socket, "", 0, ZMQ_SNDMORE);
	zmq_send(socket, large, sizeof(large), 0);
	fd = accept(listener, NULL, NULL);
	talk(server, fd, AFTER_READY("DEALER") + 2 + 5 + 2 + 9 + 60000);
	assert_heard(server, ZMTP_DEALER, sizes, HS_COUNT(sizes));
	say(server, 300, false, false);
	talk(server, fd, 0);
	assert_int_equal(zmq_recv(socket, answer, sizeof(answer), 0), 300);
	assert_int_equal(answer[299], 'x');
	zmq_close(socket);
	zmq_ctx_term(context);
	close(fd);
	close_end(server);
}

static void test_libzmq_as_server(void **state)
{
	static const size_t sizes[] = {3, 4};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	AUTO(close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct end *client = open_end(false, &client_pair, 1, server_pair.public);
	void *context, *socket = open_zmq(&context, ZMQ_ROUTER);
	char endpoint[64], asker[256], text[256];
	size_t length = sizeof(endpoint);
	int asker_bytes;

	set_keys(socket, &server_pair, NULL);
	assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
	zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &length);
	address.sin_port = htons((uint16_t)strtol(strrchr(endpoint, ':') + 1, NULL, 10));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	talk(client, fd, ZMTP_GREETING_BYTES + 10);
	say(client, 200, false, false);
	talk(client, fd, 0);
	asker_bytes = zmq_recv(socket, asker, sizeof(asker), 0);
	assert_true(asker_bytes > 0);
	assert_int_equal(zmq_recv(socket, text, sizeof(text), 0), 200);
	zmq_send(socket, asker, (size_t)asker_bytes, ZMQ_SNDMORE);
	zmq_send(socket, "one", 3, ZMQ_SNDMORE);
	zmq_send(socket, "more", 4, 0);
	talk(client, fd, client->plain_bytes + 2 + 3 + 2 + 4);
	assert_heard(client, ZMTP_ROUTER, sizes, HS_COUNT(sizes));
	zmq_close(socket);
	zmq_ctx_term(context);
	close_end(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ends_however_it_is_cut),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_no_security_is_refused),
		cmocka_unit_test(test_nothing_can_be_said_again),
		cmocka_unit_test(test_changed_bits),
		cmocka_unit_test(test_insults_in_the_handshake),
		cmocka_unit_test(test_libzmq_as_client),
		cmocka_unit_test(test_libzmq_as_server),
	};

	crypto_box_keypair(server_pair.public, server_pair.secret);
	crypto_box_keypair(older_pair.public, older_pair.secret);
	crypto_box_keypair(client_pair.public, client_pair.secret);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
