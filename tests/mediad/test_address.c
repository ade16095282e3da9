/* Addresses: what is read, compared, printed. */
#include "address.h"
#include "cases.h"

static void test_read(void **state)
{
	static const struct {
		const char *text, *host, *whole;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", "192.0.2.1:0"},
		{"192.0.2.1:5060", "192.0.2.1", "192.0.2.1:5060"},
		{"2001:db8::1", "2001:db8::1", "[2001:db8::1]:0"},
		{"[2001:db8::1]:5060", "2001:db8::1", "[2001:db8::1]:5060"},
		{"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:0"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address address;
		char text[ADDRESS_TEXT];
		assert_int_equal(address_parse(rows[i].text, &address), 0);
		address_format_host(&address, text);
		assert_string_equal(text, rows[i].host);
		address_format(&address, text);
		assert_string_equal(text, rows[i].whole);
		struct sockaddr_storage kernel;
		struct address back;
		assert_true(address_to_kernel(&address, &kernel) > 0);
		address_from_kernel(&kernel, &back);
		assert_true(address_same(&address, &back));
	}
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",          "localhost",  "1.2.3",          "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536",
		"1.2.3.4:x", "1.2.3.4:-1", "[::1",           "[::1]x",   "[::1]:",    "::1%lo",
		" 1.2.3.4",  "1.2.3.4 ",   "1.2.3.4:123456", "[]:5",     "999.1.1.1"};
	struct address address;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(address_parse(rows[i], &address), -22);
	assert_int_equal(address_parse(NULL, &address), -22);
	char longer[200];
	memset(longer, '1', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	assert_int_equal(address_parse(longer, &address), -22);
}

static bool usable(const char *text)
{
	struct address address;
	assert_int_equal(address_parse(text, &address), 0);
	return address_is_usable(&address);
}

static void test_usable(void **state)
{
	assert_true(usable("127.0.0.1:4000"));
	assert_true(usable("10.0.0.1:1"));
	assert_true(usable("[2001:db8::1]:4000"));
	assert_false(usable("10.0.0.1"));
	assert_false(usable("0.0.0.0:4000"));
	assert_false(usable("0.1.2.3:4000"));
	assert_false(usable("224.0.0.1:4000"));
	assert_false(usable("255.255.255.255:4000"));
	assert_false(usable("[ff02::1]:4000"));
	assert_false(usable("[::]:4000"));
}

static int depth(const char *text)
{
	struct address address;
	assert_int_equal(address_parse(text, &address), 0);
	return address_depth(&address);
}

static void test_depth(void **state)
{
	assert_int_equal(depth("127.9.9.9"), 2);
	assert_int_equal(depth("::1"), 2);
	assert_int_equal(depth("::ffff:127.0.0.1"), 2);
	assert_int_equal(depth("10.0.0.1"), 1);
	assert_int_equal(depth("172.31.0.1"), 1);
	assert_int_equal(depth("192.168.1.1"), 1);
	assert_int_equal(depth("100.127.0.1"), 1);
	assert_int_equal(depth("169.254.1.1"), 1);
	assert_int_equal(depth("fd00::1"), 1);
	assert_int_equal(depth("fe80::1"), 1);
	assert_int_equal(depth("172.32.0.1"), 0);
	assert_int_equal(depth("100.128.0.1"), 0);
	assert_int_equal(depth("192.0.2.1"), 0);
	assert_int_equal(depth("2001:db8::1"), 0);
}

static void test_same(void **state)
{
	struct address a, b, none = {0};
	address_parse("1.2.3.4:5", &a);
	address_parse("1.2.3.4:6", &b);
	assert_true(address_same_host(&a, &b));
	assert_false(address_same(&a, &b));
	assert_false(address_same_host(&none, &none));
}

static void test_ours(void **state)
{
	struct address a, local;
	address_parse("127.0.0.1:5", &a);
	assert_true(address_is_ours(&a));
	assert_int_equal(address_local_for(&a, &local), 0);
	assert_true(address_same_host(&a, &local));
	assert_int_equal(local.port, 0);
	address_parse("192.0.2.77:5", &a);
	assert_false(address_is_ours(&a));
	assert_int_equal(address_local_for(&(struct address){0}, &local), 0);
	assert_true(local.family == AF_INET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),  cmocka_unit_test(test_refused), cmocka_unit_test(test_usable),
		cmocka_unit_test(test_depth), cmocka_unit_test(test_same),    cmocka_unit_test(test_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
