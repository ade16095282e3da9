/* Port pairs: even, unique, rested. */
#include "cases.h"
#include "ports.h"

static void test_range(void **state)
{
	struct ports *ports = ports_create(20001, 20007); /* pairs 20002, 20004, 20006 */
	bool seen[8] = {false};
	for (int i = 0; i < 3; i++) {
		uint16_t port = ports_take(ports, 0, (uint32_t)i * 7919);
		assert_true(port >= 20002 && port <= 20006 && port % 2 == 0);
		assert_false(seen[port - 20000]);
		seen[port - 20000] = true;
	}
	assert_int_equal(ports_take(ports, 0, 1), 0);
	assert_int_equal(ports_used(ports), 3);
	assert_true(ports_has(ports, 20007));
	assert_false(ports_has(ports, 20001));
	assert_false(ports_has(ports, 20008));
	ports_destroy(ports);
	assert_null(ports_create(20001, 20002));
	ports = ports_create(65532, 65535);
	assert_non_null(ports);
	assert_true(ports_take(ports, 0, 0) >= 65532);
	ports_destroy(ports);
}

static void test_rest(void **state)
{
	struct ports *ports = ports_create(20000, 20199);
	uint16_t port = ports_take(ports, 1000, 5);
	ports_give(ports, port, 1000);
	uint32_t random = 99;
	for (int i = 0; i < 99; i++) /* all others first */
		assert_int_not_equal(ports_take(ports, 1000 + i, cases_random(&random)), port);
	assert_int_equal(ports_take(ports, 1100, 7), port); /* nothing else is left */
	ports_destroy(ports);
}

static void test_strange_gifts(void **state)
{
	struct ports *ports = ports_create(20000, 20003);
	ports_give(ports, 20000, 0);
	ports_give(ports, 1, 0);
	ports_give(ports, 65535, 0);
	assert_int_equal(ports_used(ports), 0);
	uint16_t port = ports_take(ports, 0, 0);
	ports_give(ports, port, 0);
	ports_give(ports, port, 0);
	assert_int_not_equal(ports_take(ports, 0, 0), ports_take(ports, 0, 0));
	assert_int_equal(ports_take(ports, 0, 0), 0);
	ports_destroy(ports);
}

/* Taking and giving at random times: never a pair twice, and rest is kept while others are free. */
static void test_property(void **state)
{
	enum { PAIRS = 64 };
	struct ports *ports = ports_create(30000, 30000 + 2 * PAIRS - 1);
	int64_t given_at[PAIRS];
	bool taken[PAIRS] = {false};
	uint32_t random = 7;
	int used = 0;
	for (int i = 0; i < PAIRS; i++)
		given_at[i] = -PORTS_REST_MS;
	for (int64_t now = 0; now < 2000000; now += 1000) {
		if (used < 20 && cases_random(&random) % 2) {
			int pair = (ports_take(ports, now, cases_random(&random)) - 30000) / 2;
			assert_false(taken[pair]);
			assert_true(now - given_at[pair] >= PORTS_REST_MS);
			taken[pair] = true;
			used++;
		} else {
			int pair = (int)(cases_random(&random) % PAIRS);
			if (!taken[pair])
				continue;
			ports_give(ports, (uint16_t)(30000 + 2 * pair), now);
			given_at[pair] = now;
			taken[pair] = false;
			used--;
		}
		assert_int_equal(ports_used(ports), used);
	}
	ports_destroy(ports);
}

/* A successor takes its legs' pairs by name; nobody else gets them. */
static void test_claim(void **state)
{
	struct ports *ports = ports_create(20000, 20009);
	assert_true(ports_claim(ports, 20004));
	assert_false(ports_claim(ports, 20004));
	assert_false(ports_claim(ports, 20003));
	assert_false(ports_claim(ports, 20010));
	assert_false(ports_claim(ports, 19998));
	assert_true(ports_claim(ports, 20008));
	assert_int_equal(ports_used(ports), 2);
	for (uint32_t i = 0; i < 3; i++) {
		uint16_t port = ports_take(ports, 0, i);
		assert_true(port && port != 20004 && port != 20008);
	}
	assert_int_equal(ports_take(ports, 0, 0), 0);
	ports_give(ports, 20004, 0);
	assert_int_equal(ports_take(ports, 0, 0), 20004);
	ports_destroy(ports);
}

static void test_choice_is_spread(void **state)
{
	struct ports *ports = ports_create(20000, 29999);
	uint32_t random = 3;
	int low = 0;
	for (int i = 0; i < 1000; i++)
		low += ports_take(ports, 0, cases_random(&random)) < 25000;
	assert_true(low > 400 && low < 600);
	ports_destroy(ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range),    cmocka_unit_test(test_rest),  cmocka_unit_test(test_strange_gifts),
		cmocka_unit_test(test_property), cmocka_unit_test(test_claim), cmocka_unit_test(test_choice_is_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
