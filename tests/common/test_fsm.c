#include "check.h"
#include "cleanup.h"
#include "fsm.h"
#include "metrics.h"

enum { IDLE, RINGING, TALKING, STATES };
enum { RING, LIFT, DROP, EVENTS };

struct phone {
	int before;
	int state;
	bool barred;
	int actions, changes, last_old;
};

static const struct hs_fsm machine;

static bool allowed(const void *object, const void *argument)
{
	return !((const struct phone *)object)->barred;
}

static void count(void *object, const void *argument)
{
	((struct phone *)object)->actions++;
}

/* Runs in the new state, and may step on. */
static void go_on(void *object, const void *argument)
{
	struct phone *phone = object;

	assert_int_equal(phone->state, TALKING);
	phone->actions++;
	if (argument)
		assert_int_equal(hs_fsm_step(&machine, phone, DROP, NULL), 0);
}

static void changed(void *object, int old_state)
{
	struct phone *phone = object;

	phone->changes++;
	phone->last_old = old_state;
}

static const char *name_of(const void *object)
{
	return "phone";
}

static const char *const states[] = {"idle", "ringing", "talking"};
static const char *const events[] = {"ring", "lift", "drop"};

static const struct hs_fsm_rule rules[] = {
	{IDLE, RING, allowed, count, RINGING},
	{IDLE, RING, NULL, NULL, IDLE},
	{RINGING, LIFT, NULL, go_on, TALKING},
	{TALKING, DROP, NULL, NULL, IDLE},
};

static const struct hs_fsm machine = {
	.name = "phone",
	.states = states,
	.events = events,
	.states_count = STATES,
	.events_count = EVENTS,
	.rules = rules,
	.rules_count = HS_COUNT(rules),
	.state_offset = offsetof(struct phone, state),
	.id = name_of,
	.changed = changed,
};

static void follows_the_rows(void **state)
{
	struct phone phone = {.state = IDLE};

	assert_int_equal(hs_fsm_step(&machine, &phone, RING, NULL), 0);
	assert_int_equal(phone.state, RINGING);
	assert_int_equal(phone.actions, 1);
	assert_int_equal(phone.changes, 1);
	assert_int_equal(phone.last_old, IDLE);
	assert_int_equal(hs_fsm_step(&machine, &phone, LIFT, ""), 0);
	assert_int_equal(phone.state, IDLE);
	assert_int_equal(phone.changes, 3);
}

static void tries_guards_in_order(void **state)
{
	struct phone phone = {.state = IDLE, .barred = true};

	assert_int_equal(hs_fsm_step(&machine, &phone, RING, NULL), 0);
	assert_int_equal(phone.state, IDLE);
	assert_int_equal(phone.changes, 0); /* it went from idle to idle */
}

static void refuses_what_has_no_row(void **state)
{
	struct phone phone = {.state = TALKING};
	struct hs_metric *refused = hs_metric_counter("hookswitch_fsm_refused_total", "machine=\"phone\"", "");
	int64_t before = hs_metric_value(refused);

	assert_int_equal(hs_fsm_step(&machine, &phone, RING, NULL), -EPROTO);
	assert_int_equal(hs_fsm_step(&machine, &phone, 99, NULL), -EPROTO);
	assert_int_equal(phone.state, TALKING);
	assert_int_equal(phone.changes, 0);
	assert_int_equal(hs_metric_value(refused), before + 2);
}

static void says_what_it_allows(void **state)
{
	assert_true(hs_fsm_allows(&machine, IDLE, RING));
	assert_false(hs_fsm_allows(&machine, TALKING, RING));
	assert_false(hs_fsm_allows(&machine, -1, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_rows),
		cmocka_unit_test(tries_guards_in_order),
		cmocka_unit_test(refuses_what_has_no_row),
		cmocka_unit_test(says_what_it_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
