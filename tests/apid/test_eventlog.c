/* The event log and the store below it: numbers, generations, cursors, filters, retention, and kill -9. */
#include "cleanup.h"
#include "clock.h"
#include "idempotency.h"
#include "scene.h"
#include "wire.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define DAY_MS 86400000

static void add(struct scene *scene, int64_t at_ms, const char *line, const char *call)
{
	struct hs_call_flash event = {"l1"};

	eventlog_add(scene->log, HS_CALL_FLASH, at_ms, line, call, &event);
}

static void add_digit(struct scene *scene)
{
	struct hs_dtmf event = {"5", 1, 80, HS_DIGIT_SOURCE_RFC4733};

	eventlog_add(scene->log, HS_DTMF, hs_clock_wall_ms(), "phone1", "c1", &event);
}

/* An answer, taken down. */
struct page {
	bool done, more;
	int error;
	char cursor[CURSOR_BYTES];
	size_t count;
	int64_t seqs[1000];
};

static int64_t number_in(const struct hs_json *event)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *json;
	struct hs_wire_fault fault;
	struct hs_event_head head;

	assert_int_equal(hs_wire_parse(event->text, event->bytes, arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(&hs_shape_event_head, json, false, arena, &head, &fault), 0);
	hs_arena_destroy(arena);
	return head.seq;
}

static void listed(void *context, int error, const struct hs_events_list_answer *answer)
{
	struct page *page = context;

	page->done = true;
	page->error = error;
	if (!answer)
		return;
	page->more = answer->more;
	page->count = answer->events_count;
	hs_copy(page->cursor, sizeof(page->cursor), answer->cursor);
	for (size_t i = 0; i < answer->events_count; i++)
		page->seqs[i] = number_in(answer->events[i]);
}

static struct page list(struct scene *scene, const struct eventlog_query *query)
{
	struct page page = {0};

	eventlog_list(scene->log, query, listed, &page);
	while (!page.done)
		uv_run(&scene->loop, UV_RUN_ONCE);
	return page;
}

static char *end_of(struct scene *scene)
{
	char cursor[CURSOR_BYTES];

	eventlog_end(scene->log, cursor);
	return hs_strdup(cursor);
}

static int64_t seq_of(const char *cursor)
{
	return strtoll(strrchr(cursor, '.') + 1, NULL, 10);
}

/* Number of the event in a note "tell ...". */
static int64_t note_seq(const char *note)
{
	return strtoll(strstr(note, "\"seq\":") + strlen("\"seq\":"), NULL, 10);
}

static void test_pages_and_filters(void **state)
{
	struct scene scene = {0};
	AUTO(free) char *begin = NULL, *end = NULL;
	struct eventlog_query query = {.has_since = true, .limit = 4, .digits = true};
	struct page page;

	scene_open(&scene);
	begin = end_of(&scene);
	for (int i = 0; i < 9; i++)
		add(&scene, 1000 + i, i % 2 ? "phone1" : "phone2", i < 3 ? "c1" : "c2");
	add_digit(&scene);
	assert_int_equal(eventlog_check(scene.log, begin, &query.since), 0);
	scene_turn(&scene);
	end = end_of(&scene);
	assert_int_equal(seq_of(end), seq_of(begin) + 10);
	page = list(&scene, &query);
	assert_int_equal(page.count, 4);
	assert_true(page.more);
	assert_int_equal(eventlog_check(scene.log, page.cursor, &query.since), 0);
	query.limit = 100;
	page = list(&scene, &query);
	assert_int_equal(page.count, 6);
	assert_false(page.more);
	assert_string_equal(page.cursor, end);
	query.since = seq_of(begin);
	query.line = "phone1";
	query.digits = false;
	assert_int_equal(list(&scene, &query).count, 4);
	query.call = "c2";
	assert_int_equal(list(&scene, &query).count, 3);
	query.types = ",dtmf,";
	query.digits = true;
	query.call = NULL;
	assert_int_equal(list(&scene, &query).count, 1);
	query = (struct eventlog_query){.limit = 3, .digits = true};
	page = list(&scene, &query);
	assert_int_equal(page.count, 3);
	assert_int_equal(page.seqs[2], seq_of(end));
	assert_int_equal(page.seqs[0], seq_of(end) - 2);
	query.call = "c1";
	page = list(&scene, &query);
	assert_int_equal(page.count, 3);
	assert_true(page.seqs[0] < page.seqs[1] && page.seqs[1] < page.seqs[2]);
	scene_end(&scene);
}

static void test_generations(void **state)
{
	struct scene scene = {.boot_id = "first"};
	AUTO(free) char *one = NULL, *two = NULL, *three = NULL;
	int64_t seq;

	scene_open(&scene);
	one = end_of(&scene);
	assert_non_null(strstr(one, ".g1."));
	scene_close(&scene, false); /* killed, the host stays up: nothing told was lost */
	scene_open(&scene);
	add(&scene, 1, NULL, NULL);
	scene_turn(&scene);
	two = end_of(&scene);
	assert_non_null(strstr(two, ".g1."));
	assert_int_equal(eventlog_check(scene.log, one, &seq), 0);
	scene_close(&scene, true); /* clean, then another boot */
	scene.boot_id = "second";
	scene_open(&scene);
	assert_int_equal(eventlog_check(scene.log, two, &seq), 0);
	scene_close(&scene, false);
	scene.boot_id = "third"; /* the host went down under it */
	scene_open(&scene);
	three = end_of(&scene);
	assert_non_null(strstr(three, ".g2."));
	assert_int_equal(eventlog_check(scene.log, two, &seq), 0); /* what is there can be gone on from */
	add(&scene, 1, NULL, NULL);
	scene_turn(&scene);
	assert_int_equal(seq_of(three) + 1, note_seq(scene.notes[scene.notes_count - 1]));
	scene_end(&scene);
}

static void copy_file(const char *from, const char *to)
{
	AUTO(close) int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO(close) int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char block[65536];
	ssize_t bytes;

	while ((bytes = read(in, block, sizeof(block))) > 0)
		assert_int_equal(write(out, block, (size_t)bytes), bytes);
}

/* Puts a copy of the database back: what was told since must never be named again. */
static void test_restored_database(void **state)
{
	struct scene scene = {0};
	AUTO(free) char *db = NULL, *copy = NULL, *old = NULL, *lost = NULL, *now = NULL;
	int64_t seq;

	scene_open(&scene);
	old = end_of(&scene);
	scene_close(&scene, true);
	db = hs_printf("%s/apid.db", scene.folder);
	copy = hs_printf("%s/copy.db", scene.folder);
	copy_file(db, copy);
	scene_open(&scene);
	add(&scene, 1, NULL, NULL);
	scene_turn(&scene);
	lost = end_of(&scene);
	scene_close(&scene, true);
	assert_int_equal(rename(copy, db), 0);
	scene_open(&scene);
	now = end_of(&scene);
	assert_non_null(strstr(now, ".g2."));
	assert_int_equal(eventlog_check(scene.log, old, &seq), 0);
	assert_int_equal(eventlog_check(scene.log, lost, &seq), -ESTALE);
	assert_true(seq_of(now) >= seq_of(lost));
	scene_end(&scene);
}

static void turn_for_ms(struct scene *scene, int64_t ms)
{
	int64_t end = hs_clock_ms() + ms;

	while (hs_clock_ms() < end)
		uv_run(&scene->loop, UV_RUN_NOWAIT);
}

static void test_retention(void **state)
{
	struct scene scene = {.retention_ms = 1};
	AUTO(free) char *begin = NULL;
	struct eventlog_query query = {.limit = 1000};
	int64_t seq = 0;

	scene_open(&scene);
	begin = end_of(&scene);
	for (int i = 0; i < 700; i++) {
		add(&scene, hs_clock_wall_ms(), NULL, NULL);
		if (i % 100 == 99) {
			scene_turn(&scene);
			while (scene.notes_count > 0)
				free(scene.notes[--scene.notes_count]);
			scene.seen = 0;
		}
	}
	turn_for_ms(&scene, 5);
	add(&scene, hs_clock_wall_ms() + DAY_MS, NULL, NULL);
	scene_turn(&scene);
	eventlog_expire(scene.log);
	turn_for_ms(&scene, 400); /* a second batch follows after 100 ms */
	assert_int_equal(eventlog_check(scene.log, begin, &seq), -ESTALE);
	assert_true(list(&scene, &query).count < 10);
	scene_end(&scene);
}

/* A child adds events and says which it was told; it is killed at some moment. */
static void child_adds(int pipe_fd, char *folder)
{
	struct scene scene = {.folder = folder};
	size_t seen;

	scene_open(&scene);
	seen = scene.notes_count;
	for (;;) {
		for (int i = rand() % 5; i >= 0; i--)
			add(&scene, hs_clock_wall_ms(), NULL, NULL);
		scene_turn(&scene);
		for (; seen < scene.notes_count; seen++) {
			int64_t seq = note_seq(scene.notes[seen]);

			if (write(pipe_fd, &seq, sizeof(seq)) != sizeof(seq))
				_exit(1);
		}
		while (scene.notes_count > 0)
			free(scene.notes[--scene.notes_count]);
		seen = 0;
	}
}

static int64_t last_told(int pipe_fd)
{
	int64_t seq, last = 0;

	while (read(pipe_fd, &seq, sizeof(seq)) == sizeof(seq)) {
		assert_true(last == 0 || seq == last + 1);
		last = seq;
	}
	return last;
}

/* Reads the whole log; its numbers must have no gap. The last one. */
static int64_t count_all(struct scene *scene)
{
	AUTO(free) char *end = end_of(scene);
	struct eventlog_query query = {.has_since = true, .limit = 1000};
	int64_t next = 1;
	struct page page;

	do {
		query.since = next - 1;
		page = list(scene, &query);
		for (size_t i = 0; i < page.count; i++)
			assert_int_equal(page.seqs[i], next++);
	} while (page.more);
	assert_int_equal(next, seq_of(end) + 1);
	return next - 1;
}

static void test_kill(void **state)
{
	AUTO(free) char *folder = make_folder();
	struct scene scene = {0};
	int64_t told = 0;

	for (int round = 0; round < 20; round++) {
		int ends[2];
		pid_t pid;
		int64_t last;

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		pid = fork();
		if (pid == 0)
			child_adds(ends[1], folder);
		close(ends[1]);
		usleep((useconds_t)(rand() % 20000) + 10000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		last = last_told(ends[0]);
		close(ends[0]);
		told = last ? last : told;
	}
	scene.folder = strdup(folder);
	scene_open(&scene);
	assert_true(count_all(&scene) >= told);
	scene_end(&scene);
}

/* ---- repeated requests ---- */

static void found(void *context, const char *answer)
{
	char **out = context;

	free(*out);
	*out = hs_strdup(answer ? answer : "new");
}

static void wait_found(struct scene *scene, char **text)
{
	while (!*text)
		uv_run(&scene->loop, UV_RUN_ONCE);
}

static void test_idempotency(void **state)
{
	struct scene scene = {0};
	struct idempotency *idempotency;
	char key[IDEMPOTENCY_KEY], brief[IDEMPOTENCY_KEY], other[IDEMPOTENCY_KEY];
	AUTO(free) char *one = NULL, *two = NULL, *three = NULL, *four = NULL;

	scene_open(&scene);
	idempotency = idempotency_create(scene.store);
	idempotency_key("t", "/x", "k", "r1", key);
	idempotency_key("t", "/y", "k", "r1", other);
	idempotency_key("t", "/x", NULL, "r1", brief);
	assert_string_not_equal(key, other);
	idempotency_begin(idempotency, key, false, found, &one);
	idempotency_begin(idempotency, key, false, found, &two); /* the first is in work */
	wait_found(&scene, &one);
	assert_string_equal(one, "new");
	assert_null(two);
	idempotency_drop(idempotency, key); /* refused: the second has its turn */
	assert_string_equal(two, "new");
	idempotency_put(idempotency, key, false, "{\"a\":1}", true);
	idempotency_begin(idempotency, key, false, found, &three);
	assert_string_equal(three, "{\"a\":1}");
	idempotency_begin(idempotency, brief, true, found, &four);
	assert_string_equal(four, "new");
	idempotency_put(idempotency, brief, true, "{\"b\":2}", true);
	scene_turn(&scene);
	idempotency_destroy(idempotency);
	idempotency = idempotency_create(scene.store); /* the successor */
	free(TAKE(one));
	idempotency_begin(idempotency, key, false, found, &one);
	wait_found(&scene, &one);
	assert_string_equal(one, "{\"a\":1}");
	idempotency_begin(idempotency, brief, true, found, &four);
	assert_string_equal(four, "{\"b\":2}");
	idempotency_destroy(idempotency);
	scene_end(&scene);
}

/* ---- who waits for whom ---- */

struct queue {
	uv_sem_t go;
	int done, late;
};

static void wait_in_worker(void *context, struct store_reader *reader)
{
	struct queue *queue = context;

	uv_sem_wait(&queue->go);
}

static void never_in_worker(void *context, struct store_reader *reader)
{
	abort();
}

static void long_done(void *context, int error)
{
	((struct queue *)context)->done++;
	assert_int_equal(error, 0);
}

static void late_done(void *context, int error)
{
	((struct queue *)context)->late++;
	assert_int_equal(error, -ETIMEDOUT);
}

static void overrun_in_worker(void *context, struct store_reader *reader)
{
	int64_t end = hs_clock_ms() + 30;

	while (hs_clock_ms() < end)
		usleep(1000);
}

/* Both readers of long jobs are held up: a brief one is read all the same, and one that waited too long never. */
static void test_lanes_and_deadlines(void **state)
{
	struct scene scene = {0};
	struct queue queue = {0};
	struct idempotency *idempotency;
	struct store_job job = {.lane = STORE_LONG, .work = wait_in_worker, .done = long_done, .context = &queue};
	AUTO(free) char *one = NULL;
	struct eventlog_query query = {.limit = 10, .deadline_at = hs_clock_ms() - 1};

	scene_open(&scene);
	assert_int_equal(uv_sem_init(&queue.go, 0), 0);
	idempotency = idempotency_create(scene.store);
	store_read(scene.store, &job);
	store_read(scene.store, &job);
	job = (struct store_job){.lane = STORE_LONG,
				 .deadline_at = hs_clock_ms() + 20,
				 .work = never_in_worker,
				 .done = late_done,
				 .context = &queue};
	store_read(scene.store, &job);
	idempotency_begin(idempotency, "k", false, found, &one);
	wait_found(&scene, &one);
	assert_string_equal(one, "new");
	assert_int_equal(queue.done, 0);
	while (hs_clock_ms() <= job.deadline_at)
		uv_run(&scene.loop, UV_RUN_NOWAIT);
	uv_sem_post(&queue.go);
	uv_sem_post(&queue.go);
	while (queue.done < 2 || queue.late < 1)
		uv_run(&scene.loop, UV_RUN_ONCE);
	job.deadline_at = hs_clock_ms() + 10;
	job.work = overrun_in_worker;
	store_read(scene.store, &job);
	while (queue.late < 2)
		uv_run(&scene.loop, UV_RUN_ONCE);
	assert_int_equal(list(&scene, &query).error, -ETIMEDOUT);
	uv_sem_destroy(&queue.go);
	idempotency_destroy(idempotency);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_and_filters),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_restored_database),
		cmocka_unit_test(test_retention),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_idempotency),
		cmocka_unit_test(test_lanes_and_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
