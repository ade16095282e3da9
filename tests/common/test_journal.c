/* The journal against its own promise: what was acknowledged before a kill -9 is there, and nothing is torn. A child
 * works on a journal and notes in shared memory what it is about to do and what it has done; the parent kills it at
 * some instruction, opens what is left and compares. */
#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "journal.h"
#include "keep.h"
#include "log.h"
#include "pulse.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RING 16384
#define KEYS 12
#define LARGEST 3000
#define KILLS 3000
#define KILLS_MS 4000

/* ---- a journal outside of a keeper ---- */

/* Opens the journal in fd as a successor would; -1 makes a new one and tells its descriptor. */
static struct hs_journal *open_journal(int fd, int *ret_fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct hs_keep_message message;
	struct iovec part = {&message, sizeof(message)};
	struct msghdr packet = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct hs_journal *journal;
	struct hs_keep *keep;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	keep = hs_keep_create(pair[1], fd >= 0);
	if (fd >= 0)
		hs_keep_leave(keep, "journal", dup(fd));
	journal = hs_journal_open(keep, RING);
	assert_non_null(journal);
	if (ret_fd && recvmsg(pair[0], &packet, MSG_DONTWAIT) > 0) {
		assert_string_equal(message.name, "journal");
		memcpy(ret_fd, CMSG_DATA(&control.head), sizeof(*ret_fd));
	}
	hs_keep_destroy(keep);
	close(pair[0]);
	return journal;
}

/* Contents that follow from a number, so that everybody knows what must stand there. */
static size_t fill(uint64_t number, uint8_t *ret_bytes)
{
	size_t count = number * 2654435761U % LARGEST;

	for (size_t i = 0; i < count; i++)
		ret_bytes[i] = (uint8_t)(number + i * (number | 1));
	return count;
}

static bool is_filled(uint64_t number, const void *data, size_t bytes)
{
	uint8_t wanted[LARGEST];

	return bytes == fill(number, wanted) && memcmp(data, wanted, bytes) == 0;
}

/* ---- plain behaviour ---- */

static void appends_and_trims(void **state)
{
	struct hs_journal *journal = hs_journal_open(NULL, RING);
	uint64_t seq = 0, epoch = hs_journal_epoch(journal), after = 0;
	size_t used, size, bytes, count = 0;
	const void *data;

	assert_true(epoch > 0 && epoch < UINT64_C(1) << 53);
	assert_false(hs_journal_next(journal, 0, &seq, &data, &bytes));
	for (uint64_t i = 1; i <= 100; i++) {
		assert_int_equal(hs_journal_append(journal, "0123456789", i % 10, &seq), 0);
		assert_int_equal(seq, i);
	}
	assert_int_equal(hs_journal_waiting(journal), 100);
	while (hs_journal_next(journal, after, &seq, &data, &bytes)) {
		assert_int_equal(seq, after + 1);
		assert_int_equal(bytes, seq % 10);
		assert_memory_equal(data, "0123456789", bytes);
		after = seq;
		count++;
	}
	assert_int_equal(count, 100);
	assert_true(hs_journal_next(journal, 41, &seq, &data, &bytes)); /* back again */
	assert_int_equal(seq, 42);
	hs_journal_trim(journal, 42);
	assert_int_equal(hs_journal_waiting(journal), 58);
	assert_int_equal(hs_journal_forgotten(journal), 42);
	assert_int_equal(hs_journal_newest(journal), 100);
	assert_true(hs_journal_next(journal, 0, &seq, &data, &bytes));
	assert_int_equal(seq, 43);
	hs_journal_trim(journal, 1000000);
	hs_journal_fill(journal, &used, &size);
	assert_int_equal(used, 0);
	assert_int_equal(size, RING);
	assert_int_equal(hs_journal_append(journal, NULL, 0, &seq), 0);
	assert_int_equal(seq, 101); /* numbers go on */
	hs_journal_close(journal);
}

static void says_when_it_is_full(void **state)
{
	static const uint8_t large[70000];
	struct hs_journal *journal = hs_journal_open(NULL, RING);
	uint64_t seq;
	int result, count = 0;

	assert_int_equal(hs_journal_append(journal, large, sizeof(large), &seq), -EMSGSIZE);
	assert_int_equal(hs_journal_append(journal, large, RING, &seq), -EMSGSIZE);
	while ((result = hs_journal_append(journal, large, 1000, &seq)) == 0)
		count++;
	assert_int_equal(result, -ENOSPC);
	assert_int_equal(count, RING / 1024);
	hs_journal_trim(journal, 1);
	assert_int_equal(hs_journal_append(journal, large, 1000, &seq), 0);
	assert_int_equal(seq, count + 1);
	hs_journal_close(journal);
}

struct seen {
	struct hs_journal *journal;
	const char *drop;
	int count;
	size_t bytes;
};

static void see(void *context, const char *key, const void *value, size_t bytes)
{
	struct seen *seen = context;

	seen->count++;
	seen->bytes += bytes;
	if (seen->drop && strcmp(seen->drop, key) == 0)
		hs_journal_drop(seen->journal, key);
}

static struct seen look(struct hs_journal *journal, const char *prefix, const char *drop)
{
	struct seen seen = {journal, drop, 0, 0};

	hs_journal_each(journal, prefix, see, &seen);
	return seen;
}

static void keeps_records(void **state)
{
	static const uint8_t large[HS_JOURNAL_VALUE + 1];
	char key[HS_JOURNAL_KEY + 1];
	int fd = -1;
	struct hs_journal *journal = open_journal(-1, &fd);

	memset(key, 'k', sizeof(key));
	key[HS_JOURNAL_KEY] = 0;
	assert_int_equal(hs_journal_put(journal, key, "", 0), -EINVAL);
	key[HS_JOURNAL_KEY - 1] = 0;
	assert_int_equal(hs_journal_put(journal, key, "", 0), 0);
	assert_int_equal(hs_journal_put(journal, "", "", 0), -EINVAL);
	assert_int_equal(hs_journal_put(journal, NULL, "", 0), -EINVAL);
	assert_int_equal(hs_journal_put(journal, "a", large, sizeof(large)), -EMSGSIZE);
	assert_int_equal(hs_journal_put(journal, "a/1", large, HS_JOURNAL_VALUE), 0);
	assert_int_equal(hs_journal_put(journal, "a/2", "xyz", 3), 0);
	assert_int_equal(hs_journal_put(journal, "a/1", "short", 5), 0);
	assert_int_equal(look(journal, "", NULL).count, 3);
	assert_int_equal(look(journal, "a/", NULL).bytes, 8);
	assert_int_equal(look(journal, "a/", "a/1").count, 2);
	hs_journal_drop(journal, "unknown");
	hs_journal_close(journal);
	journal = open_journal(fd, NULL);
	assert_int_equal(look(journal, "", NULL).count, 2);
	assert_int_equal(look(journal, "a/", NULL).bytes, 3);
	hs_journal_close(journal);
	close(fd);
}

/* Written in place: as death left it, and never mistaken for what was put. */
static void live_records_are_written_in_place(void **state)
{
	int fd = -1;
	struct hs_journal *journal = open_journal(-1, &fd);
	uint32_t *numbers = hs_journal_live(journal, "live/1", 2000);

	assert_non_null(numbers);
	for (size_t i = 0; i < 500; i++)
		assert_int_equal(numbers[i], 0);
	numbers[0] = 7;
	assert_ptr_equal(hs_journal_live(journal, "live/1", 2000), numbers);
	assert_null(hs_journal_live(journal, "live/1", 1999));
	assert_null(hs_journal_live(journal, "", 8));
	assert_null(hs_journal_live(journal, "live/2", HS_JOURNAL_VALUE + 1));
	assert_int_equal(hs_journal_put(journal, "put/1", "abc", 3), 0);
	assert_null(hs_journal_live(journal, "put/1", 3));
	numbers[499] = 9;
	hs_journal_close(journal);
	journal = open_journal(fd, NULL);
	assert_true(hs_journal_is_found(journal));
	assert_int_equal(look(journal, "", NULL).count, 2);
	numbers = hs_journal_live(journal, "live/1", 2000);
	assert_int_equal(numbers[0] + numbers[499], 16);
	hs_journal_drop(journal, "live/1");
	numbers = hs_journal_live(journal, "live/1", 2000);
	assert_int_equal(numbers[0] + numbers[499], 0);
	assert_int_equal(hs_journal_put(journal, "live/1", "now it is put", 13), 0);
	hs_journal_close(journal);
	journal = open_journal(fd, NULL);
	assert_null(hs_journal_live(journal, "live/1", 13));
	assert_int_equal(look(journal, "live/", NULL).bytes, 13);
	hs_journal_close(journal);
	close(fd);
}

static void see_nothing(void *context, const char *key, const void *value, size_t bytes)
{
	struct seen *seen = context;

	seen->count++;
	seen->bytes += bytes;
	assert_string_equal(key, "bad/1");
}

/* Three of us die while they visit it; the fourth is told, and finds it kept elsewhere. */
static void poison_is_set_aside(void **state)
{
	int fd = -1;
	struct hs_journal *journal = open_journal(-1, &fd);
	struct seen seen = {journal, NULL, 0, 0};

	assert_int_equal(hs_journal_put(journal, "bad/1", "abc", 3), 0);
	assert_int_equal(hs_pulse_create(), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(hs_pulse_work("bad/1", 0));
		hs_pulse_mourn(false);
	}
	hs_journal_each(journal, "bad/", see_nothing, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.bytes, 0);
	assert_int_equal(look(journal, "bad/", NULL).count, 0);
	assert_int_equal(look(journal, "poison/", NULL).bytes, 3);
	hs_journal_close(journal);
	close(fd);
}

static void records_have_an_end(void **state)
{
	static const uint8_t large[HS_JOURNAL_VALUE];
	struct hs_journal *journal = hs_journal_open(NULL, RING);
	int count = 0, result;
	char key[32];

	do {
		snprintf(key, sizeof(key), "key/%d", count);
		result = hs_journal_put(journal, key, large, sizeof(large));
		count += result == 0;
	} while (result == 0);
	assert_int_equal(result, -ENOSPC);
	assert_true(count > 1900 && count < 2048); /* of 64 MiB */
	hs_journal_drop(journal, "key/7");
	assert_int_equal(hs_journal_put(journal, "another", large, sizeof(large)), 0);
	assert_int_equal(hs_journal_put(journal, "another", large, sizeof(large)),
			 -ENOSPC); /* no room beside the old */
	assert_int_equal(look(journal, "", NULL).count, count);
	hs_journal_close(journal);
}

/* ---- death ---- */

struct ledger {
	_Atomic uint64_t steps;
	_Atomic uint64_t appended, trimming, trimmed; /* seq */
	_Atomic uint64_t begun[KEYS], done[KEYS];     /* version of each record; odd: it was put, even: dropped */
};

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void put_or_drop(struct hs_journal *journal, struct ledger *ledger, uint64_t choice)
{
	unsigned i = choice % KEYS;
	uint64_t version = ledger->done[i] + 1;
	uint8_t bytes[LARGEST];
	char key[16];
	size_t count;

	snprintf(key, sizeof(key), "key/%u", i);
	if (version % 2 == 0 && choice >> 8 & 3)
		version++; /* mostly put a new version over the old one */
	ledger->begun[i] = version;
	if (version % 2) {
		count = fill(version * KEYS + i, bytes);
		if (hs_journal_put(journal, key, bytes, count) != 0)
			_exit(3);
	} else {
		hs_journal_drop(journal, key);
	}
	ledger->done[i] = version;
}

static void append_or_trim(struct hs_journal *journal, struct ledger *ledger, uint64_t choice)
{
	uint8_t bytes[LARGEST];
	uint64_t seq;
	size_t count = fill(ledger->appended + 1, bytes);

	if (choice >> 8 & 7 && hs_journal_append(journal, bytes, count, &seq) == 0) {
		if (seq != ledger->appended + 1)
			_exit(4);
		ledger->appended = seq;
		return;
	}
	seq = ledger->trimmed + (ledger->appended - ledger->trimmed) * (choice >> 16 & 3) / 3;
	ledger->trimming = seq;
	hs_journal_trim(journal, seq);
	ledger->trimmed = seq;
}

static void work(struct hs_journal *journal, struct ledger *ledger, uint64_t seed)
{
	for (;; ledger->steps++) {
		uint64_t choice = random_next(&seed);

		if (choice >> 40 & 1)
			put_or_drop(journal, ledger, choice);
		else
			append_or_trim(journal, ledger, choice);
	}
}

static void check_facts(struct hs_journal *journal, struct ledger *ledger)
{
	uint64_t seq, expected = 0;
	const void *data;
	size_t bytes, count = 0;

	for (uint64_t after = 0; hs_journal_next(journal, after, &seq, &data, &bytes); after = seq, count++) {
		if (expected == 0) /* a trim that was begun may have happened */
			assert_true(seq == ledger->trimmed + 1 || seq == ledger->trimming + 1);
		else
			assert_int_equal(seq, expected);
		assert_true(is_filled(seq, data, bytes));
		expected = seq + 1;
	}
	assert_int_equal(count, hs_journal_waiting(journal));
	if (count == 0)
		assert_true(ledger->trimmed == ledger->appended || ledger->trimming >= ledger->appended);
	else
		assert_true(expected == ledger->appended + 1 || expected == ledger->appended + 2);
	/* What was there but not acknowledged counts from now on. */
	if (count)
		ledger->appended = expected - 1;
	ledger->trimmed = ledger->trimming = ledger->appended - count;
}

struct check {
	struct ledger *ledger;
	bool there[KEYS];
};

static void check_record(void *context, const char *key, const void *value, size_t bytes)
{
	struct check *check = context;
	unsigned i = (unsigned)strtoul(key + 4, NULL, 10);
	uint64_t begun = check->ledger->begun[i], done = check->ledger->done[i];

	assert_false(check->there[i]);
	check->there[i] = true;
	if (done % 2 && is_filled(done * KEYS + i, value, bytes))
		check->ledger->begun[i] = done;
	else if (begun % 2 && is_filled(begun * KEYS + i, value, bytes))
		check->ledger->done[i] = begun;
	else
		fail_msg("record %u is neither version %llu nor %llu", i, (unsigned long long)done,
			 (unsigned long long)begun);
}

static void check_records(struct hs_journal *journal, struct ledger *ledger)
{
	struct check check = {.ledger = ledger};

	hs_journal_each(journal, "key/", check_record, &check);
	for (int i = 0; i < KEYS; i++) {
		if (check.there[i])
			continue;
		assert_true(ledger->done[i] % 2 == 0 || ledger->begun[i] % 2 == 0);
		/* Gone, or never come: go on from an even version that was not used. */
		ledger->begun[i] = ledger->done[i] = (ledger->begun[i] + 1) & ~UINT64_C(1);
	}
}

static void survives_death_at_any_point(void **state)
{
	struct ledger *ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t until = hs_clock_ms() + KILLS_MS;
	uint64_t seed = 88172645463325252, epoch;
	int fd = -1, kills = 0;
	struct hs_journal *journal = open_journal(-1, &fd);

	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	epoch = hs_journal_epoch(journal);
	for (; kills < KILLS && hs_clock_ms() < until; kills++) {
		uint64_t steps = ledger->steps + random_next(&seed) % 64, spin = random_next(&seed) % 4096;
		pid_t child = fork();
		int status;

		if (child == 0)
			work(journal, ledger, random_next(&seed));
		while (ledger->steps < steps && waitpid(child, &status, WNOHANG) == 0)
			;
		for (volatile uint64_t i = 0; i < spin; i++)
			;
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status));
		hs_journal_close(journal);
		journal = open_journal(fd, NULL);
		assert_int_equal(hs_journal_epoch(journal), epoch);
		check_facts(journal, ledger);
		check_records(journal, ledger);
	}
	print_message("%d kills\n", kills);
	assert_true(kills > 20);
	hs_journal_close(journal);
	close(fd);
	munmap(ledger, sizeof(*ledger));
}

/* ---- damage ---- */

static void expect_whole(void *context, const char *key, const void *value, size_t bytes)
{
	assert_true(is_filled(strtoull(key, NULL, 10), value, bytes));
}

/* Random bytes are changed in head, ring and records: what comes out is whole or does not come out. */
static void never_trusts_damage(void **state)
{
	uint64_t seed = 42;

	hs_log_set_level((enum hs_log_level)HS_LOG_LEVEL_ERROR);
	for (int round = 0; round < 300; round++) {
		struct hs_journal *journal;
		uint8_t bytes[LARGEST], *memory;
		uint64_t seq, after = 0;
		const void *data;
		size_t count;
		int fd = -1;

		journal = open_journal(-1, &fd);
		for (uint64_t i = 1; i <= 10; i++) {
			char key[16];

			count = fill(i, bytes) % 1000;
			assert_int_equal(hs_journal_append(journal, bytes, count, &seq), 0);
			snprintf(key, sizeof(key), "%d", (int)i);
			count = fill(i, bytes);
			assert_int_equal(hs_journal_put(journal, key, bytes, count), 0);
		}
		hs_journal_close(journal);
		memory = mmap(NULL, 4096 + RING + 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		for (int i = round % 20; i >= 0; i--) {
			size_t part = random_next(&seed) % 3;
			size_t at = part == 0   ? 32 + random_next(&seed) % 40
				    : part == 1 ? 4096 + random_next(&seed) % RING
						: 4096 + RING + random_next(&seed) % 30000;

			memory[at] = (uint8_t)random_next(&seed);
		}
		munmap(memory, 4096 + RING + 65536);
		journal = open_journal(fd, NULL);
		while (hs_journal_next(journal, after, &seq, &data, &count)) {
			assert_true(seq > after && seq <= 10);
			assert_int_equal(count, fill(seq, bytes) % 1000);
			assert_memory_equal(data, bytes, count);
			after = seq;
		}
		hs_journal_each(journal, "", expect_whole, NULL);
		assert_int_equal(hs_journal_append(journal, bytes, 100, &seq), 0);
		assert_true(seq > after);
		assert_int_equal(hs_journal_put(journal, "1", bytes, fill(1, bytes)), 0);
		hs_journal_close(journal);
		close(fd);
	}
}

/* A value that looks like a record must not become one when its own record is gone. */
static void a_value_cannot_pose_as_a_record(void **state)
{
	uint8_t *memory, copy[HS_JOURNAL_VALUE] = {0};
	struct hs_journal *journal;
	int fd = -1;

	journal = open_journal(-1, &fd);
	assert_int_equal(hs_journal_put(journal, "real", "value", 5), 0);
	memory = mmap(NULL, 4096 + RING + 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (size_t i = 0; i + 512 <= sizeof(copy); i += 8) /* one of these lies on a block's begin */
		memcpy(copy + i, memory + 4096 + RING, 8);
	assert_int_equal(hs_journal_put(journal, "forger", copy, sizeof(copy)), 0);
	memcpy(copy + 512 - 128, memory + 4096 + RING, 512);
	assert_int_equal(hs_journal_put(journal, "forger", copy, sizeof(copy)), 0);
	hs_journal_drop(journal, "forger");
	hs_journal_drop(journal, "real");
	munmap(memory, 4096 + RING + 65536);
	hs_journal_close(journal);
	journal = open_journal(fd, NULL);
	assert_int_equal(look(journal, "", NULL).count, 0);
	hs_journal_close(journal);
	close(fd);
}

static void begins_anew_over_rubbish(void **state)
{
	int fd = memfd_create("rubbish", 0);
	struct hs_journal *journal;
	uint64_t seq;

	assert_int_equal(write(fd, "rubbish", 7), 7);
	journal = open_journal(fd, NULL);
	assert_int_equal(hs_journal_append(journal, "x", 1, &seq), 0);
	assert_int_equal(seq, 1);
	hs_journal_close(journal);
	assert_int_equal(ftruncate(fd, 100 << 20), 0);
	journal = open_journal(fd, NULL);
	hs_journal_close(journal);
	close(fd);
}

/* ---- a ring alone, in a file ---- */

static void file_outlives_all(void **state)
{
	AUTO(free) char *folder = make_folder();
	AUTO(free) char *path = hs_printf("%s/ring", folder);
	struct hs_journal *journal;
	const void *data;
	uint64_t seq, epoch;
	size_t bytes;

	assert_null(hs_journal_find_file(path));
	assert_int_equal(errno, ENOENT);
	journal = hs_journal_make_file(path, RING);
	assert_non_null(journal);
	epoch = hs_journal_epoch(journal);
	assert_int_equal(hs_journal_append(journal, "one", 3, NULL), 0);
	assert_int_equal(hs_journal_append(journal, "two", 3, NULL), 0);
	hs_journal_trim(journal, 1);
	assert_int_equal(hs_journal_put(journal, "key", "value", 5), -ENOSPC);
	hs_journal_drop(journal, "key");
	hs_journal_close(journal);
	journal = hs_journal_find_file(path);
	assert_non_null(journal);
	assert_true(hs_journal_epoch(journal) == epoch);
	assert_true(hs_journal_next(journal, 0, &seq, &data, &bytes));
	assert_int_equal(seq, 2);
	assert_memory_equal(data, "two", 3);
	hs_journal_close(journal);
	journal = hs_journal_make_file(path, RING); /* another one takes its place */
	assert_true(hs_journal_epoch(journal) != epoch);
	assert_int_equal(hs_journal_waiting(journal), 0);
	hs_journal_close(journal);
	assert_int_equal(truncate(path, RING), 0);
	assert_null(hs_journal_find_file(path));
	assert_int_equal(errno, EPROTO);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_and_trims),
		cmocka_unit_test(file_outlives_all),
		cmocka_unit_test(says_when_it_is_full),
		cmocka_unit_test(keeps_records),
		cmocka_unit_test(live_records_are_written_in_place),
		cmocka_unit_test(poison_is_set_aside),
		cmocka_unit_test(records_have_an_end),
		cmocka_unit_test(survives_death_at_any_point),
		cmocka_unit_test(never_trusts_damage),
		cmocka_unit_test(a_value_cannot_pose_as_a_record),
		cmocka_unit_test(begins_anew_over_rubbish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
