#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "egress.h"
#include <cmocka.h>

static char why[EGRESS_WHY];

static void urls_are_made_canonical(void **state)
{
	static const char *const rows[][2] = {
		{"https://Example.COM", "https://example.com/"},
		{"HTTPS://example.com:443/a?b=c", "https://example.com/a?b=c"},
		{"https://example.com:8443?x", "https://example.com:8443/?x"},
		{"http://example.com:80/", "http://example.com/"},
		{"https://example.com./", "https://example.com/"},
		{"https://a_b.example/%20", "https://a_b.example/%20"},
		{"https://8.8.8.8/", "https://8.8.8.8/"},
		{"https://134744072/", "https://8.8.8.8/"},
		{"https://0x08080808/", "https://8.8.8.8/"},
		{"https://010.010.8.8/", "https://8.8.8.8/"},
		{"https://8.8.2056/", "https://8.8.8.8/"},
		{"https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443/"},
		{"https://[::ffff:8.8.8.8]/", "https://8.8.8.8/"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct egress_url url;

		assert_int_equal(egress_parse_url(rows[i][0], EGRESS_HTTP, &url, why), 0);
		assert_string_equal(url.text, rows[i][1]);
	}
}

static void strange_urls_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"example.com",
		"ftp://example.com/",
		"file:///etc/passwd",
		"gopher://example.com/",
		"https:/example.com",
		"https://",
		"https:///path",
		"wss://example.com/",
		"https://user@example.com/",
		"https://user:pw@example.com/",
		"https://127.0.0.1@example.com/",
		"https://example.com:0/",
		"https://example.com:65536/",
		"https://example.com:/",
		"https://example.com:80a/",
		"https://example.com:+80/",
		"https://exa mple.com/",
		"https://exa%6dple.com/",
		"https://example.com\\@evil/",
		"https://example.com/a b",
		"https://example.com/\r\nX-Evil: 1",
		"https://example.com/#fragment",
		"https://example.com#@evil",
		"https://ex\xc3\xa4mple.com/",
		"https://.example.com/",
		"https://example..com/",
		"https://./",
		"https://010.010../",
		"https://127.0.0.1../",
		"https://[::1/",
		"https://[::1]x/",
		"https://[fe80::1%25eth0]/",
		"https://[127.0.0.1]/",
		"https://1.2.3.4.5/",
		"https://256.1.1.1/",
		"https://1.2.3.999/",
		"https://4294967296/",
		"https://0x1ffffffff/",
		"https://08.8.8.8/",
		"https://a.0x7f/",
		"https://foo.127/",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct egress_url url = {.port = 7};

		if (egress_parse_url(rows[i], EGRESS_HTTP, &url, why) != -EINVAL)
			fail_msg("accepted: %s", rows[i]);
		assert_int_equal(url.port, 7);
		assert_true(*why);
	}
}

static void long_urls_are_refused(void **state)
{
	char text[3000];
	struct egress_url url;

	memset(text, 'a', sizeof(text));
	memcpy(text, "https://e.example/", 18);
	text[2048] = '\0';
	assert_int_equal(egress_parse_url(text, EGRESS_HTTP, &url, why), 0);
	assert_int_equal(strlen(url.text), 2048);
	text[2048] = 'a';
	text[2049] = '\0';
	assert_int_equal(egress_parse_url(text, EGRESS_HTTP, &url, why), -EINVAL);
	memset(text + 8, 'h', 256);
	text[264] = '\0';
	assert_int_equal(egress_parse_url(text, EGRESS_HTTP, &url, why), -EINVAL);
}

static int check(const struct egress_rules *rules, const char *text)
{
	struct egress_url url;

	assert_int_equal(egress_parse_url(text, EGRESS_HTTP, &url, why), 0);
	assert_true(url.numeric);
	return egress_check(rules, &url, &url.address, 1, why);
}

static void inner_addresses_are_refused(void **state)
{
	static const char *const rows[] = {
		"https://127.0.0.1/",
		"https://127.1/",
		"https://2130706433/",
		"https://0x7f000001/",
		"https://0x7f.1/",
		"https://0177.0.0.1/",
		"https://017700000001/",
		"https://0/",
		"https://0.0.0.0/",
		"https://10.0.0.1/",
		"https://100.64.0.1/",
		"https://100.127.255.255/",
		"https://169.254.169.254/",
		"https://0xa9fea9fe/",
		"https://172.16.0.1/",
		"https://172.31.255.255/",
		"https://192.168.1.1/",
		"https://192.0.0.8/",
		"https://192.0.2.1/",
		"https://192.88.99.1/",
		"https://198.18.0.1/",
		"https://198.51.100.1/",
		"https://203.0.113.1/",
		"https://224.0.0.1/",
		"https://239.255.255.255/",
		"https://240.0.0.1/",
		"https://255.255.255.255/",
		"https://[::1]/",
		"https://[::]/",
		"https://[::127.0.0.1]/",
		"https://[::ffff:127.0.0.1]/",
		"https://[::ffff:7f00:1]/",
		"https://[::ffff:10.0.0.1]/",
		"https://[64:ff9b::10.0.0.1]/",
		"https://[64:ff9b::8.8.8.8]/",
		"https://[64:ff9b:1::1]/",
		"https://[2002:7f00:1::]/",
		"https://[2001::1]/",
		"https://[2001:db8::1]/",
		"https://[fc00::1]/",
		"https://[fd12:3456::1]/",
		"https://[fe80::1]/",
		"https://[fec0::1]/",
		"https://[ff02::1]/",
		"https://[100::1]/",
		"https://[3fff::1]/",
		"https://[5f00::1]/",
		"https://[4000::1]/",
	};
	struct egress_rules rules;

	egress_rules_init(&rules, NULL, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (check(&rules, rows[i]) != -EACCES)
			fail_msg("allowed: %s", rows[i]);
		assert_non_null(strstr(why, "allow_networks"));
	}
	egress_rules_finish(&rules);
}

static void public_addresses_need_tls_and_a_usual_port(void **state)
{
	struct egress_rules rules;

	egress_rules_init(&rules, NULL, 0);
	assert_int_equal(check(&rules, "https://8.8.8.8/"), 0);
	assert_int_equal(check(&rules, "https://8.8.8.8:8443/"), 0);
	assert_int_equal(check(&rules, "https://[2606:4700::1111]/"), 0);
	assert_int_equal(check(&rules, "http://8.8.8.8/"), -EACCES);
	assert_int_equal(check(&rules, "https://8.8.8.8:22/"), -EACCES);
	assert_int_equal(check(&rules, "https://8.8.8.8:9443/"), -EACCES);
	egress_rules_add_port(&rules, 9443);
	assert_int_equal(check(&rules, "https://8.8.8.8:9443/"), 0);
	assert_int_equal(check(&rules, "http://8.8.8.8:9443/"), -EACCES);
	/* the neighbours of the ranges */
	assert_int_equal(check(&rules, "https://9.255.255.255/"), 0);
	assert_int_equal(check(&rules, "https://11.0.0.0/"), 0);
	assert_int_equal(check(&rules, "https://100.63.255.255/"), 0);
	assert_int_equal(check(&rules, "https://100.128.0.0/"), 0);
	assert_int_equal(check(&rules, "https://172.15.255.255/"), 0);
	assert_int_equal(check(&rules, "https://172.32.0.0/"), 0);
	assert_int_equal(check(&rules, "https://223.255.255.255/"), 0);
	egress_rules_finish(&rules);
}

static void listed_networks_are_open_also_without_tls(void **state)
{
	static const char *const networks[] = {"127.0.0.0/8", "10.1.2.3", "fd00::/8", "nonsense", "1.2.3.4/33"};
	struct egress_rules rules;

	egress_rules_init(&rules, networks, 5);
	assert_int_equal(rules.networks_count, 3);
	assert_int_equal(check(&rules, "http://127.9.9.9:19001/"), 0);
	assert_int_equal(check(&rules, "http://[::ffff:127.0.0.1]:1/"), 0);
	assert_int_equal(check(&rules, "http://10.1.2.3/"), 0);
	assert_int_equal(check(&rules, "http://10.1.2.4/"), -EACCES);
	assert_int_equal(check(&rules, "http://[fd12::1]:22/"), 0);
	assert_int_equal(check(&rules, "http://[fe80::1]/"), -EACCES);
	egress_rules_finish(&rules);
}

static void one_bad_address_spoils_the_name(void **state)
{
	struct egress_rules rules;
	struct egress_address addresses[3];
	struct egress_url url;

	egress_rules_init(&rules, NULL, 0);
	assert_int_equal(egress_parse_url("https://example.com/", EGRESS_HTTP, &url, why), 0);
	assert_false(url.numeric);
	assert_int_equal(egress_parse_address("8.8.8.8", &addresses[0]), 0);
	assert_int_equal(egress_parse_address("2606:4700::1111", &addresses[1]), 0);
	assert_int_equal(egress_parse_address("::ffff:169.254.169.254", &addresses[2]), 0);
	assert_int_equal(egress_check(&rules, &url, addresses, 0, why), -ENOENT);
	assert_int_equal(egress_check(&rules, &url, addresses, 2, why), 0);
	assert_int_equal(egress_check(&rules, &url, addresses, 3, why), -EACCES);
	egress_rules_finish(&rules);
}

static int check_url(const struct egress_rules *rules, const char *text)
{
	struct egress_url url;

	assert_int_equal(egress_parse_url(text, EGRESS_HTTP, &url, why), 0);
	return egress_check_url(rules, &url, why);
}

static void names_that_never_can_be_reached(void **state)
{
	static const char *const networks[] = {"10.0.0.0/8"};
	struct egress_rules rules;

	egress_rules_init(&rules, NULL, 0);
	assert_int_equal(check_url(&rules, "https://example.com/"), 0);
	assert_int_equal(check_url(&rules, "https://example.com:8443/"), 0);
	assert_int_equal(check_url(&rules, "http://example.com/"), -EACCES);
	assert_int_equal(check_url(&rules, "https://example.com:22/"), -EACCES);
	assert_int_equal(check_url(&rules, "https://10.0.0.1/"), -EACCES);
	egress_rules_add_port(&rules, 9443);
	assert_int_equal(check_url(&rules, "https://example.com:9443/"), 0);
	egress_rules_finish(&rules);
	egress_rules_init(&rules, networks, 1);
	assert_int_equal(check_url(&rules, "http://example.com:22/"), 0);
	assert_int_equal(check_url(&rules, "http://10.0.0.1:22/"), 0);
	assert_int_equal(check_url(&rules, "http://11.0.0.1/"), -EACCES);
	egress_rules_finish(&rules);
}

static void networks_are_read(void **state)
{
	static const char *const bad[] = {"",  "/8",     "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",      "10.0.0.0/8x",
					  "x", "::/129", "10.0.0/8",  "1.2.3.4/ 8",  "::ffff:1.2.3.4/95"};
	struct egress_network network;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (egress_parse_network(bad[i], &network) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	assert_int_equal(egress_parse_network("::ffff:10.0.0.0/104", &network), 0);
	assert_false(network.base.is_v6);
	assert_int_equal(network.bits, 8);
	assert_int_equal(egress_parse_network("0.0.0.0/0", &network), 0);
	assert_int_equal(egress_parse_network("::/0", &network), 0);
}

static void socket_addresses_are_read(void **state)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr other = {.sa_family = AF_UNIX};
	struct egress_address address;
	char text[EGRESS_ADDRESS_TEXT];

	inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr);
	assert_int_equal(egress_from_sockaddr(&v4, &address), 0);
	egress_format_address(&address, text);
	assert_string_equal(text, "192.0.2.7");
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr);
	assert_int_equal(egress_from_sockaddr(&v6, &address), 0);
	egress_format_address(&address, text);
	assert_string_equal(text, "192.0.2.7");
	assert_int_equal(egress_from_sockaddr(&other, &address), -EAFNOSUPPORT);
}

static void websockets_have_their_schemes(void **state)
{
	struct egress_url url;

	assert_int_equal(egress_parse_url("wss://operator/audio", EGRESS_WEBSOCKET, &url, why), 0);
	assert_true(url.tls);
	assert_int_equal(url.port, 443);
	assert_string_equal(url.text + url.path_at, "/audio");
	assert_int_equal(egress_parse_url("ws://operator:9/?a", EGRESS_WEBSOCKET, &url, why), 0);
	assert_string_equal(url.text + url.path_at, "/?a");
	assert_int_equal(egress_parse_url("https://operator/", EGRESS_WEBSOCKET, &url, why), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_made_canonical),
		cmocka_unit_test(strange_urls_are_refused),
		cmocka_unit_test(long_urls_are_refused),
		cmocka_unit_test(inner_addresses_are_refused),
		cmocka_unit_test(public_addresses_need_tls_and_a_usual_port),
		cmocka_unit_test(listed_networks_are_open_also_without_tls),
		cmocka_unit_test(one_bad_address_spoils_the_name),
		cmocka_unit_test(names_that_never_can_be_reached),
		cmocka_unit_test(networks_are_read),
		cmocka_unit_test(socket_addresses_are_read),
		cmocka_unit_test(websockets_have_their_schemes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
