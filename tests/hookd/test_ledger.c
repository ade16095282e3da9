#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blot.h"
#include "ledger.h"
#include <cmocka.h>

#define SLOTS 4

struct world {
	char folder[64];
	struct ledger *ledger;
	struct hs_arena *arena;
	struct hs_webhook_attempt seen[16];
	int64_t last;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	snprintf(world->folder, sizeof(world->folder), "/tmp/hs-ledger-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->ledger = ledger_create(world->folder, 7, SLOTS);
	world->arena = hs_arena_create();
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	ledger_remove(world->ledger);
	ledger_destroy(world->ledger);
	hs_arena_destroy(world->arena);
	assert_int_equal(rmdir(world->folder), 0);
	free(world);
	return 0;
}

static void add(struct world *world, const char *delivery, const char *body)
{
	struct hs_webhook_attempt attempt = {
		.delivery = delivery, .event_type = "dtmf", .at = 1, .attempt = 1, .url = "https://e/", .body = body};

	ledger_add(world->ledger, &attempt);
}

static size_t list(struct world *world, int64_t since, size_t limit)
{
	return ledger_list(world->ledger, since, limit, world->arena, world->seen, &world->last);
}

static void the_last_ones_are_kept_over_a_restart(void **state)
{
	struct world *world = *state;
	char id[16];

	assert_int_equal(list(world, -1, 10), 0);
	for (int i = 1; i <= 6; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		add(world, id, "{}");
	}
	ledger_destroy(world->ledger);
	world->ledger = ledger_create(world->folder, 7, SLOTS);
	assert_int_equal(list(world, -1, 2), 2);
	assert_string_equal(world->seen[0].delivery, "m5");
	assert_int_equal(world->last, 6);
	assert_int_equal(list(world, 0, 10), SLOTS);
	assert_int_equal(world->seen[0].number, 3);
	assert_int_equal(list(world, 4, 1), 1);
	assert_int_equal(world->seen[0].number, 5);
	assert_int_equal(list(world, 6, 10), 0);
	assert_null(ledger_find(world->ledger, "m2", world->arena));
	assert_int_equal(ledger_find(world->ledger, "m4", world->arena)->number, 4);
	add(world, "m7", "{}");
	assert_int_equal(list(world, -1, 1), 1);
	assert_int_equal(world->seen[0].number, 7);
}

static void what_does_not_fit_is_left_out(void **state)
{
	struct world *world = *state;
	char body[LEDGER_SLOT];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	add(world, "m1", body);
	assert_int_equal(list(world, -1, 1), 1);
	assert_null(world->seen[0].body);
}

static void none_are_kept_without_slots(void **state)
{
	struct world *world = *state;

	ledger_destroy(world->ledger);
	world->ledger = ledger_create(world->folder, 7, 0);
	add(world, "m1", "{}");
	assert_int_equal(list(world, -1, 1), 0);
}

static void what_was_dialled_is_blotted_out(void **state)
{
	static const struct {
		const char *text, *blotted;
		size_t limit;
	} rows[] = {
		{"{\"digit\":\"5\",\"sequence\":1}", "{\"digit\":\"***\",\"sequence\":1}", 100},
		{"{\"a\":[{\"caller_number\":\"+14155551212\"},null]}",
		 "{\"a\":[{\"caller_number\":\"+1415***1212\"},null]}", 100},
		{"{\"dialled\":7}", "{\"dialled\":\"***\"}", 100},
		{"{\"name\":\"Zo\xc3\xab\"}", "{\"name\":\"Zo", 12},
		{"{\"digit\":", "***", 100},
		{"{}", "{}", 100},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *blotted = blot_event(rows[i].text, strlen(rows[i].text), rows[i].limit);

		assert_string_equal(blotted, rows[i].blotted);
		free(blotted);
	}
}

static void signatures_are_cut_short(void **state)
{
	char *line = blot_line("webhook-signature: v1,g0hM9SsE+OTPJTGt"), *other = blot_line("webhook-id: msg_1");

	assert_string_equal(line, "webhook-signature: v1,g0hM9...");
	assert_string_equal(other, "webhook-id: msg_1");
	free(line);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_ones_are_kept_over_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(none_are_kept_without_slots, set_up, tear_down),
		cmocka_unit_test(what_was_dialled_is_blotted_out),
		cmocka_unit_test(signatures_are_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
