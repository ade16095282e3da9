/* An event in hand outlives who took it, and is told once. */
#include "journal.h"
#include "taking.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FLASH 3

/* What dies leaves only the journal; a successor opens the same. */
static struct taking successor(struct hs_journal *journal)
{
	struct taking taking;

	taking_open(&taking, journal, "phone1");
	return taking;
}

static void tell(struct hs_journal *journal)
{
	uint64_t seq;

	assert_int_equal(hs_journal_append(journal, "{}", 2, &seq), 0);
}

static struct hs_journal *begin(void)
{
	struct hs_journal *journal = hs_journal_open(NULL, 65536);

	assert_non_null(journal);
	tell(journal);
	return journal;
}

static void test_died_before_it_was_told(void **state)
{
	struct hs_journal *journal = begin();
	struct taking taking = successor(journal);

	assert_int_equal(taking_left(&taking), 0);
	*taking_begin(&taking) = FLASH;
	taking = successor(journal);
	assert_int_equal(taking_left(&taking), FLASH);
	taking_end(&taking);
	taking = successor(journal);
	assert_int_equal(taking_left(&taking), 0);
	hs_journal_close(journal);
}

static void test_died_after_it_was_told(void **state)
{
	struct hs_journal *journal = begin();
	struct taking taking = successor(journal);

	*taking_begin(&taking) = FLASH;
	tell(journal);
	taking = successor(journal);
	assert_int_equal(taking_left(&taking), 0);
	hs_journal_close(journal);
}

static void test_died_before_the_driver_wrote(void **state)
{
	struct hs_journal *journal = begin();
	struct taking taking = successor(journal);

	*taking_begin(&taking) = FLASH;
	taking_end(&taking);
	taking_begin(&taking);
	taking = successor(journal);
	assert_int_equal(taking_left(&taking), 0);
	hs_journal_close(journal);
}

/* Facts of other lines, told by a successor that died, too, were not about it. */
static void test_died_twice(void **state)
{
	struct hs_journal *journal = begin();
	struct taking taking = successor(journal);

	*taking_begin(&taking) = FLASH;
	successor(journal);
	tell(journal);
	taking = successor(journal);
	tell(journal);
	assert_int_equal(taking_left(&taking), FLASH);
	taking = successor(journal);
	assert_int_equal(taking_left(&taking), FLASH);
	tell(journal);
	taking = successor(journal);
	assert_int_equal(taking_left(&taking), 0);
	hs_journal_close(journal);
}

static void test_each_line_has_its_own(void **state)
{
	struct hs_journal *journal = begin();
	struct taking one = successor(journal), other;

	taking_open(&other, journal, "phone2");
	*taking_begin(&one) = FLASH;
	taking_open(&other, journal, "phone2");
	assert_int_equal(taking_left(&other), 0);
	hs_journal_close(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_died_before_it_was_told),      cmocka_unit_test(test_died_after_it_was_told),
		cmocka_unit_test(test_died_before_the_driver_wrote), cmocka_unit_test(test_died_twice),
		cmocka_unit_test(test_each_line_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
