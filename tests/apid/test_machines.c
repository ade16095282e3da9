/* The state machines against their golden matrices: every pair of state and event, and where it leads.
 * HOOKSWITCH_WRITE_GOLDEN=1 writes them anew, to be read in the diff. */
#include "../common/check.h"
#include "call.h"
#include "cleanup.h"
#include "fsm.h"

/* "-" refused; several ways by guards: "tone|ending". */
static void print_cell(FILE *out, const struct hs_fsm *fsm, int state, int event)
{
	const char *between = "";

	for (size_t i = 0; i < fsm->rules_count; i++)
		if (fsm->rules[i].state == state && fsm->rules[i].event == event) {
			fprintf(out, "%s%s", between, fsm->states[fsm->rules[i].next]);
			between = "|";
		}
	fprintf(out, "%s", *between ? "" : "-");
}

static char *matrix(const struct hs_fsm *fsm)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	for (int state = 0; state < fsm->states_count; state++)
		for (int event = 0; fsm->states[state] && event < fsm->events_count; event++) {
			fprintf(out, "%s %s -> ", fsm->states[state], fsm->events[event]);
			print_cell(out, fsm, state, event);
			fprintf(out, "\n");
		}
	fclose(out);
	return text;
}

static void compare(const struct hs_fsm *fsm)
{
	AUTO(free) char *path = hs_printf("%s/%s.txt", GOLDEN, fsm->name);
	AUTO(free) char *now = matrix(fsm);
	AUTO(free) char *golden = hs_zalloc(65536);
	FILE *file = fopen(path, getenv("HOOKSWITCH_WRITE_GOLDEN") ? "w+e" : "re");

	assert_non_null(file);
	if (getenv("HOOKSWITCH_WRITE_GOLDEN"))
		fprintf(file, "%s", now);
	rewind(file);
	assert_true(fread(golden, 1, 65535, file) > 0);
	fclose(file);
	assert_string_equal(golden, now);
}

static void test_call(void **state)
{
	compare(&call_fsm);
}

static void test_leg(void **state)
{
	compare(&leg_fsm);
}

static void test_line(void **state)
{
	compare(&line_fsm);
}

/* A guarded way is always followed by one that is not: nothing falls through. */
static void test_last_way_is_open(void **state)
{
	static const struct hs_fsm *const all[] = {&call_fsm, &leg_fsm, &line_fsm};

	for (size_t i = 0; i < HS_COUNT(all); i++)
		for (size_t j = 0; j < all[i]->rules_count; j++) {
			const struct hs_fsm_rule *rule = &all[i]->rules[j], *next = rule + 1;

			if (rule->guard)
				assert_true(j + 1 < all[i]->rules_count && next->state == rule->state &&
					    next->event == rule->event);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_leg),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_last_way_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
