#include "eventlog.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "wire.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCAN_MAX 20000      /* rows one request looks at; "more" brings the client on */
#define ANSWER_BYTES 200000 /* of events in one answer; the bus carries 256 KiB */
#define EXPIRE_BATCH 500    /* rows that one transaction of the retention deletes */
#define EXPIRE_EVERY_MS 60000
#define EXPIRE_AGAIN_MS 100

struct generation {
	int64_t number, first_seq;
	int64_t survived; /* last event of the log when it began: later numbers of the one before are lost */
};

/* In the mapped file: plain numbers, written before an event is told. */
struct told {
	int64_t generation, seq;
};

struct eventlog {
	struct eventlog_setup setup;
	char *node;
	struct generation *generations;
	size_t generations_count;
	int64_t first; /* oldest event that is kept */
	int64_t next;  /* number of the next event */
	int64_t end;   /* last one that was told */
	struct told *told;
	uv_timer_t expire;
	bool closing;
	struct hs_metric *totals[HS_MESSAGES];
};

void eventlog_boot_id(char ret_id[EVENTLOG_BOOT_ID])
{
	AUTO(close) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd >= 0 ? read(fd, ret_id, EVENTLOG_BOOT_ID - 1) : 0;

	ret_id[bytes > 0 ? bytes : 0] = '\0';
	ret_id[strcspn(ret_id, "\n")] = '\0';
}

/* ---- restoring ---- */

static bool see_generation(void *context, const struct store_row *row)
{
	struct eventlog *log = context;

	log->generations = hs_resize(log->generations, log->generations_count + 1, sizeof(*log->generations));
	log->generations[log->generations_count++] =
		(struct generation){store_int(row, 0), store_int(row, 1), store_int(row, 2)};
	return true;
}

static bool see_bounds(void *context, const struct store_row *row)
{
	int64_t *bounds = context;

	bounds[0] = store_int(row, 0);
	bounds[1] = store_int(row, 1);
	return false;
}

static bool see_text(void *context, const struct store_row *row)
{
	*(char **)context = hs_strdup(store_text(row, 0));
	return false;
}

static char *meta(struct store_reader *reader, const char *key)
{
	const struct store_value value = STORE_V_TEXT(key);
	char *text = NULL;

	store_query(reader, STORE_META_GET, &value, 1, see_text, &text);
	return text;
}

static int map_told(struct eventlog *log)
{
	AUTO(free) char *path = hs_printf("%s/told", log->setup.folder);
	AUTO(close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	/* Its room is reserved: a full disk must not end us when we write to it. */
	if (fd < 0)
		return -errno;
	errno = posix_fallocate(fd, 0, sizeof(struct told));
	if (errno != 0)
		return -errno;
	log->told = mmap(NULL, sizeof(struct told), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (log->told != MAP_FAILED)
		return 0;
	log->told = NULL;
	return -errno;
}

/* A restored database is another file: its inode tells. */
static void database_mark(const struct eventlog *log, char ret_mark[64])
{
	AUTO(free) char *path = hs_printf("%s/apid.db", log->setup.folder);
	struct stat status;

	ret_mark[0] = '\0';
	if (stat(path, &status) == 0)
		snprintf(ret_mark, 64, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
}

/* Why numbers that were told may be missing, or NULL. */
static const char *why_new(const struct eventlog *log, struct store_reader *reader, int64_t last)
{
	AUTO(free) char *boot = meta(reader, "boot");
	AUTO(free) char *clean = meta(reader, "clean");
	AUTO(free) char *was = meta(reader, "file");
	const struct generation *now = &log->generations[log->generations_count - 1];
	char mark[64];

	database_mark(log, mark);
	if (was && strcmp(was, mark) != 0)
		return "the database was restored";
	if (log->told->generation > now->number || (log->told->generation == now->number && log->told->seq > last))
		return "the database is older than what was told";
	if (boot && strcmp(boot, log->setup.boot_id) != 0 && !(clean && strcmp(clean, "1") == 0))
		return "the host stopped without a clean end";
	return NULL;
}

static void begin_generation(struct eventlog *log, int64_t number, int64_t survived, const char *why)
{
	log->generations = hs_resize(log->generations, log->generations_count + 1, sizeof(*log->generations));
	log->generations[log->generations_count++] = (struct generation){number, log->next, survived};
	store_write(log->setup.store, STORE_GENERATION_ADD, STORE_V_INT(number), STORE_V_INT(log->next),
		    STORE_V_INT(survived), STORE_V_TEXT(why));
	hs_log(INFO, "eventlog.generation", LOG_INT("generation", number), LOG_INT("seq", log->next), LOG_WHY(why));
}

static int64_t max_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* True when a new generation begins. */
static bool restore_numbers(struct eventlog *log, struct store_reader *reader)
{
	int64_t bounds[2] = {0, 0};
	int64_t number = 1;
	const char *why = "a new log";

	store_query(reader, STORE_GENERATIONS, NULL, 0, see_generation, log);
	store_query(reader, STORE_EVENTS_BOUNDS, NULL, 0, see_bounds, bounds);
	log->first = bounds[0] > 0 ? bounds[0] : 1;
	if (log->generations_count > 0) {
		number = max_of(log->generations[log->generations_count - 1].number, log->told->generation) + 1;
		why = why_new(log, reader, bounds[1]);
	} else if (log->told->seq > 0) {
		number = log->told->generation + 1;
		why = "the database is gone";
	}
	log->next = max_of(bounds[1], log->told->seq) + 1;
	if (bounds[0] == 0)
		log->first = log->next;
	if (why)
		begin_generation(log, number, bounds[1], why);
	log->end = why ? log->next - 1 : bounds[1];
	return why != NULL;
}

static void note_beginning(struct eventlog *log)
{
	char mark[64];

	database_mark(log, mark);
	store_write(log->setup.store, STORE_META_PUT, STORE_V_TEXT("boot"), STORE_V_TEXT(log->setup.boot_id));
	store_write(log->setup.store, STORE_META_PUT, STORE_V_TEXT("clean"), STORE_V_TEXT("0"));
	store_write(log->setup.store, STORE_META_PUT, STORE_V_TEXT("file"), STORE_V_TEXT(mark));
}

/* ---- retention ---- */

struct bounds_job {
	struct eventlog *log;
	int64_t bounds[2];
};

static void read_bounds(void *context, struct store_reader *reader)
{
	struct bounds_job *job = context;

	store_query(reader, STORE_EVENTS_BOUNDS, NULL, 0, see_bounds, job->bounds);
}

static void expire_is_due(uv_timer_t *timer);

static void bounds_read(void *context, int error)
{
	AUTO(free) struct bounds_job *job = context;
	struct eventlog *log = job->log;
	bool full = job->bounds[0] - log->first >= EXPIRE_BATCH;

	if (job->bounds[0] > log->first)
		log->first = job->bounds[0];
	if (!log->closing)
		uv_timer_start(&log->expire, expire_is_due, full ? EXPIRE_AGAIN_MS : EXPIRE_EVERY_MS, 0);
}

void eventlog_expire(struct eventlog *log)
{
	struct store *store = log->setup.store;
	struct bounds_job *job = hs_zalloc(sizeof(*job));
	int64_t now = hs_clock_lasting_ms(); /* no day is over because somebody sets the clock */
	int64_t cutoff = now - log->setup.retention_ms;

	store_write(store, STORE_EVENTS_EXPIRE, STORE_V_INT(cutoff), STORE_V_INT(EXPIRE_BATCH));
	store_write(store, STORE_LEGS_EXPIRE, STORE_V_INT(cutoff), STORE_V_INT(EXPIRE_BATCH));
	store_write(store, STORE_CALLS_EXPIRE, STORE_V_INT(cutoff), STORE_V_INT(EXPIRE_BATCH));
	store_write(store, STORE_ANSWERS_EXPIRE, STORE_V_INT(now), STORE_V_INT(EXPIRE_BATCH));
	job->log = log;
	store_read(store,
		   &(struct store_job){.lane = STORE_LONG, .work = read_bounds, .done = bounds_read, .context = job});
}

static void expire_is_due(uv_timer_t *timer)
{
	eventlog_expire(timer->data);
}

/* ---- life ---- */

struct eventlog *eventlog_create(const struct eventlog_setup *setup)
{
	struct eventlog *log = hs_zalloc(sizeof(*log));
	struct store_reader *reader = store_at_start(setup->store);
	bool ready, begins;

	log->setup = *setup;
	log->node = hs_strdup(setup->node);
	uv_timer_init(setup->loop, &log->expire);
	log->expire.data = log;
	ready = reader && map_told(log) == 0;
	if (ready) {
		begins = restore_numbers(log, reader);
		note_beginning(log);
		/* A cursor of a generation that a power cut could take back would be given twice. */
		ready = !begins || store_commit_to_disk(setup->store) == 0;
	}
	if (!ready) {
		hs_log(ERROR, "eventlog.open_failed", LOG_TEXT("folder", setup->folder), LOG_WHY(strerror(errno)));
		log->closing = true;
		uv_close((uv_handle_t *)&log->expire, NULL);
		eventlog_destroy(log);
		return NULL;
	}
	uv_timer_start(&log->expire, expire_is_due, EXPIRE_EVERY_MS, 0);
	return log;
}

void eventlog_close(struct eventlog *log, bool clean)
{
	if (log->closing)
		return;
	log->closing = true;
	uv_close((uv_handle_t *)&log->expire, NULL);
	if (clean)
		store_write(log->setup.store, STORE_META_PUT, STORE_V_TEXT("clean"), STORE_V_TEXT("1"));
}

void eventlog_destroy(struct eventlog *log)
{
	if (!log)
		return;
	if (log->told)
		munmap(log->told, sizeof(*log->told));
	free(log->generations);
	free(log->node);
	free(log);
}

/* ---- adding ---- */

static const struct generation *generation_of(const struct eventlog *log, int64_t seq)
{
	size_t i = log->generations_count - 1;

	while (i > 0 && log->generations[i].first_seq > seq)
		i--;
	return &log->generations[i];
}

static void cursor_of(const struct eventlog *log, int64_t seq, char ret_cursor[CURSOR_BYTES])
{
	cursor_format(log->node, generation_of(log, seq)->number, seq, ret_cursor);
}

/* An event that the store has not kept yet. */
struct pending {
	struct eventlog *log;
	struct eventlog_entry entry;
	char text[]; /* its body: what the log holds and everybody gets */
};

static void pending_committed(void *context)
{
	struct pending *pending = context;
	struct eventlog *log = pending->log;

	log->told->generation = log->generations[log->generations_count - 1].number;
	log->told->seq = log->end = pending->entry.seq;
	hs_metric_add(log->totals[pending->entry.event], 1);
	log->setup.committed(log->setup.context, &pending->entry);
	free(pending);
}

static void count_type(struct eventlog *log, enum hs_message_id event)
{
	char labels[96];

	if (log->totals[event])
		return;
	snprintf(labels, sizeof(labels), "type=\"%s\"", hs_messages[event].name);
	log->totals[event] = hs_metric_counter("hookswitch_events_total", labels, "Events in the log, by type.");
}

/* The members of the head, then the event's own. */
static struct pending *make_pending(const struct hs_event_head *head, enum hs_message_id event, const void *body)
{
	size_t head_bytes, body_bytes;
	AUTO(free) char *head_text = hs_wire_text(&hs_shape_event_head, head, &head_bytes);
	AUTO(free) char *body_text = hs_wire_text(hs_messages[event].body, body, &body_bytes);
	struct pending *pending = hs_zalloc(sizeof(*pending) + head_bytes + body_bytes + 1);
	bool more = body_bytes > 2;

	memcpy(pending->text, head_text, head_bytes);
	if (more)
		memcpy(pending->text + head_bytes, body_text + 1, body_bytes); /* its brace ends both */
	if (more)
		pending->text[head_bytes - 1] = ',';
	pending->entry = (struct eventlog_entry){.event = event,
						 .seq = head->seq,
						 .body = pending->text,
						 .bytes = more ? head_bytes + body_bytes - 1 : head_bytes};
	return pending;
}

void eventlog_add(struct eventlog *log, enum hs_message_id event, int64_t at_ms, const char *line, const char *call,
		  const void *body)
{
	const struct hs_message *message = &hs_messages[event];
	char cursor[CURSOR_BYTES];
	struct hs_event_head head = {.type = message->name,
				     .seq = log->next++,
				     .cursor = cursor,
				     .timestamp = at_ms,
				     .line = line && line[0] ? line : NULL,
				     .call_id = call && call[0] ? call : NULL};
	struct pending *pending;

	cursor_of(log, head.seq, cursor);
	count_type(log, event);
	pending = make_pending(&head, event, body);
	pending->log = log;
	store_write(log->setup.store, STORE_EVENT_ADD, STORE_V_INT(head.seq), STORE_V_INT(at_ms),
		    STORE_V_TEXT(head.type), STORE_V_TEXT(head.line), STORE_V_TEXT(head.call_id),
		    STORE_V_INT(message->audience == HS_EDGE_DIGITS), STORE_V_TEXT(pending->entry.body));
	store_after(log->setup.store, pending_committed, pending);
}

/* ---- asking ---- */

/* The end is named by the newest generation, also when it has no event yet. */
static void end_of(const struct eventlog *log, int64_t end, char ret_cursor[CURSOR_BYTES])
{
	const struct generation *now = &log->generations[log->generations_count - 1];

	cursor_format(log->node, now->number, max_of(end, now->first_seq - 1), ret_cursor);
}

void eventlog_end(const struct eventlog *log, char ret_cursor[CURSOR_BYTES])
{
	end_of(log, log->end, ret_cursor);
}

void eventlog_newest(const struct eventlog *log, char ret_cursor[CURSOR_BYTES])
{
	end_of(log, log->next - 1, ret_cursor);
}

int eventlog_check(const struct eventlog *log, const char *cursor, int64_t *ret_seq)
{
	int64_t generation, seq;
	int error = cursor_parse(cursor, log->node, &generation, &seq);

	if (error != 0)
		return error;
	for (size_t i = 0; i < log->generations_count; i++) {
		const struct generation *one = &log->generations[i];
		bool newest = i + 1 == log->generations_count;
		int64_t last = newest ? log->end : log->generations[i + 1].survived;

		if (one->number != generation)
			continue;
		if (seq < one->first_seq - 1 || seq > max_of(last, one->first_seq - 1) || seq < log->first - 1)
			return -ESTALE;
		*ret_seq = seq;
		return 0;
	}
	return -ESTALE;
}

struct listing {
	struct eventlog *log;
	struct eventlog_query query;
	char *types, *line, *call;
	int64_t end, until; /* the log's end when it was asked; last row that is looked at */
	bool gone, cut;     /* cut: the answer was full before the rows ended */
	struct hs_json **events;
	int64_t last; /* number of the last event in the answer */
	size_t count, bytes;
	void (*done)(void *context, int error, const struct hs_events_list_answer *answer);
	void *context;
};

static bool see_event(void *context, const struct store_row *row)
{
	struct listing *listing = context;
	const char *body = store_text(row, 1);

	if (!body)
		return true;
	if (listing->count == (size_t)listing->query.limit || listing->bytes + strlen(body) > ANSWER_BYTES) {
		listing->cut = true;
		return false;
	}
	listing->events[listing->count++] = hs_json_keep(body, strlen(body));
	listing->bytes += strlen(body) + 1;
	listing->last = store_int(row, 0);
	return true;
}

static void reverse(struct listing *listing)
{
	for (size_t i = 0; i < listing->count / 2; i++) {
		struct hs_json *swap = listing->events[i];

		listing->events[i] = listing->events[listing->count - 1 - i];
		listing->events[listing->count - 1 - i] = swap;
	}
}

static enum store_statement listing_statement(const struct listing *listing)
{
	if (listing->call)
		return listing->query.has_since ? STORE_EVENTS_OF_CALL : STORE_EVENTS_OF_CALL_NEWEST;
	return listing->query.has_since ? STORE_EVENTS_AFTER : STORE_EVENTS_NEWEST;
}

static void list_in_worker(void *context, struct store_reader *reader)
{
	struct listing *listing = context;
	const struct eventlog_query *query = &listing->query;
	int64_t bounds[2] = {0, 0};
	int64_t since = query->has_since ? query->since : max_of(0, listing->end - SCAN_MAX);
	const struct store_value values[] = {STORE_V_INT(listing->call && !query->has_since ? 0 : since),
					     STORE_V_INT(listing->until),
					     STORE_V_TEXT(listing->types),
					     STORE_V_TEXT(listing->line),
					     STORE_V_TEXT(listing->call),
					     STORE_V_INT(query->digits),
					     STORE_V_INT(query->limit + 1)};

	store_query(reader, STORE_EVENTS_BOUNDS, NULL, 0, see_bounds, bounds);
	listing->gone = query->has_since && bounds[0] > since + 1;
	if (listing->gone)
		return;
	store_query(reader, listing_statement(listing), values, HS_COUNT(values), see_event, listing);
	if (!query->has_since)
		reverse(listing);
}

static void listing_destroy(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->events[i]);
	free(listing->events);
	free(listing->types);
	free(listing->line);
	free(listing->call);
	free(listing);
}

static void listed(void *context, int error)
{
	struct listing *listing = context;
	bool page = listing->cut && listing->query.has_since;
	char cursor[CURSOR_BYTES];
	struct hs_events_list_answer answer = {.events_count = listing->count,
					       .events = (const struct hs_json **)listing->events,
					       .cursor = cursor,
					       .more = page || listing->until < listing->end};

	if (!page && listing->until == listing->end)
		end_of(listing->log, listing->end, cursor);
	else
		cursor_of(listing->log, page ? listing->last : listing->until, cursor);
	if (error == 0 && listing->gone)
		error = -ESTALE;
	listing->done(listing->context, error, error ? NULL : &answer);
	listing_destroy(listing);
}

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void eventlog_list(struct eventlog *log, const struct eventlog_query *query,
		   void (*done)(void *context, int error, const struct hs_events_list_answer *answer), void *context)
{
	struct listing *listing = hs_zalloc(sizeof(*listing));
	bool bounded = query->has_since && !query->call;

	listing->log = log;
	listing->query = *query;
	listing->types = query->types && query->types[0] ? hs_strdup(query->types) : NULL;
	listing->line = hs_strdup(query->line);
	listing->call = hs_strdup(query->call);
	listing->end = max_of(log->end, log->generations[log->generations_count - 1].first_seq - 1);
	listing->until = bounded ? min_of(listing->end, query->since + SCAN_MAX) : listing->end;
	listing->events = hs_zalloc((size_t)query->limit * sizeof(*listing->events));
	listing->done = done;
	listing->context = context;
	store_read(log->setup.store, &(struct store_job){.lane = query->lane,
							 .deadline_at = query->deadline_at,
							 .work = list_in_worker,
							 .done = listed,
							 .context = listing});
}
