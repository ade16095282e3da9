#include "cleanup.h"
#include "filter.h"
#include "sources.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct sources_rules rules = {
	.requests_per_s = 10, .burst = 20, .failures = 3, .ban_ms = 1000, .strangers_per_s = 100, .probes = 5};

static struct source_key key_of(const char *host)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct source_key key;
	if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
		assert_true(sources_key((struct sockaddr *)&four, &key));
	else if (inet_pton(AF_INET6, host, &six.sin6_addr) == 1)
		assert_true(sources_key((struct sockaddr *)&six, &key));
	return key;
}

static void bucket(void **state)
{
	struct sources *sources = sources_create(&rules);
	struct source_key key = key_of("192.0.2.1"), other = key_of("192.0.2.2");
	for (int i = 0; i < 20; i++)
		assert_int_equal(sources_take(sources, &key, false, 1000), SOURCES_PASS);
	assert_int_equal(sources_take(sources, &key, false, 1000), SOURCES_LIMITED);
	assert_int_equal(sources_take(sources, &other, false, 1000), SOURCES_PASS);
	assert_int_equal(sources_take(sources, &key, false, 1100), SOURCES_PASS);
	assert_int_equal(sources_take(sources, &key, false, 1100), SOURCES_LIMITED);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sources_take(sources, &key, false, 1000000), SOURCES_PASS);
	assert_int_equal(sources_take(sources, &key, false, 1000000), SOURCES_LIMITED);
	sources_destroy(sources);
}

static void one_customer_has_a_prefix(void **state)
{
	struct source_key a = key_of("2001:db8:1:2::1"), b = key_of("2001:db8:1:2:ffff::9"),
			  c = key_of("2001:db8:1:3::1");
	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_not_equal(&a, &c, sizeof(a));
}

static void locals(void **state)
{
	static const char *const inside[] = {"127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.9", "::1", "fd00::1"};
	static const char *const outside[] = {"172.32.0.1", "8.8.8.8", "11.0.0.1", "2001:db8::1"};
	static const char *const own[] = {"192.0.2.0/25", "nonsense"};
	struct sources *sources = sources_create(&rules);
	for (size_t i = 0; i < HS_COUNT(inside); i++) {
		struct source_key key = key_of(inside[i]);
		assert_true(sources_is_local(sources, &key));
	}
	for (size_t i = 0; i < HS_COUNT(outside); i++) {
		struct source_key key = key_of(outside[i]);
		assert_false(sources_is_local(sources, &key));
	}
	sources_destroy(sources);
	struct sources_rules mine = rules;
	mine.local_networks = own;
	mine.local_networks_count = 2;
	sources = sources_create(&mine);
	struct source_key in = key_of("192.0.2.127"), out = key_of("192.0.2.128"), lo = key_of("127.0.0.1");
	assert_true(sources_is_local(sources, &in));
	assert_false(sources_is_local(sources, &out));
	assert_false(sources_is_local(sources, &lo));
	sources_destroy(sources);
}

static void ban_doubles(void **state)
{
	struct sources *sources = sources_create(&rules);
	struct source_key key = key_of("192.0.2.1");
	uint32_t banned[4];
	int64_t now = 1000;
	for (int64_t length = 1000; length <= 4000; length *= 2) {
		assert_false(sources_fail(sources, &key, "192.0.2.1", "a", false, now));
		assert_false(sources_fail(sources, &key, "192.0.2.1", "a", false, now));
		assert_true(sources_fail(sources, &key, "192.0.2.1", "a", false, now));
		assert_int_equal(sources_banned_ipv4(sources, now, banned, 4), 1);
		assert_int_equal(sources_take(sources, &key, true, now + length - 1), SOURCES_BANNED);
		now += length;
		assert_int_equal(sources_take(sources, &key, true, now), SOURCES_PASS);
		assert_int_equal(sources_banned_ipv4(sources, now, banned, 4), 0);
	}
	sources_destroy(sources);
}

static void spared_are_slow(void **state)
{
	struct sources *sources = sources_create(&rules);
	struct source_key spared = key_of("192.0.2.1"), local = key_of("10.0.0.1");
	for (int i = 0; i < 10; i++) {
		assert_false(sources_fail(sources, &spared, "x", "", true, 1000));
		assert_false(sources_fail(sources, &local, "x", "", false, 1000));
	}
	int passed = 0;
	for (int64_t now = 2000; now < 7000; now += 10)
		passed += sources_take(sources, &local, false, now) == SOURCES_PASS;
	assert_in_range(passed, 8, 16); /* two a second */
	assert_false(sources_is_banned(sources, &spared, 2000));
	sources_destroy(sources);
}

static void strangers_share(void **state)
{
	struct sources *sources = sources_create(&rules);
	struct source_key phone = key_of("192.0.2.1");
	int passed = 0;
	for (uint32_t i = 0; i < 20000; i++) { /* in one second, each from an address of its own */
		struct source_key key = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 20}};
		memcpy(key.bytes + 13, (uint8_t[]){0, (uint8_t)(i >> 8), (uint8_t)i}, 3);
		passed += sources_take(sources, &key, true, 1000 + i / 20) == SOURCES_PASS;
	}
	assert_in_range(passed, 190, 210);
	sources_take(sources, &phone, true, 2000);
	assert_int_equal(sources_take(sources, &phone, true, 2000), SOURCES_CROWDED);
	assert_int_equal(sources_take(sources, &phone, false, 2000), SOURCES_PASS);
	sources_destroy(sources);
}

static void a_phone_counts_for_itself(void **state)
{
	struct sources *sources = sources_create(&rules);
	struct source_key neighbour = key_of("192.0.2.1"), phone = neighbour;
	phone.port = 5060;
	for (int i = 0; i < 10; i++)
		sources_fail(sources, &neighbour, "192.0.2.1", "", true, 1000);
	for (int i = 0; i < 100; i++)
		sources_take(sources, &neighbour, false, 1000);
	assert_int_equal(sources_take(sources, &neighbour, false, 1000), SOURCES_LIMITED);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sources_take(sources, &phone, false, 1000), SOURCES_PASS);
	assert_int_equal(sources_take(sources, &phone, false, 1000), SOURCES_LIMITED);
	sources_destroy(sources);
}

static void scans_are_banned(void **state)
{
	struct sources *sources = sources_create(&rules);
	struct source_key scanner = key_of("192.0.2.1"), phone = key_of("192.0.2.2"), local = key_of("10.0.0.1");
	for (int i = 0; i < 4; i++)
		assert_false(sources_probe(sources, &scanner, "192.0.2.1", false, 1000));
	assert_true(sources_probe(sources, &scanner, "192.0.2.1", false, 1000));
	assert_true(sources_is_banned(sources, &scanner, 1999));
	assert_false(sources_is_banned(sources, &scanner, 2000));
	for (int i = 0; i < 4; i++)
		sources_probe(sources, &phone, "192.0.2.2", false, 1000);
	sources_prove(sources, &phone, 1001);
	for (int i = 0; i < 100; i++) {
		assert_false(sources_probe(sources, &phone, "192.0.2.2", false, 2000));
		assert_false(sources_probe(sources, &local, "10.0.0.1", false, 2000));
	}
	assert_false(sources_is_banned(sources, &phone, 2000));
	sources_destroy(sources);
}

static struct sources_report last;
static int reports;

static void note(void *context, const struct sources_report *report)
{
	last = *report;
	reports++;
}

static void reports_are_summed_up(void **state)
{
	struct sources *sources = sources_create(
		&(struct sources_rules){.requests_per_s = 10, .burst = 20, .failures = 100, .ban_ms = 1000});
	struct source_key key = key_of("192.0.2.1");
	reports = 0;
	assert_int_equal(sources_report(sources, 0, note, NULL), -1);
	sources_fail(sources, &key, "192.0.2.1", "phone1", false, 50000);
	sources_report(sources, 50000, note, NULL);
	assert_int_equal(reports, 1);
	for (int i = 0; i < 7; i++)
		sources_fail(sources, &key, "192.0.2.1", "phone1", false, 51000);
	assert_int_equal(sources_report(sources, 51000, note, NULL), 9000);
	assert_int_equal(reports, 1);
	assert_int_equal(sources_report(sources, 60000, note, NULL), -1);
	assert_int_equal(reports, 2);
	assert_int_equal(last.failures, 7);
	assert_string_equal(last.line, "phone1");
	assert_string_equal(last.host, "192.0.2.1");
	sources_destroy(sources);
}

static void stays_bounded(void **state)
{
	struct sources *sources = sources_create(&rules);
	struct source_key bad = key_of("192.0.2.1");
	for (int i = 0; i < 3; i++)
		sources_fail(sources, &bad, "192.0.2.1", "", false, 1);
	for (uint32_t i = 0; i < SOURCES_MAX + 1000; i++) {
		struct source_key key = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 20}};
		memcpy(key.bytes + 13, (uint8_t[]){(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, 3);
		sources_take(sources, &key, true, 2);
	}
	assert_true(sources_is_banned(sources, &bad, 3)); /* a flood does not wash a ban away */
	sources_destroy(sources);
}

static int datagram_socket(const char *host, struct sockaddr_in *ret_address)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t length = sizeof(*ret_address);
	*ret_address = (struct sockaddr_in){.sin_family = AF_INET};
	inet_pton(AF_INET, host, &ret_address->sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)ret_address, sizeof(*ret_address)), 0);
	getsockname(fd, (struct sockaddr *)ret_address, &length);
	return fd;
}

static void kernel_filter(void **state)
{
	struct sockaddr_in to, address;
	int server = datagram_socket("127.0.0.1", &to);
	int good = datagram_socket("127.0.0.1", &address);
	int bad = datagram_socket("127.0.0.2", &address);
	uint32_t banned[3] = {htonl(0x01020304), address.sin_addr.s_addr, htonl(0x05060708)};
	char text[16];
	assert_int_equal(filter_attach(server, banned, 3), 0);
	static const char *const dropped[] = {"\x01\x01", "\x03x", "\xffx", "\xf8x"};
	for (size_t i = 0; i < HS_COUNT(dropped); i++)
		sendto(good, dropped[i], 2, 0, (struct sockaddr *)&to, sizeof(to));
	sendto(bad, "OPTIONS", 7, 0, (struct sockaddr *)&to, sizeof(to));
	sendto(good, "OPTIONS", 7, 0, (struct sockaddr *)&to, sizeof(to));
	assert_int_equal(recv(server, text, sizeof(text), MSG_DONTWAIT), 7);
	assert_int_equal(recv(server, text, sizeof(text), MSG_DONTWAIT), -1);
	assert_int_equal(filter_attach(server, NULL, 0), 0);
	sendto(bad, "OPTIONS", 7, 0, (struct sockaddr *)&to, sizeof(to));
	assert_int_equal(recv(server, text, sizeof(text), MSG_DONTWAIT), 7);
	close(server);
	close(good);
	close(bad);
}

static void writes_addresses(void **state)
{
	static const char *const rows[] = {"0.0.0.0",     "1.20.100.9", "255.255.255.255",
					   "10.0.199.90", "::1",        "2001:db8::42"};
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		char host[SOURCES_HOST];
		union {
			struct sockaddr any;
			struct sockaddr_in four;
			struct sockaddr_in6 six;
		} address = {.six.sin6_family = strchr(rows[i], ':') ? AF_INET6 : AF_INET};
		void *bytes = address.any.sa_family == AF_INET ? (void *)&address.four.sin_addr
							       : (void *)&address.six.sin6_addr;
		assert_int_equal(inet_pton(address.any.sa_family, rows[i], bytes), 1);
		sources_write(&address.any, host);
		assert_string_equal(host, rows[i]);
	}
	char host[SOURCES_HOST] = "x";
	sources_write(&(struct sockaddr){.sa_family = AF_UNIX}, host);
	assert_string_equal(host, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bucket),           cmocka_unit_test(one_customer_has_a_prefix),
		cmocka_unit_test(locals),           cmocka_unit_test(ban_doubles),
		cmocka_unit_test(spared_are_slow),  cmocka_unit_test(reports_are_summed_up),
		cmocka_unit_test(stays_bounded),    cmocka_unit_test(kernel_filter),
		cmocka_unit_test(writes_addresses), cmocka_unit_test(strangers_share),
		cmocka_unit_test(scans_are_banned), cmocka_unit_test(a_phone_counts_for_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
