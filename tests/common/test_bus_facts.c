/* Facts: in order, each once, through the death of either side; and what a source may not do. */
#include "bus_world.h"
#include "cleanup.h"
#include "clock.h"
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

/* An apid that writes down what it hears and commits when it is told to. */
struct ledger {
	struct hs_bus *bus;
	bool commits;
	int heard, batches;
	uint64_t epoch, last; /* last heard */
	uint64_t committed;
	bool is_disordered;
	int64_t number; /* of the last suspicious report: says which fact it was */
	int64_t at_ms;
	enum hs_role from;
};

static void hear(void *context, const struct hs_fact *fact)
{
	struct ledger *ledger = context;
	const struct hs_line_suspected *body = fact->body;

	ledger->is_disordered |= ledger->last && fact->epoch == ledger->epoch && fact->seq != ledger->last + 1;
	ledger->is_disordered |= fact->message != HS_LINE_SUSPECTED || ledger->number + 1 != body->failures;
	ledger->heard++;
	ledger->epoch = fact->epoch;
	ledger->last = fact->seq;
	ledger->number = body->failures;
	ledger->at_ms = fact->at_ms;
	ledger->from = fact->from;
}

static void done(void *context, enum hs_role from, uint64_t epoch, uint64_t seq)
{
	struct ledger *ledger = context;

	ledger->batches++;
	if (!ledger->commits)
		return;
	ledger->committed = seq;
	hs_bus_acknowledge(ledger->bus, from, epoch, seq);
}

static void open_apid(struct world *world, struct ledger *ledger)
{
	ledger->bus = world_open(world, HS_ROLE_APID);
	if (ledger->committed)
		hs_bus_heard(ledger->bus, HS_ROLE_SIPD, ledger->epoch, ledger->committed);
	hs_bus_hear(ledger->bus, hear, done, ledger);
}

static int tell(struct hs_bus *bus, int number)
{
	struct hs_line_suspected body = {.address = "192.0.2.1", .failures = number};

	return hs_bus_tell(bus, HS_LINE_SUSPECTED, &body);
}

static void turn_until_empty(struct world *world, int limit_ms)
{
	int64_t limit = hs_clock_ms() + limit_ms;

	while (hs_journal_waiting(world->journals[HS_ROLE_SIPD]) > 0 && hs_clock_ms() < limit)
		world_turn_for(world, 2);
	assert_int_equal(hs_journal_waiting(world->journals[HS_ROLE_SIPD]), 0);
}

static void test_in_order_and_trimmed(void **state)
{
	struct world *world = *state;
	struct hs_bus *sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	struct ledger ledger = {.commits = true};

	/* Told before apid is there, and more than the window holds. */
	for (int i = 1; i <= 3000; i++)
		assert_int_equal(tell(sipd, i), 0);
	open_apid(world, &ledger);
	assert_true(world_turn_until(world, &ledger.heard, 3000, 10000));
	assert_false(ledger.is_disordered);
	assert_int_equal(ledger.from, HS_ROLE_SIPD);
	assert_in_range(hs_clock_wall_ms() - ledger.at_ms, 0, 20000);
	assert_in_range(ledger.batches, 3000 / 64, 300); /* in batches, not one by one */
	turn_until_empty(world, 2000);
}

static void test_apid_dies_before_its_commit(void **state)
{
	struct world *world = *state;
	struct hs_bus *sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	struct ledger first = {.commits = true}, second = {.commits = true};

	open_apid(world, &first);
	for (int i = 1; i <= 10; i++)
		tell(sipd, i);
	assert_true(world_turn_until(world, &first.heard, 10, 2000));
	first.commits = false; /* these are heard, but lost with apid */
	for (int i = 11; i <= 20; i++)
		tell(sipd, i);
	assert_true(world_turn_until(world, &first.heard, 20, 2000));
	world_close(world, HS_ROLE_APID);
	tell(sipd, 21);
	second.epoch = first.epoch;
	second.committed = second.last = first.committed;
	second.number = 10;
	open_apid(world, &second);
	assert_true(world_turn_until(world, &second.heard, 11, 3000));
	assert_false(second.is_disordered);
	turn_until_empty(world, 2000);
}

/* Committed, but the word of it was lost: facts come again, nothing is heard twice, the journal gets empty. */
static void test_acknowledgement_is_lost(void **state)
{
	struct world *world = *state;
	struct hs_bus *sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	struct ledger first = {0}, second = {.commits = true};

	open_apid(world, &first);
	tell(sipd, 1);
	assert_true(world_turn_until(world, &first.heard, 1, 2000));
	world_close(world, HS_ROLE_APID);
	second.epoch = first.epoch;
	second.committed = second.last = 1;
	second.number = 1;
	open_apid(world, &second);
	turn_until_empty(world, 3000);
	assert_int_equal(second.heard, 0);
	tell(sipd, 2);
	assert_true(world_turn_until(world, &second.heard, 1, 2000));
	assert_false(second.is_disordered);
}

/* apid is slow to commit: everything is pushed again after half a second, and heard once. */
static void test_slow_commit(void **state)
{
	struct world *world = *state;
	struct hs_bus *sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	struct ledger ledger = {0};

	open_apid(world, &ledger);
	for (int i = 1; i <= 100; i++)
		tell(sipd, i);
	assert_true(world_turn_until(world, &ledger.heard, 100, 2000));
	world_turn_for(world, 1200);
	assert_int_equal(ledger.heard, 100);
	assert_int_equal(hs_journal_waiting(world->journals[HS_ROLE_SIPD]), 100);
	hs_bus_acknowledge(ledger.bus, HS_ROLE_SIPD, ledger.epoch, 100);
	turn_until_empty(world, 2000);
}

/* The source's process dies; its successor has the journal and goes on where it was. */
static void test_source_dies(void **state)
{
	struct world *world = *state;
	struct hs_bus *sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	struct ledger ledger = {.commits = true};

	open_apid(world, &ledger);
	tell(sipd, 1);
	assert_true(world_turn_until(world, &ledger.heard, 1, 2000));
	tell(sipd, 2);
	tell(sipd, 3);
	world_close(world, HS_ROLE_SIPD);
	sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	tell(sipd, 4);
	assert_true(world_turn_until(world, &ledger.heard, 4, 2000));
	assert_false(ledger.is_disordered);
	turn_until_empty(world, 2000);
}

/* All was acknowledged, and more than the window holds: its successor's first fact is heard, too. */
static void test_source_dies_late(void **state)
{
	struct world *world = *state;
	struct hs_bus *sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	struct ledger ledger = {.commits = true};

	open_apid(world, &ledger);
	for (int i = 1; i <= 1500; i++)
		tell(sipd, i);
	assert_true(world_turn_until(world, &ledger.heard, 1500, 10000));
	turn_until_empty(world, 5000);
	world_close(world, HS_ROLE_SIPD);
	sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	tell(sipd, 1501);
	assert_true(world_turn_until(world, &ledger.heard, 1501, 5000));
	assert_false(ledger.is_disordered);
	turn_until_empty(world, 5000);
}

static void test_full_journal(void **state)
{
	struct world *world = *state;
	struct hs_bus *sipd = world_open_with_journal(world, HS_ROLE_SIPD);
	struct ledger ledger = {.commits = true};
	int told = 0;

	while (tell(sipd, told + 1) == 0)
		told++;
	assert_in_range(told, 1000, 100000);
	assert_int_equal(tell(sipd, told + 1), -ENOSPC);
	open_apid(world, &ledger);
	assert_true(world_turn_until(world, &ledger.heard, told, 20000));
	turn_until_empty(world, 2000);
	assert_int_equal(tell(sipd, told + 1), 0);
	assert_true(world_turn_until(world, &ledger.heard, told + 1, 2000));
	assert_false(ledger.is_disordered);
}

static void send_batch(void *raw, uint64_t epoch, const char *const *facts, size_t count)
{
	AUTO(free)
	char *head = hs_printf("{\"v\":1,\"kind\":\"facts\",\"source\":\"sipd\",\"epoch\":%" PRIu64 "}", epoch);

	zmq_send(raw, head, strlen(head), ZMQ_SNDMORE);
	for (size_t i = 0; i < count; i++)
		zmq_send(raw, facts[i], strlen(facts[i]), i + 1 < count ? ZMQ_SNDMORE : 0);
}

#define FACT(seq, number)                                                                                              \
	"{\"seq\":" #seq ",\"type\":\"line.suspected\",\"at\":\"2026-01-01T00:00:00Z\",\"body\":{\"address\":\"a\","   \
	"\"failures\":" #number ",\"banned\":false}}"

/* A gap is not passed over, a repetition not heard again, a bad fact is counted and does not stop what follows. */
static void test_gap_repetition_and_nonsense(void **state)
{
	static const char *const first[] = {FACT(7, 1), FACT(8, 2)};
	static const char *const gap[] = {FACT(9, 3), FACT(11, 5)};
	static const char *const rest[] = {FACT(8, 2), FACT(9, 3), FACT(10, 4), FACT(11, 5)};
	static const char *const nonsense[] = {
		"{\"seq\":12,\"type\":\"media.closed\",\"at\":\"2026-01-01T00:00:00Z\",\"body\":{}}",
		"{\"seq\":13,\"type\":\"line.suspected\",\"at\":\"2026-01-01T00:00:00Z\",\"body\":{}}",
		FACT(14, 6),
	};
	static const char *const other_epoch[] = {FACT(1, 7)};
	struct world *world = *state;
	struct ledger ledger = {0};
	void *context, *raw;
	int64_t gaps = world_refused("gap"), invalid = world_refused("invalid");

	open_apid(world, &ledger);
	raw = world_raw(world, &context, ZMQ_DEALER, HS_ROLE_APID, HS_EDGE_REQUESTS, false);
	send_batch(raw, 5, first, HS_COUNT(first));
	send_batch(raw, 5, gap, HS_COUNT(gap));
	assert_true(world_turn_until(world, &ledger.heard, 3, 2000));
	world_turn_for(world, 20);
	assert_int_equal(ledger.heard, 3);
	assert_int_equal(world_refused("gap"), gaps + 1);
	send_batch(raw, 5, rest, HS_COUNT(rest));
	assert_true(world_turn_until(world, &ledger.heard, 5, 2000));
	send_batch(raw, 5, nonsense, HS_COUNT(nonsense));
	send_batch(raw, 6, other_epoch, HS_COUNT(other_epoch));
	world_turn_until(world, &ledger.heard, 7, 2000);
	assert_int_equal(ledger.heard, 7);
	assert_int_equal(ledger.number, 7);
	assert_int_equal(world_refused("invalid"), invalid + 2);
	zmq_close(raw);
	zmq_ctx_term(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order_and_trimmed, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_apid_dies_before_its_commit, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_acknowledgement_is_lost, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_slow_commit, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_source_dies, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_source_dies_late, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_full_journal, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_gap_repetition_and_nonsense, world_setup, world_teardown),
	};

	return cmocka_run_group_tests_name("bus_facts", tests, NULL, NULL);
}
