#include "check.h"
#include "cleanup.h"
#include "id.h"
#include "table.h"
#include <sys/wait.h>
#include <unistd.h>

static void has_its_form(void **state)
{
	char id[HS_ID_BYTES];

	hs_id_make('c', "1", id);
	assert_int_equal(strlen(id), 1 + 1 + 1 + 26);
	assert_memory_equal(id, "c1-", 3);
	assert_int_equal(strspn(id + 3, "0123456789abcdefghjkmnpqrstvwxyz"), 26);
	assert_true(hs_id_valid(id));
	hs_id_make('s', "node", id);
	assert_true(strlen(id) < HS_ID_GRANT_BYTES);
	hs_id_make('x', "a-mark-that-is-far-too-long-for-an-id-of-sixty-four-letters", id);
	assert_true(strlen(id) < HS_ID_BYTES);
	hs_id_make('x', NULL, id);
	assert_memory_equal(id, "x-", 2);
}

static void all_bits_are_random(void **state)
{
	struct hs_table *seen = hs_table_create();
	char letters[26][256] = {{0}};

	for (int i = 0; i < 5000; i++) {
		char id[HS_ID_BYTES];

		hs_id_make('c', "1", id);
		assert_null(hs_table_put(seen, id, seen));
		for (int k = 0; k < 26; k++)
			letters[k][(unsigned char)id[3 + k]] = 1;
	}
	for (int k = 0; k < 26; k++) {
		int different = 0;

		for (int c = 0; c < 256; c++)
			different += letters[k][c];
		assert_int_equal(different, k ? 32 : 8); /* 128 bits are 25 letters of 5 bits and one of 3 */
	}
	hs_table_destroy(seen);
}

/* A successor is a fork of its keeper: what is left of the keeper's stock must not be given out twice. */
static void a_fork_has_others(void **state)
{
	unsigned char ours[16], theirs[16];
	int ends[2], status;
	pid_t child;

	hs_random(ours, sizeof(ours));
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		hs_random(theirs, sizeof(theirs));
		_exit(write(ends[1], theirs, sizeof(theirs)) != sizeof(theirs));
	}
	assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	hs_random(ours, sizeof(ours));
	assert_memory_not_equal(ours, theirs, sizeof(ours));
	close(ends[0]);
	close(ends[1]);
}

static void large_and_small(void **state)
{
	unsigned char bytes[5000] = {0}, last[3] = {0};

	hs_random(bytes, sizeof(bytes));
	assert_memory_not_equal(bytes, bytes + 2500, 2500);
	for (int i = 0; i < 1000; i++) {
		hs_random(bytes, 16);
		assert_memory_not_equal(bytes, bytes + 16, 16);
		memcpy(bytes + 16, bytes, 16);
	}
	hs_random(last, 0);
	assert_int_equal(last[0], 0);
}

static void knows_an_id(void **state)
{
	char longest[HS_ID_BYTES + 1];

	memset(longest, 'a', sizeof(longest));
	longest[64] = 0;
	assert_true(hs_id_valid(longest));
	longest[64] = 'a';
	longest[65] = 0;
	assert_false(hs_id_valid(longest));
	assert_true(hs_id_valid("A-z_0.9~"));
	assert_false(hs_id_valid(""));
	assert_false(hs_id_valid(NULL));
	assert_false(hs_id_valid("a b"));
	assert_false(hs_id_valid("../x"));
	assert_false(hs_id_valid("\xc3\xa4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_its_form),      cmocka_unit_test(all_bits_are_random),
		cmocka_unit_test(a_fork_has_others), cmocka_unit_test(large_and_small),
		cmocka_unit_test(knows_an_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
