#include "cleanup.h"
#include "locations.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int written, gone;

static void watch(void *context, const char *key, const struct binding *binding, bool is_gone)
{
	assert_true(strlen(key) > 8);
	*(is_gone ? &gone : &written) += 1;
}

static struct binding binding_of(const char *line, const char *contact, int64_t now, int64_t life)
{
	struct binding binding = {.port = 5060, .registered_ms = now, .expires_ms = now + life};
	hs_copy(binding.line, sizeof(binding.line), line);
	hs_copy(binding.contact, sizeof(binding.contact), contact);
	hs_copy(binding.host, sizeof(binding.host), "192.0.2.1");
	return binding;
}

static void put(struct locations *locations, const char *line, const char *contact, int64_t now, int64_t life)
{
	struct binding binding = binding_of(line, contact, now, life);
	locations_put(locations, &binding, LOCATIONS_MAX);
}

static void keeps_and_removes(void **state)
{
	struct locations *locations = locations_create(NULL, watch, NULL);
	const struct binding *found[LOCATIONS_MAX];
	written = gone = 0;
	put(locations, "a", "sip:1", 10, 1000);
	put(locations, "a", "sip:2", 20, 1000);
	put(locations, "a", "sip:1", 30, 1000); /* a refresh */
	put(locations, "b", "sip:1", 40, 1000);
	assert_int_equal(locations_count(locations), 3);
	assert_int_equal(locations_of_line(locations, "a", found, LOCATIONS_MAX), 2);
	assert_string_equal(found[0]->contact, "sip:2"); /* newest first; a refresh makes nothing newer */
	assert_int_equal(found[1]->expires_ms, 1030);
	assert_true(locations_has_host(locations, "192.0.2.1"));
	assert_true(locations_has_flow(locations, "192.0.2.1", 5060, false));
	assert_false(locations_has_flow(locations, "192.0.2.1", 5061, false));
	assert_false(locations_has_flow(locations, "192.0.2.1", 5060, true));
	assert_int_equal(locations_remove(locations, "a", "sip:9"), 0);
	assert_int_equal(locations_remove(locations, "a", "sip:1"), 1);
	assert_int_equal(locations_remove(locations, "a", NULL), 1);
	assert_int_equal(locations_remove(locations, "c", NULL), 0);
	assert_int_equal(locations_remove(locations, "b", NULL), 1);
	assert_false(locations_has_host(locations, "192.0.2.1"));
	assert_false(locations_has_flow(locations, "192.0.2.1", 5060, false));
	assert_int_equal(written, 4);
	assert_int_equal(gone, 3);
	locations_destroy(locations);
}

static void at_most_ten(void **state)
{
	struct locations *locations = locations_create(NULL, NULL, NULL);
	const struct binding *found[LOCATIONS_MAX];
	char contact[32];
	for (int i = 0; i < 15; i++) {
		snprintf(contact, sizeof(contact), "sip:%d", i);
		put(locations, "a", contact, i, 1000 + i);
	}
	assert_int_equal(locations_of_line(locations, "a", found, LOCATIONS_MAX), LOCATIONS_MAX);
	assert_string_equal(found[9]->contact, "sip:5");
	locations_destroy(locations);
}

static void same_instance_replaces(void **state)
{
	struct locations *locations = locations_create(NULL, NULL, NULL);
	struct binding binding = binding_of("a", "sip:1", 0, 1000);
	hs_copy(binding.instance, sizeof(binding.instance), "<urn:uuid:1>");
	locations_put(locations, &binding, 10);
	hs_copy(binding.contact, sizeof(binding.contact), "sip:2");
	locations_put(locations, &binding, 10);
	assert_int_equal(locations_count(locations), 1);
	assert_non_null(locations_find(locations, "a", "sip:2", NULL));
	locations_destroy(locations);
}

static int lost;

static void note_lost(void *context, const char *line)
{
	lost++;
}

static void expires(void **state)
{
	struct locations *locations = locations_create(NULL, NULL, NULL);
	lost = 0;
	assert_int_equal(locations_expire(locations, 0, note_lost, NULL), -1);
	put(locations, "a", "sip:1", 0, 100);
	put(locations, "a", "sip:2", 0, 300);
	put(locations, "b", "sip:3", 0, 500);
	assert_int_equal(locations_next(locations, 50), 50);
	assert_int_equal(locations_next(locations, 150), 0);
	assert_int_equal(locations_expire(locations, 50, note_lost, NULL), 50);
	assert_int_equal(locations_expire(locations, 100, note_lost, NULL), 200);
	assert_int_equal(lost, 1);
	assert_int_equal(locations_expire(locations, 600, note_lost, NULL), -1);
	assert_int_equal(lost, 3);
	assert_int_equal(locations_count(locations), 0);
	locations_destroy(locations);
}

/* Whatever order they come, are refreshed and go in: each ends when it is due, and not before. */
static void expires_in_order(void **state)
{
	struct locations *locations = locations_create(NULL, NULL, NULL);
	char line[16];
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof(line), "line%d", i);
		put(locations, line, "sip:1", 0, 1 + i * 7919 % 500);
	}
	for (int i = 0; i < 500; i += 2) { /* the even ones are refreshed, or go */
		snprintf(line, sizeof(line), "line%d", i);
		if (i % 4)
			put(locations, line, "sip:1", 0, 1000 + i * 7919 % 500);
		else
			assert_int_equal(locations_remove(locations, line, NULL), 1);
	}
	lost = 0;
	for (int64_t now = 1; now <= 1500; now++) {
		int64_t next = locations_next(locations, now - 1);
		int before = lost;
		locations_expire(locations, now, note_lost, NULL);
		assert_int_equal(lost > before, next == 1);
		assert_int_equal(locations_count(locations), 375 - lost);
	}
	assert_int_equal(lost, 375);
	locations_destroy(locations);
}

static void copy_back(void *context, const char *key, const void *value, size_t bytes)
{
	struct binding binding;
	assert_int_equal(bytes, sizeof(binding));
	memcpy(&binding, value, sizeof(binding));
	locations_restore(context, &binding, 500);
}

static void lives_in_the_journal(void **state)
{
	struct hs_journal *journal = hs_journal_open(NULL, 65536);
	struct locations *locations = locations_create(journal, NULL, NULL);
	put(locations, "a", "sip:1", 0, 1000);
	put(locations, "a", "sip:2", 0, 400);
	put(locations, "a", "sip:3", 0, 1000);
	locations_remove(locations, "a", "sip:3");
	locations_destroy(locations);
	locations = locations_create(NULL, NULL, NULL);
	hs_journal_each(journal, "binding/", copy_back, locations);
	assert_int_equal(locations_count(locations), 1);
	assert_non_null(locations_find(locations, "a", "sip:1", NULL));
	struct binding broken = binding_of("a", "sip:9", 0, 9000);
	memset(broken.device, 'x', sizeof(broken.device)); /* from a damaged disk: no end */
	locations_restore(locations, &broken, 500);
	assert_int_equal(locations_count(locations), 1);
	locations_destroy(locations);
	hs_journal_close(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_and_removes),      cmocka_unit_test(at_most_ten),
		cmocka_unit_test(same_instance_replaces), cmocka_unit_test(expires),
		cmocka_unit_test(expires_in_order),       cmocka_unit_test(lives_in_the_journal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
