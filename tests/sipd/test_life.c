/* The state x event matrix of a machine (LIFE: its table in life.h) against a golden file: a change of the table is a
 * change that somebody meant. */
#include "life.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void write_row(FILE *out, int state, int event)
{
	const struct hs_fsm *life = &LIFE;
	const char *between = "";
	if (!hs_fsm_allows(life, state, event))
		return;
	fprintf(out, "%s --%s--> ", life->states[state], life->events[event]);
	for (size_t i = 0; i < life->rules_count; i++)
		if (life->rules[i].state == state && life->rules[i].event == event) {
			fprintf(out, "%s%s%s", between, life->states[life->rules[i].next],
				life->rules[i].guard ? " (guarded)" : "");
			between = ", else ";
		}
	fputc('\n', out);
}

static void golden(void **state)
{
	char *text = NULL, kept[16384] = "";
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes), *file = fopen(getenv("LIFE_GOLDEN"), "r");
	for (int from = 0; from < LIFE.states_count; from++)
		for (int event = 0; event < LIFE.events_count; event++)
			write_row(out, from, event);
	fclose(out);
	assert_non_null(file);
	kept[fread(kept, 1, sizeof(kept) - 1, file)] = 0;
	fclose(file);
	assert_string_equal(text, kept);
	free(text);
}

/* The first row of a pair that has no guard hides those below it. */
static void every_row_can_be_reached(void **state)
{
	const struct hs_fsm *life = &LIFE;
	for (size_t i = 0; i < life->rules_count; i++)
		for (size_t j = 0; j < i; j++)
			assert_false(life->rules[j].state == life->rules[i].state &&
				     life->rules[j].event == life->rules[i].event && !life->rules[j].guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(every_row_can_be_reached)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
