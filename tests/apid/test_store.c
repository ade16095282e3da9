/* The store between telling and committing: what was told is found again wherever death cuts, drawing writes together
 * changes nothing, and a full disk delays but never loses. */
#include "../common/check.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "store.h"
#include "store_batch.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define FILES 4
#define FILES_KEPT 3 /* the last one is made anew */
#define CUT_EVERY 5  /* bytes */
#define TRIALS 40

static const char *const files[FILES] = {"apid.db", "apid.db-wal", "redo", "apid.db-shm"};

/* A store on a loop that only turns when told. */
struct den {
	uv_loop_t loop;
	char *folder;
	struct store *store;
	enum hs_durability durability;
	int64_t told; /* number of the last turn whose after ran */
	int troubles, recoveries;
};

static void troubled(void *context, const char *why)
{
	struct den *den = context;

	if (why)
		den->troubles++;
	else
		den->recoveries++;
}

static void turn(void *context)
{
}

static void open_den(struct den *den)
{
	struct store_setup setup = {&den->loop, NULL, den->durability, troubled, turn, den};

	if (!den->folder)
		den->folder = make_folder();
	setup.folder = den->folder;
	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	assert_int_equal(uv_loop_init(&den->loop), 0);
	den->store = store_create(&setup);
	assert_non_null(den->store);
}

static void close_den(struct den *den)
{
	store_destroy(den->store);
	uv_run(&den->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&den->loop), 0);
}

static char *path_in(const char *folder, const char *name)
{
	return hs_printf("%s/%s", folder, name);
}

static void remove_folder(char *folder)
{
	for (size_t i = 0; i < FILES; i++) {
		AUTO(free) char *path = path_in(folder, files[i]);

		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
	free(folder);
}

static void end_den(struct den *den)
{
	close_den(den);
	remove_folder(den->folder);
}

static void turn_loop(struct den *den)
{
	for (int i = 0; i < 2; i++)
		uv_run(&den->loop, UV_RUN_NOWAIT);
}

struct note {
	struct den *den;
	int64_t number;
};

static void tell(void *context)
{
	AUTO(free) struct note *note = context;

	assert_int_equal(note->number, note->den->told + 1); /* in order, none left out */
	note->den->told = note->number;
}

static void tell_turn(struct den *den, int64_t number)
{
	struct note *note = hs_zalloc(sizeof(*note));

	*note = (struct note){den, number};
	store_after(den->store, tell, note);
}

/* A turn: one more event, and the cursor moves on to it. */
static void write_turn(struct den *den, int64_t number, const char *body)
{
	store_write(den->store, STORE_EVENT_ADD, STORE_V_INT(number), STORE_V_INT(1000), STORE_V_TEXT("dtmf"),
		    STORE_V_TEXT(NULL), STORE_V_TEXT(NULL), STORE_V_INT(0), STORE_V_TEXT(body));
	store_write(den->store, STORE_CURSOR_PUT, STORE_V_TEXT("sipd"), STORE_V_INT(7), STORE_V_INT(number));
	tell_turn(den, number);
	turn_loop(den);
}

static bool see_number(void *context, const struct store_row *row)
{
	*(int64_t *)context = store_int(row, 2);
	return false;
}

static bool see_bounds(void *context, const struct store_row *row)
{
	*(int64_t *)context = store_int(row, 1);
	return false;
}

/* Number of the last turn that is in the database, events and cursor alike. */
static int64_t last_turn(struct den *den)
{
	struct store_reader *reader = store_at_start(den->store);
	int64_t cursor = 0, event = 0;

	assert_non_null(reader);
	assert_int_equal(store_query(reader, STORE_CURSORS, NULL, 0, see_number, &cursor), 0);
	assert_int_equal(store_query(reader, STORE_EVENTS_BOUNDS, NULL, 0, see_bounds, &event), 0);
	assert_int_equal(cursor, event);
	return event;
}

/* ---- death ---- */

static void copy_file(const char *from_folder, const char *to_folder, const char *name)
{
	AUTO(free) char *from = path_in(from_folder, name);
	AUTO(free) char *to = path_in(to_folder, name);
	AUTO(close) int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO(close) int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char block[65536];
	ssize_t bytes;

	assert_true(in >= 0 && out >= 0);
	while ((bytes = read(in, block, sizeof(block))) > 0)
		assert_int_equal(write(out, block, (size_t)bytes), bytes);
}

/* What a successor finds after kill -9 at this moment: the files, as the kernel has them. */
static char *cut(const struct den *den)
{
	char *folder = make_folder();

	for (size_t i = 0; i < FILES_KEPT; i++) {
		AUTO(free) char *path = path_in(den->folder, files[i]);

		if (access(path, F_OK) == 0)
			copy_file(den->folder, folder, files[i]);
	}
	return folder;
}

static int64_t found_in(char *folder)
{
	struct den successor = {.folder = folder, .durability = HS_DURABILITY_GROUP};
	int64_t last;

	open_den(&successor);
	last = last_turn(&successor);
	close_den(&successor);
	return last;
}

static void told_is_found(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};
	char *before, *between;

	open_den(&den);
	for (int64_t i = 1; i <= 9; i++)
		write_turn(&den, i, "{}");
	assert_int_equal(den.told, 9);
	before = cut(&den); /* told, nothing committed */
	assert_int_equal(store_commit(den.store), 0);
	between = cut(&den);
	assert_int_equal(found_in(between), 9);
	write_turn(&den, 10, "{}");
	assert_int_equal(store_commit(den.store), 0);
	copy_file(den.folder, between, "apid.db");
	copy_file(den.folder, between, "apid.db-wal");
	copy_file(before, between, "redo"); /* committed, not yet trimmed */
	assert_int_equal(found_in(between), 10);
	assert_int_equal(found_in(before), 9);
	assert_int_equal(found_in(before), 9); /* and its successor's successor */
	remove_folder(before);
	remove_folder(between);
	end_den(&den);
}

/* Overwrites a byte of the ring of a copy. false: the place holds nothing. */
static bool damage(const char *folder, off_t place)
{
	AUTO(free) char *path = path_in(folder, "redo");
	AUTO(close) int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte = 0;

	assert_int_equal(pread(fd, &byte, 1, place), 1);
	if (byte == 0)
		return false;
	byte ^= 0x5a;
	assert_int_equal(pwrite(fd, &byte, 1, place), 1);
	return true;
}

/* Wherever the ring is damaged: the turns before it are found whole, and none after it. */
static void torn_ring(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};
	off_t last = 0;

	open_den(&den);
	for (int64_t i = 1; i <= 6; i++)
		write_turn(&den, i, "{\"some\":\"words to tear\"}");
	for (off_t place = 4096; place < 4096 + 6 * 400; place += CUT_EVERY) {
		char *folder = cut(&den);

		if (damage(folder, place)) {
			int64_t found = found_in(folder);

			assert_in_range(found, last, 6);
			last = found < 6 ? found : last;
		}
		remove_folder(folder);
	}
	assert_int_equal(last, 5);
	end_den(&den);
}

static void other_ring(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP}, full = {.durability = HS_DURABILITY_FULL};
	char *old, *young;

	open_den(&den);
	write_turn(&den, 1, "{}");
	old = cut(&den);
	close_den(&den);
	open_den(&den); /* a ring of its own */
	write_turn(&den, 2, "{}");
	young = cut(&den);
	copy_file(old, young, "redo");
	assert_int_equal(found_in(young), 1); /* the database knows nothing of that ring any more */
	full.folder = old;                    /* and without a ring what was told before is found as well */
	open_den(&full);
	assert_int_equal(last_turn(&full), 1);
	end_den(&full);
	remove_folder(young);
	end_den(&den);
}

/* ---- too much for the ring ---- */

static void big_turn(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};
	AUTO(free) char *body = hs_zalloc(100001);
	char *copy;

	memset(body, 'x', 100000);
	open_den(&den);
	write_turn(&den, 1, "{}");
	write_turn(&den, 2, body); /* no room in a record: committed before it is told */
	assert_int_equal(den.told, 2);
	copy = cut(&den);
	assert_int_equal(found_in(copy), 2);
	remove_folder(copy);
	write_turn(&den, 3, "{}");
	assert_int_equal(den.told, 3);
	assert_int_equal(last_turn(&den), 3);
	end_den(&den);
}

static void full_tells_after_the_disk(void **state)
{
	struct den den = {.durability = HS_DURABILITY_FULL};
	AUTO(free) char *ring = NULL;

	open_den(&den);
	ring = path_in(den.folder, "redo");
	assert_int_not_equal(access(ring, F_OK), 0);
	for (int64_t i = 1; i <= 3; i++) {
		char *copy;

		write_turn(&den, i, "{}");
		while (den.told < i)
			uv_run(&den.loop, UV_RUN_ONCE);
		copy = cut(&den);
		assert_int_equal(found_in(copy), i);
		remove_folder(copy);
	}
	end_den(&den);
}

/* ---- a full disk ---- */

static void let_files_grow(bool may)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = may ? limit.rlim_max : 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void wait_until_well(struct den *den)
{
	while (!store_is_well(den->store))
		uv_run(&den->loop, UV_RUN_ONCE);
}

static void full_disk(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};
	AUTO(free) char *body = hs_zalloc(30001);
	int64_t number = 0, in_ring;
	char *copy;

	memset(body, 'x', 30000);
	signal(SIGXFSZ, SIG_IGN);
	open_den(&den);
	write_turn(&den, ++number, "{}");
	let_files_grow(false);
	assert_int_equal(store_commit(den.store), -EIO);
	assert_int_equal(den.troubles, 1);
	assert_false(store_is_well(den.store)); /* so that new work is refused */
	do {                                    /* what is up goes on, as long as the ring has room */
		in_ring = den.told;
		write_turn(&den, ++number, body);
	} while (den.told == number);
	for (int i = 0; i < 5; i++)
		write_turn(&den, ++number, body);
	assert_int_equal(den.told, in_ring); /* the ring is full: nothing more is told */
	assert_true(in_ring > 100);
	let_files_grow(true);
	copy = cut(&den);
	assert_int_equal(found_in(copy), in_ring);
	remove_folder(copy);
	wait_until_well(&den);
	turn_loop(&den);
	assert_int_equal(den.told, number);
	assert_int_equal(den.recoveries, 1);
	assert_int_equal(last_turn(&den), number);
	write_turn(&den, ++number, "{}");
	assert_int_equal(den.told, number);
	end_den(&den);
}

static void read_nothing(void *context, struct store_reader *reader)
{
}

static void read_ended(void *context, int error)
{
	*(int *)context = error;
}

/* The database cannot take what was told, so that nothing of it can be read; but nobody waits for ever. */
static void reads_on_a_full_disk(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};
	int late = 1, patient = 1;
	struct store_job job = {STORE_LONG, hs_clock_ms() + 20, read_nothing, read_ended, &late};

	open_den(&den);
	assert_int_equal(store_commit(den.store), 0);
	let_files_grow(false);
	write_turn(&den, 1, "{}");
	store_read(den.store, &job);
	job.deadline_at = 0;
	job.context = &patient;
	store_read(den.store, &job);
	for (int64_t until = hs_clock_ms() + 5000; late == 1 && hs_clock_ms() < until;)
		uv_run(&den.loop, UV_RUN_ONCE);
	assert_int_equal(late, -ETIMEDOUT);
	assert_int_equal(patient, 1);
	let_files_grow(true);
	wait_until_well(&den);
	while (patient == 1)
		uv_run(&den.loop, UV_RUN_ONCE);
	assert_int_equal(patient, 0);
	end_den(&den);
}

/* Stopped while the disk is full: the ring stays for the successor. */
static void stopped_on_a_full_disk(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};

	open_den(&den);
	assert_int_equal(store_commit(den.store), 0);
	write_turn(&den, 1, "{}");
	let_files_grow(false);
	close_den(&den);
	let_files_grow(true);
	den.told = 0;
	open_den(&den);
	assert_int_equal(last_turn(&den), 1);
	end_den(&den);
}

/* Bytes of the files of a folder. */
static long bytes_in(const char *folder)
{
	long bytes = 0;

	for (size_t i = 0; i < FILES_KEPT; i++) {
		AUTO(free) char *path = path_in(folder, files[i]);
		struct stat status;

		assert_int_equal(stat(path, &status), 0);
		bytes += (long)status.st_size;
	}
	return bytes;
}

/* Started again where a new ring would take the room that the old one's writes need. */
static void started_on_a_nearly_full_disk(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};
	AUTO(free) char *body = hs_zalloc(30001), *options = NULL;
	char *died, *disk = make_folder();

	memset(body, 'x', 30000);
	open_den(&den);
	assert_int_equal(store_commit(den.store), 0);
	let_files_grow(false);
	for (int64_t number = 1; number <= 40; number++)
		write_turn(&den, number, body);
	let_files_grow(true);
	died = cut(&den);
	options = hs_printf("size=%ldk", bytes_in(died) / 1024 + 4096 + 512);
	if (mount("tmpfs", disk, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) == 0) {
		for (size_t i = 0; i < FILES_KEPT; i++)
			copy_file(died, disk, files[i]);
		assert_int_equal(found_in(disk), 40);
		assert_int_equal(umount2(disk, MNT_DETACH), 0);
	} else {
		print_message("no file system can be mounted here\n");
	}
	assert_int_equal(rmdir(disk), 0);
	free(disk);
	remove_folder(died);
	wait_until_well(&den);
	end_den(&den);
}

/* ---- somebody else has the database ---- */

struct holder {
	sqlite3 *db;
	uv_thread_t thread;
};

static void let_go(void *context)
{
	struct holder *holder = context;

	poll(NULL, 0, 200);
	sqlite3_close(holder->db); /* its transaction is over */
}

/* A tool that writes for a moment, or a predecessor on its way out: the start waits for it. */
static void locked_at_start(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};
	AUTO(free) char *path = NULL;
	struct holder holder;

	open_den(&den);
	write_turn(&den, 1, "{}");
	close_den(&den);
	den.told = 0;
	path = path_in(den.folder, "apid.db");
	assert_int_equal(sqlite3_open(path, &holder.db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(holder.db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(uv_thread_create(&holder.thread, let_go, &holder), 0);
	open_den(&den);
	uv_thread_join(&holder.thread);
	assert_int_equal(last_turn(&den), 1);
	end_den(&den);
}

/* A database of a version before ours goes on with us. */
static void older_version(void **state)
{
	struct den den = {.durability = HS_DURABILITY_GROUP};
	AUTO(free) char *path = NULL;
	sqlite3 *db;

	open_den(&den);
	write_turn(&den, 1, "{}");
	close_den(&den);
	den.told = 0;
	path = path_in(den.folder, "apid.db");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			     "ALTER TABLE calls DROP COLUMN route; ALTER TABLE legs DROP COLUMN number;"
			     "ALTER TABLE calls DROP COLUMN to_route; ALTER TABLE calls DROP COLUMN to_number;"
			     "ALTER TABLE calls DROP COLUMN second;"
			     "ALTER TABLE calls DROP COLUMN first; ALTER TABLE calls DROP COLUMN answered_leg;"
			     "ALTER TABLE calls DROP COLUMN hunt_group; ALTER TABLE calls DROP COLUMN group_at;"
			     "ALTER TABLE calls DROP COLUMN hops; ALTER TABLE calls DROP COLUMN onward;"
			     "ALTER TABLE calls DROP COLUMN bridged; ALTER TABLE calls DROP COLUMN max_ms; ALTER TABLE "
			     "calls DROP COLUMN gather;"
			     "ALTER TABLE legs DROP COLUMN muted;"
			     "PRAGMA user_version=1;",
			     NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	open_den(&den);
	assert_int_equal(last_turn(&den), 1);
	den.told = 1;
	write_turn(&den, 2, "{}");
	close_den(&den);
	open_den(&den);
	assert_int_equal(last_turn(&den), 2);
	end_den(&den);
}

/* ---- drawing together ---- */

/* A table of rows that are there or not, so that what is made was not there before, as the rooms do it. */
struct dice {
	bool intents[6], early[6];
};

static void write_intent(struct store *store, struct dice *dice, int64_t n, int64_t value)
{
	if (dice->intents[n])
		store_write(store, STORE_INTENT_DROP, STORE_V_INT(n));
	else
		store_write(store, STORE_INTENT_PUT, STORE_V_INT(n), STORE_V_TEXT("r"), STORE_V_TEXT("sipd"),
			    STORE_V_TEXT("leg.answer"), STORE_V_TEXT(NULL), STORE_V_TEXT("l"), STORE_V_INT(value),
			    STORE_V_TEXT("{}"));
	dice->intents[n] = !dice->intents[n];
}

static void write_early(struct store *store, struct dice *dice, int64_t n, int64_t value)
{
	if (dice->early[n])
		store_write(store, STORE_EARLY_DROP, STORE_V_INT(n));
	else
		store_write(store, STORE_EARLY_PUT, STORE_V_INT(n), STORE_V_TEXT("l"), STORE_V_TEXT("leg.digit"),
			    STORE_V_INT(3), STORE_V_INT(value), STORE_V_INT(value), STORE_V_TEXT("{}"));
	dice->early[n] = !dice->early[n];
}

static void write_call(struct store *store, int64_t n, int64_t value)
{
	AUTO(free) char *id = hs_printf("c%d", (int)n);
	bool over = value % 4 == 0;

	store_write(store, STORE_CALL_PUT, STORE_V_INT(n), STORE_V_TEXT(id), STORE_V_TEXT(over ? "ended" : "up"),
		    STORE_V_TEXT("up"), STORE_V_TEXT("incoming"), STORE_V_TEXT("phone1"), STORE_V_TEXT(NULL),
		    STORE_V_INT(0), STORE_V_TEXT(NULL), STORE_V_TEXT(NULL), STORE_V_TEXT(NULL), STORE_V_INT(n),
		    STORE_V_INT(value), STORE_V_INT(0), STORE_V_TEXT(NULL), STORE_V_TEXT(NULL), STORE_V_TEXT("why"),
		    STORE_V_INT(value), STORE_V_TEXT(NULL), STORE_V_INT(5), STORE_V_INT(0), STORE_V_TEXT(NULL),
		    STORE_V_INT(over));
	store_write(store, STORE_LEG_PUT, STORE_V_INT(n), STORE_V_INT(value % 2), STORE_V_TEXT("l"),
		    STORE_V_TEXT("phone1"), STORE_V_TEXT("sipd"), STORE_V_TEXT("up"), STORE_V_TEXT("open"),
		    STORE_V_INT(0), STORE_V_INT(0), STORE_V_INT(value), STORE_V_INT(0), STORE_V_INT(0), STORE_V_INT(0),
		    STORE_V_TEXT(NULL), STORE_V_INT(0), STORE_V_TEXT(NULL), STORE_V_TEXT(NULL), STORE_V_TEXT(NULL),
		    STORE_V_INT(0), STORE_V_INT(0), STORE_V_TEXT(NULL), STORE_V_INT(0));
}

/* The value-th write of a history. */
static void write_something(struct store *store, struct dice *dice, int64_t value)
{
	static const char *const names[] = {"one", "two", "three", "o", "on"};
	const char *name = names[rand() % HS_COUNT(names)];
	int64_t n = rand() % 6;

	switch (rand() % 10) {
	case 0:
		store_write(store, STORE_EVENT_ADD, STORE_V_INT(value + 1), STORE_V_INT(value), STORE_V_TEXT("dtmf"),
			    STORE_V_TEXT(name), STORE_V_TEXT(NULL), STORE_V_INT(1), STORE_V_TEXT("{}"));
		break;
	case 1:
		store_write(store, STORE_LINE_PUT, STORE_V_TEXT(name), STORE_V_TEXT("on_hook"), STORE_V_TEXT(NULL),
			    STORE_V_INT(value), STORE_V_INT(1), STORE_V_INT(1), STORE_V_TEXT("a"), STORE_V_TEXT(NULL),
			    STORE_V_TEXT(""));
		break;
	case 2:
		store_write(store, STORE_GRANT_PUT, STORE_V_TEXT(name), STORE_V_TEXT("l"), STORE_V_TEXT("v"),
			    STORE_V_TEXT("r"), STORE_V_INT(value));
		break;
	case 3:
		store_write(store, STORE_GRANT_DROP, STORE_V_TEXT(name));
		break;
	case 4:
		write_early(store, dice, n, value);
		break;
	case 5:
		store_write(store, STORE_CURSOR_PUT, STORE_V_TEXT(name), STORE_V_INT(1), STORE_V_INT(value));
		break;
	case 6:
		write_call(store, n, value);
		break;
	case 7:
		if (rand() % 4 == 0)
			store_write(store, STORE_CALLS_EXPIRE, STORE_V_INT(rand() % 6), STORE_V_INT(100));
		else
			store_write(store, STORE_ANSWERS_EXPIRE, STORE_V_INT(value - 20), STORE_V_INT(100));
		break;
	case 8:
		store_write(store, STORE_ANSWER_PUT, STORE_V_TEXT(name), STORE_V_INT(value), STORE_V_INT(1),
			    STORE_V_TEXT(name));
		break;
	default:
		write_intent(store, dice, n, value);
	}
}

static bool note_row(void *context, const struct store_row *row)
{
	char **text = context;

	for (int i = 0; i < row->count; i++) {
		char *longer = hs_printf("%s%" PRId64 "/%s ", *text, store_int(row, i),
					 store_text(row, i) ? store_text(row, i) : "-");

		free(*text);
		*text = longer;
	}
	return true;
}

/* All rows, as text. */
static char *all_rows(struct den *den)
{
	static const enum store_statement tables[] = {STORE_LINES,   STORE_GRANTS, STORE_INTENTS,
						      STORE_CURSORS, STORE_EARLY,  STORE_EVENTS_BOUNDS};
	const struct store_value since = STORE_V_INT(-1);
	const struct store_value list[] = {STORE_V_TEXT(NULL), STORE_V_TEXT(NULL), STORE_V_INT(0), STORE_V_INT(100)};
	struct store_reader *reader = store_at_start(den->store);
	char *text = hs_strdup("");

	assert_non_null(reader);
	for (size_t i = 0; i < HS_COUNT(tables); i++)
		assert_int_equal(store_query(reader, tables[i], NULL, 0, note_row, &text), 0);
	assert_int_equal(store_query(reader, STORE_ANSWERS_RECENT, &since, 1, note_row, &text), 0);
	assert_int_equal(store_query(reader, STORE_CALLS_LIST, list, HS_COUNT(list), note_row, &text), 0);
	for (int64_t n = 0; n < 6; n++) {
		const struct store_value call = STORE_V_INT(n);

		assert_int_equal(store_query(reader, STORE_CALL_LEGS, &call, 1, note_row, &text), 0);
	}
	return text;
}

/* The same history into a store, a write or a few a turn, committed now and then; its rows. */
static char *write_history(unsigned int seed, int64_t count, int a_turn, enum hs_durability durability, bool dies)
{
	struct den den = {.durability = durability};
	struct dice dice = {0};
	char *rows;

	open_den(&den);
	srand(seed);
	for (int64_t value = 0; value < count; value++) {
		write_something(den.store, &dice, value);
		if (value % a_turn == 0)
			turn_loop(&den);
		if (value % (a_turn * 17) == 0)
			assert_int_equal(store_commit(den.store), 0);
	}
	turn_loop(&den);
	if (dies) {
		char *folder = cut(&den);

		end_den(&den);
		den = (struct den){.folder = folder, .durability = durability};
		open_den(&den);
	}
	rows = all_rows(&den);
	end_den(&den);
	return rows;
}

static void drawing_together_changes_nothing(void **state)
{
	for (unsigned int seed = 1; seed <= TRIALS; seed++) {
		AUTO(free) char *plain = write_history(seed, 150, 1, HS_DURABILITY_FULL, false);
		AUTO(free) char *drawn = write_history(seed, 150, 3, HS_DURABILITY_PROCESS, seed % 2);

		assert_string_equal(plain, drawn);
	}
}

/* ---- writes as bytes ---- */

static void foreign_bytes(void **state)
{
	struct store_bytes bytes = {0};
	const struct store_value values[] = {STORE_V_TEXT("sipd"), STORE_V_INT(1), STORE_V_INT(2)};

	assert_true(store_bytes_whole(NULL, 0));
	store_encode(&bytes, STORE_CURSOR_PUT, values, HS_COUNT(values));
	store_encode(&bytes, STORE_CURSOR_PUT, values, HS_COUNT(values));
	assert_true(store_bytes_whole(bytes.at, bytes.used));
	assert_true(store_bytes_whole(bytes.at, bytes.used / 2));
	for (size_t length = 1; length < bytes.used; length++)
		assert_true(length == bytes.used / 2 || !store_bytes_whole(bytes.at, length));
	for (size_t i = 0; i < bytes.used; i++)
		for (int bit = 0; bit < 8; bit++) {
			AUTO(free) uint8_t *copy = hs_zalloc(bytes.used);
			struct store_batch batch = {0};

			memcpy(copy, bytes.at, bytes.used);
			copy[i] ^= (uint8_t)(1 << bit);
			if (store_bytes_whole(copy, bytes.used)) /* then it can be worked on */
				store_batch_add(&batch, copy, bytes.used);
			store_batch_finish(&batch);
		}
	free(bytes.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_is_found),
		cmocka_unit_test(torn_ring),
		cmocka_unit_test(other_ring),
		cmocka_unit_test(big_turn),
		cmocka_unit_test(full_tells_after_the_disk),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(reads_on_a_full_disk),
		cmocka_unit_test(stopped_on_a_full_disk),
		cmocka_unit_test(started_on_a_nearly_full_disk),
		cmocka_unit_test(locked_at_start),
		cmocka_unit_test(older_version),
		cmocka_unit_test(drawing_together_changes_nothing),
		cmocka_unit_test(foreign_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
