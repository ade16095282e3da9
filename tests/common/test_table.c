#include "check.h"
#include "cleanup.h"
#include "table.h"

static void puts_gets_and_removes(void **state)
{
	struct hs_table *table = hs_table_create();
	int one = 1, two = 2;

	assert_null(hs_table_get(table, "a"));
	assert_null(hs_table_get(table, NULL));
	assert_null(hs_table_put(table, "a", &one));
	assert_ptr_equal(hs_table_put(table, "a", &two), &one);
	assert_int_equal(hs_table_count(table), 1);
	assert_ptr_equal(hs_table_remove(table, "a"), &two);
	assert_null(hs_table_remove(table, "a"));
	assert_null(hs_table_remove(table, NULL));
	assert_int_equal(hs_table_count(table), 0);
	hs_table_destroy(table);
	hs_table_destroy(NULL);
}

/* Against a plain array, with keys of all lengths up to some words. */
static void agrees_with_an_array(void **state)
{
	enum { KEYS = 2000, STEPS = 40000 };
	static int objects[KEYS];
	static bool there[KEYS];
	struct hs_table *table = hs_table_create();
	unsigned random = 1;
	size_t count = 0;

	for (int step = 0; step < STEPS; step++) {
		char key[64];
		int i;

		random = random * 1103515245 + 12345;
		i = (int)(random >> 8) % KEYS;
		snprintf(key, sizeof(key), "%.*s-%d", i % 20, "abcdefghijklmnopqrstuvwxyz", i);
		assert_ptr_equal(hs_table_get(table, key), there[i] ? &objects[i] : NULL);
		if (random >> 30 & 1) {
			assert_ptr_equal(hs_table_put(table, key, &objects[i]), there[i] ? &objects[i] : NULL);
			count += !there[i];
			there[i] = true;
		} else {
			assert_ptr_equal(hs_table_remove(table, key), there[i] ? &objects[i] : NULL);
			count -= there[i];
			there[i] = false;
		}
		assert_int_equal(hs_table_count(table), count);
	}
	hs_table_destroy(table);
}

struct walk {
	struct hs_table *table;
	int seen, stop_at;
};

static _Bool remove_all_visitor(void *context, const char *key, void *object)
{
	struct walk *walk = context;
	char other[16];

	walk->seen++;
	assert_ptr_equal(hs_table_remove(walk->table, key), object);
	snprintf(other, sizeof(other), "%d", walk->seen + 50); /* another one, ahead or behind */
	hs_table_remove(walk->table, other);
	return walk->seen != walk->stop_at;
}

static void a_walk_survives_removal(void **state)
{
	struct hs_table *table = hs_table_create();
	struct walk walk = {table, 0, -1};
	int object;

	for (int i = 0; i < 100; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		hs_table_put(table, key, &object);
	}
	hs_table_each(table, remove_all_visitor, &walk);
	assert_int_equal(hs_table_count(table), 0);
	assert_true(walk.seen >= 50 && walk.seen <= 100);
	hs_table_destroy(table);
}

static _Bool add_visitor(void *context, const char *key, void *object)
{
	struct walk *walk = context;
	char other[16];

	snprintf(other, sizeof(other), "n%d", ++walk->seen);
	if (walk->seen < 500)
		hs_table_put(walk->table, other, object);
	return walk->seen != walk->stop_at;
}

static void a_walk_survives_growth_and_stops(void **state)
{
	struct hs_table *table = hs_table_create();
	struct walk walk = {table, 0, 300};
	int object;

	hs_table_put(table, "first", &object);
	hs_table_each(table, add_visitor, &walk);
	assert_int_equal(walk.seen, 300);
	hs_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_gets_and_removes),
		cmocka_unit_test(agrees_with_an_array),
		cmocka_unit_test(a_walk_survives_removal),
		cmocka_unit_test(a_walk_survives_growth_and_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
