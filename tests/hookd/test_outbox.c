#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outbox.h"
#include <cmocka.h>

struct world {
	char folder[64];
	struct outbox *outbox;
	struct outbox_delivery *seen[64];
	int count;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	snprintf(world->folder, sizeof(world->folder), "/tmp/hs-outbox-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->outbox = outbox_open(world->folder, false);
	assert_non_null(world->outbox);
	*state = world;
	return 0;
}

static void forget_seen(struct world *world)
{
	while (world->count)
		free(world->seen[--world->count]);
}

static int tear_down(void **state)
{
	static const char *const files[] = {"outbox.db", "outbox.db-wal", "outbox.db-shm"};
	struct world *world = *state;
	char path[128];

	forget_seen(world);
	outbox_close(world->outbox);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", world->folder, files[i]);
		unlink(path);
	}
	rmdir(world->folder);
	free(world);
	return 0;
}

static void reopen(struct world *world)
{
	outbox_close(world->outbox);
	world->outbox = outbox_open(world->folder, false);
	assert_non_null(world->outbox);
}

static void see(void *context, struct outbox_delivery *delivery)
{
	struct world *world = context;

	assert_true(world->count < 64);
	world->seen[world->count++] = delivery;
}

static int64_t add_endpoint(struct world *world, const char *id)
{
	struct outbox_endpoint endpoint = {
		.id = id, .url = "https://example.com/", .words = "", .sealed = "", .enabled = true, .last_error = ""};

	return outbox_save_endpoint(world->outbox, &endpoint);
}

static struct outbox_delivery *add(struct world *world, int64_t endpoint, const char *id)
{
	struct outbox_delivery *delivery =
		outbox_delivery_make(endpoint, id, "dtmf", "c1-a", "phone1", "1.g1.7", "{\"a\":1}", 7);

	delivery->created_at_ms = 123;
	outbox_add(world->outbox, delivery);
	return delivery;
}

static void cursor_and_deliveries_are_one_transaction(void **state)
{
	struct world *world = *state;
	int64_t endpoint = add_endpoint(world, "state"), seq = 0;
	char cursor[65];

	assert_int_equal(outbox_cursor(world->outbox, cursor, &seq), -ENOENT);
	free(add(world, endpoint, "m1"));
	outbox_set_cursor(world->outbox, "1.g1.7", 7);
	assert_true(outbox_is_dirty(world->outbox));
	assert_int_equal(outbox_commit(world->outbox, true), 0);
	free(add(world, endpoint, "m2"));
	outbox_set_cursor(world->outbox, "1.g1.8", 8);
	reopen(world); /* not committed: as after a death */
	assert_int_equal(outbox_cursor(world->outbox, cursor, &seq), 0);
	assert_string_equal(cursor, "1.g1.7");
	assert_int_equal(seq, 7);
	assert_int_equal(outbox_load_fresh(world->outbox, endpoint, 0, 10, see, world), 1);
	assert_string_equal(world->seen[0]->id, "m1");
	assert_string_equal(world->seen[0]->call, "c1-a");
	assert_string_equal(world->seen[0]->line, "phone1");
	assert_string_equal(world->seen[0]->type, "dtmf");
	assert_int_equal(world->seen[0]->bytes, 7);
	assert_memory_equal(world->seen[0]->body, "{\"a\":1}", 8);
	assert_int_equal(world->seen[0]->created_at_ms, 123);
}

static void numbers_only_rise(void **state)
{
	struct world *world = *state;
	int64_t endpoint = add_endpoint(world, "state"), before = 0;

	for (int i = 0; i < 5; i++) {
		struct outbox_delivery *delivery = add(world, endpoint, "m");

		assert_true(delivery->number > before);
		before = delivery->number;
		outbox_done(world->outbox, delivery);
		free(delivery);
		assert_int_equal(outbox_commit(world->outbox, false), 0);
	}
	assert_int_equal(outbox_depth(world->outbox), 0);
}

static void fresh_ones_come_in_order_and_in_pages(void **state)
{
	struct world *world = *state;
	int64_t a = add_endpoint(world, "a"), b = add_endpoint(world, "b");

	for (int i = 0; i < 10; i++)
		free(add(world, i % 2 ? a : b, i % 2 ? "of-a" : "of-b"));
	assert_int_equal(outbox_load_fresh(world->outbox, a, 0, 3, see, world), 3);
	assert_int_equal(outbox_load_fresh(world->outbox, a, world->seen[2]->number, 9, see, world), 2);
	for (int i = 0; i < world->count; i++) {
		assert_string_equal(world->seen[i]->id, "of-a");
		if (i)
			assert_true(world->seen[i]->number > world->seen[i - 1]->number);
	}
	assert_int_equal(outbox_waiting(world->outbox, a), 5);
	assert_int_equal(outbox_waiting(world->outbox, 0), 10);
	assert_int_equal(outbox_depth(world->outbox), 10);
}

static void retries_come_when_they_are_due(void **state)
{
	struct world *world = *state;
	int64_t endpoint = add_endpoint(world, "a");
	static const int64_t due[] = {300, 100, 200};

	for (int i = 0; i < 3; i++) {
		struct outbox_delivery *delivery = add(world, endpoint, "m");

		delivery->due_at_ms = due[i];
		delivery->tries = delivery->attempts = i + 1;
		delivery->last_status = 503;
		snprintf(delivery->last_error, sizeof(delivery->last_error), "HTTP status 503");
		outbox_again(world->outbox, delivery);
		free(delivery);
	}
	assert_int_equal(outbox_load_fresh(world->outbox, endpoint, 0, 10, see, world), 0);
	assert_int_equal(outbox_load_due(world->outbox, endpoint, 99, 10, see, world), 0);
	assert_int_equal(outbox_next_due(world->outbox, endpoint, 0), 100);
	assert_int_equal(outbox_load_due(world->outbox, endpoint, 200, 10, see, world), 2);
	assert_int_equal(world->seen[0]->tries, 2);
	assert_int_equal(world->seen[1]->tries, 3);
	assert_int_equal(world->seen[1]->last_status, 503);
	assert_string_equal(world->seen[1]->last_error, "HTTP status 503");
	assert_int_equal(outbox_next_due(world->outbox, endpoint, 200), 300);
	assert_true(outbox_next_due(world->outbox, endpoint, 300) == INT64_MAX);
	outbox_hasten(world->outbox, endpoint, 50);
	forget_seen(world);
	assert_int_equal(outbox_load_due(world->outbox, endpoint, 50, 10, see, world), 3);
}

static void dead_letters_are_listed_and_replayed(void **state)
{
	struct world *world = *state;
	int64_t a = add_endpoint(world, "a"), b = add_endpoint(world, "b");
	struct outbox_delivery *first = add(world, a, "m1"), *second = add(world, b, "m2");

	outbox_bury(world->outbox, first, 1000);
	outbox_bury(world->outbox, second, 2000);
	free(first);
	free(second);
	free(add(world, a, "m3"));
	outbox_bury_all(world->outbox, a, "the endpoint was disabled", 3000);
	assert_int_equal(outbox_depth(world->outbox), 0);
	assert_int_equal(outbox_dead_letters(world->outbox, 0), 3);
	assert_int_equal(outbox_each_dead(world->outbox, 0, 2, see, world), 2);
	assert_string_equal(world->seen[0]->id, "m3");
	assert_string_equal(world->seen[0]->last_error, "the endpoint was disabled");
	assert_string_equal(world->seen[1]->id, "m2");
	forget_seen(world);
	assert_int_equal(outbox_each_dead(world->outbox, a, 10, see, world), 2);
	forget_seen(world);
	assert_int_equal(outbox_replay(world->outbox, "m2", 5000), b);
	assert_int_equal(outbox_replay(world->outbox, "m2", 5000), -ENOENT);
	assert_int_equal(outbox_replay(world->outbox, "unknown", 5000), -ENOENT);
	assert_int_equal(outbox_load_due(world->outbox, b, 5000, 10, see, world), 1);
	assert_int_equal(outbox_depth(world->outbox), 1);
	assert_int_equal(outbox_prune(world->outbox, 1001), 1);
	assert_int_equal(outbox_dead_letters(world->outbox, 0), 1);
}

static void an_endpoint_goes_with_all_that_is_its(void **state)
{
	struct world *world = *state;
	int64_t a = add_endpoint(world, "a"), b = add_endpoint(world, "b");

	free(add(world, a, "m1"));
	free(add(world, b, "m2"));
	outbox_drop_endpoint(world->outbox, a);
	assert_int_equal(outbox_commit(world->outbox, false), 0);
	assert_int_equal(outbox_depth(world->outbox), 1);
	assert_int_equal(outbox_waiting(world->outbox, 0), 1);
	assert_true(add_endpoint(world, "c") > b);
}

static void count_endpoints(void *context, const struct outbox_endpoint *endpoint)
{
	int *count = context;

	(*count)++;
	assert_int_equal(endpoint->delivered, 5);
	assert_string_equal(endpoint->words, "call.* dtmf");
	assert_string_equal(endpoint->sealed, "sealed:x");
	assert_int_equal(endpoint->failing_since_ms, 77);
	assert_string_equal(endpoint->lines, "phone1 phone2");
	assert_string_equal(endpoint->calls, "");
	assert_int_equal(endpoint->style, 3);
	assert_true(endpoint->paused);
	assert_string_equal(endpoint->sealed_key, "sealed:y");
	assert_string_equal(endpoint->skipped_from, "1.g1.9");
}

static void endpoints_are_kept(void **state)
{
	struct world *world = *state;
	struct outbox_endpoint endpoint = {
		.id = "w1", .url = "https://e/", .words = "", .sealed = "sealed:x", .enabled = true, .last_error = ""};
	int count = 0;

	endpoint.number = outbox_save_endpoint(world->outbox, &endpoint);
	endpoint.delivered = 5;
	endpoint.words = "call.* dtmf";
	endpoint.failing_since_ms = 77;
	endpoint.lines = "phone1 phone2";
	endpoint.style = 3;
	endpoint.paused = true;
	endpoint.sealed_key = "sealed:y";
	endpoint.skipped_from = "1.g1.9";
	assert_int_equal(outbox_save_endpoint(world->outbox, &endpoint), endpoint.number);
	assert_int_equal(outbox_commit(world->outbox, true), 0);
	reopen(world);
	outbox_each_endpoint(world->outbox, count_endpoints, &count);
	assert_int_equal(count, 1);
}

static void a_failed_write_undoes_the_transaction(void **state)
{
	struct world *world = *state;
	int64_t endpoint = add_endpoint(world, "same");

	assert_int_equal(outbox_commit(world->outbox, false), 0);
	free(add(world, endpoint, "m1"));
	add_endpoint(world, "same"); /* id is unique */
	assert_int_equal(outbox_commit(world->outbox, false), -EIO);
	assert_int_equal(outbox_depth(world->outbox), 0);
	assert_int_equal(outbox_waiting(world->outbox, 0), 0);
	free(add(world, endpoint, "m2"));
	assert_int_equal(outbox_commit(world->outbox, false), 0);
	assert_int_equal(outbox_waiting(world->outbox, 0), 1);
}

static void a_folder_that_is_not_there_is_refused(void **state)
{
	assert_null(outbox_open("/nonexistent/folder", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cursor_and_deliveries_are_one_transaction, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_only_rise, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fresh_ones_come_in_order_and_in_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(retries_come_when_they_are_due, set_up, tear_down),
		cmocka_unit_test_setup_teardown(dead_letters_are_listed_and_replayed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_endpoint_goes_with_all_that_is_its, set_up, tear_down),
		cmocka_unit_test_setup_teardown(endpoints_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failed_write_undoes_the_transaction, set_up, tear_down),
		cmocka_unit_test(a_folder_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
