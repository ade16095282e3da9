#include "ladder.h"
#include "cleanup.h"
#include "clock.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 12
#define NAME_MAX_BYTES 66
#define TIME_WIDTH 13
#define PITCH 7
#define LANE 3             /* where a column's line stands within its pitch */
#define TWICE_US 50000     /* both ends of a bus message tell it within this */
#define RECORDS_MAX 100000 /* far more than the daemons remember */

/* The order of columns from left to right: phones, daemons, those reached by HTTP. */
enum side {
	SIDE_PHONE,
	SIDE_DAEMON,
	SIDE_WEB,
};

struct column {
	char key[NAME_MAX_BYTES]; /* daemon or address, as in the records */
	char title[PITCH];
	enum side side;
	int rank; /* among its side */
};

struct record {
	struct hs_trace trace;
	bool twin; /* the other end told the same before */
	bool has_twin;
};

struct ladder {
	int width;
	struct record *records;
	size_t count, drawn, room;
	struct column columns[COLUMNS_MAX];
	int columns_count, columns_shown;
};

/* Daemons in the order of their columns, with titles that fit. */
static const struct {
	const char *name, *title;
} daemons[] = {
	{"sipd", "sipd"},       {"dahdid", "dahdid"},      {"mediad", "mediad"}, {"apid", "apid"},
	{"api-front", "front"}, {"hook-stream", "stream"}, {"hookd", "hookd"},
};

struct ladder *ladder_create(int width)
{
	struct ladder *ladder = hs_zalloc(sizeof(*ladder));
	ladder->width = width < 60 ? 60 : width > 400 ? 400 : width;
	return ladder;
}

void ladder_add(struct ladder *ladder, const struct hs_trace *record)
{
	if (ladder->count >= RECORDS_MAX)
		return;
	if (ladder->count == ladder->room) {
		ladder->room = ladder->room ? ladder->room * 2 : 64;
		ladder->records = hs_resize(ladder->records, ladder->room, sizeof(*ladder->records));
	}
	struct hs_trace copy = *record;
	copy.daemon = hs_strdup(record->daemon);
	copy.call = hs_strdup(record->call);
	copy.leg = hs_strdup(record->leg);
	copy.from = hs_strdup(record->from);
	copy.to = hs_strdup(record->to);
	copy.what = hs_strdup(record->what);
	ladder->records[ladder->count++] = (struct record){.trace = copy};
}

size_t ladder_count(const struct ladder *ladder)
{
	return ladder->count;
}

static int by_time(const void *a, const void *b)
{
	const struct record *left = a, *right = b;
	if (left->trace.at_us != right->trace.at_us)
		return left->trace.at_us < right->trace.at_us ? -1 : 1;
	return strcmp(left->trace.daemon, right->trace.daemon);
}

/* Who tells may say more of it than who is told: "leg.digit begin" and "leg.digit" are one. */
static bool same_message(const struct hs_trace *a, const struct hs_trace *b)
{
	size_t length = strlen(a->what) < strlen(b->what) ? strlen(a->what) : strlen(b->what);
	return strcmp(a->daemon, b->daemon) != 0 && !strcmp(a->from, b->from) && !strcmp(a->to, b->to) &&
	       !strncmp(a->what, b->what, length);
}

/* Marks what the other end has told already. */
static void mark_twins(struct ladder *ladder)
{
	for (size_t i = ladder->drawn; i < ladder->count; i++) {
		struct record *record = &ladder->records[i];
		for (size_t k = i; k > 0 && !record->twin; k--) {
			struct record *before = &ladder->records[k - 1];
			if (record->trace.at_us - before->trace.at_us > TWICE_US)
				break;
			if (before->twin || before->has_twin || !same_message(&record->trace, &before->trace))
				continue;
			before->has_twin = true;
			record->twin = true;
		}
	}
}

static void sort_new(struct ladder *ladder)
{
	if (ladder->count > ladder->drawn)
		qsort(ladder->records + ladder->drawn, ladder->count - ladder->drawn, sizeof(*ladder->records),
		      by_time);
	mark_twins(ladder);
}

/* ---- Columns ---- */

static int daemon_rank(const char *name)
{
	for (size_t i = 0; i < HS_COUNT(daemons); i++)
		if (!strcmp(daemons[i].name, name))
			return (int)i;
	return -1;
}

/* An address without its port; audio comes from another port of the phone than SIP. */
static size_t host_length(const char *address)
{
	const char *colon = strrchr(address, ':');
	return colon && strchr(address, ':') == colon ? (size_t)(colon - address) : strlen(address);
}

static bool same_host(const char *a, const char *b)
{
	size_t length = host_length(a);
	return length == host_length(b) && !strncmp(a, b, length);
}

static int find_column(const struct ladder *ladder, enum hs_trace_kind kind, const char *key)
{
	int host = -1, hosts = 0;
	for (int i = 0; i < ladder->columns_count; i++) {
		if (!strcmp(ladder->columns[i].key, key))
			return i;
		if (ladder->columns[i].side == SIDE_PHONE && same_host(ladder->columns[i].key, key)) {
			host = i;
			hosts++;
		}
	}
	return kind == HS_TRACE_KIND_MEDIA && hosts == 1 ? host : -1;
}

static void insert_column(struct ladder *ladder, const struct column *column)
{
	int at = ladder->columns_count;
	while (at > 0 &&
	       (ladder->columns[at - 1].side > column->side ||
		(ladder->columns[at - 1].side == column->side && ladder->columns[at - 1].rank > column->rank)))
		at--;
	memmove(&ladder->columns[at + 1], &ladder->columns[at],
		(size_t)(ladder->columns_count - at) * sizeof(ladder->columns[0]));
	ladder->columns[at] = *column;
	ladder->columns_count++;
}

static void add_column(struct ladder *ladder, enum hs_trace_kind kind, const char *key)
{
	struct column column = {.side = kind == HS_TRACE_KIND_HTTP ? SIDE_WEB : SIDE_PHONE};
	if (!*key || ladder->columns_count == COLUMNS_MAX || find_column(ladder, kind, key) >= 0)
		return;
	hs_copy(column.key, sizeof(column.key), key);
	int rank = daemon_rank(key);
	if (rank >= 0) {
		column.side = SIDE_DAEMON;
		column.rank = rank;
		hs_copy(column.title, sizeof(column.title), daemons[rank].title);
	} else {
		for (int i = 0; i < ladder->columns_count; i++)
			column.rank += ladder->columns[i].side == column.side;
		snprintf(column.title, sizeof(column.title), "%s %c", column.side == SIDE_WEB ? "web" : "far",
			 'A' + column.rank);
	}
	insert_column(ladder, &column);
}

/* SIP first: audio then finds the phone it belongs to. */
static void add_columns(struct ladder *ladder)
{
	static const enum hs_trace_kind order[] = {HS_TRACE_KIND_SIP, HS_TRACE_KIND_BUS, HS_TRACE_KIND_STATE,
						   HS_TRACE_KIND_HTTP, HS_TRACE_KIND_MEDIA};
	for (size_t k = 0; k < HS_COUNT(order); k++)
		for (size_t i = ladder->drawn; i < ladder->count; i++) {
			const struct hs_trace *trace = &ladder->records[i].trace;
			if (trace->kind != order[k])
				continue;
			add_column(ladder, trace->kind, trace->from);
			add_column(ladder, trace->kind, trace->to);
		}
}

/* ---- Drawing ---- */

static int lane(int column)
{
	return TIME_WIDTH + column * PITCH + LANE;
}

static void put_text(char *row, int width, int at, const char *text)
{
	for (; *text && at < width; text++, at++)
		row[at] = iscntrl((unsigned char)*text) ? '.' : *text;
}

static void print_row(FILE *out, char *row, int width)
{
	while (width > 0 && row[width - 1] == ' ')
		width--;
	fprintf(out, "%.*s\n", width, row);
}

static void draw_head(struct ladder *ladder, FILE *out)
{
	char row[400];
	if (ladder->columns_shown)
		fputc('\n', out);
	for (int i = 0; i < ladder->columns_count; i++)
		if (ladder->columns[i].side != SIDE_DAEMON)
			fprintf(out, "%s = %s\n", ladder->columns[i].title, ladder->columns[i].key);
	memset(row, ' ', sizeof(row));
	for (int i = 0; i < ladder->columns_count; i++) {
		int half = (int)strlen(ladder->columns[i].title) / 2;
		put_text(row, ladder->width, lane(i) - (half < LANE ? half : LANE), ladder->columns[i].title);
	}
	print_row(out, row, ladder->width);
	ladder->columns_shown = ladder->columns_count;
}

static void draw_arrow(char *row, int from, int to)
{
	int left = lane(from < to ? from : to), right = lane(from < to ? to : from);
	memset(row + left + 1, '-', (size_t)(right - left - 1));
	if (from < to)
		row[right - 1] = '>';
	else
		row[left + 1] = '<';
}

static void draw_record(struct ladder *ladder, const struct hs_trace *trace, FILE *out)
{
	char row[400], at[HS_CLOCK_TEXT];
	memset(row, ' ', sizeof(row));
	hs_clock_format(trace->at, at);
	at[23] = '\0';
	put_text(row, ladder->width, 0, at + 11);
	for (int i = 0; i < ladder->columns_count; i++)
		put_text(row, ladder->width, lane(i), "|");
	int from = find_column(ladder, trace->kind, trace->from);
	int to = find_column(ladder, trace->kind, trace->to);
	if (from >= 0 && to >= 0 && from != to)
		draw_arrow(row, from, to);
	else if (from >= 0 || to >= 0)
		row[lane(from >= 0 ? from : to)] = '*';
	put_text(row, ladder->width, TIME_WIDTH + ladder->columns_count * PITCH, trace->what);
	print_row(out, row, ladder->width);
}

void ladder_draw(struct ladder *ladder, FILE *out)
{
	sort_new(ladder);
	add_columns(ladder);
	if (ladder->columns_shown != ladder->columns_count)
		draw_head(ladder, out);
	for (size_t i = ladder->drawn; i < ladder->count; i++)
		if (!ladder->records[i].twin)
			draw_record(ladder, &ladder->records[i].trace, out);
	ladder->drawn = ladder->count;
}

void ladder_each(struct ladder *ladder, void (*visit)(void *context, const struct hs_trace *record), void *context)
{
	sort_new(ladder);
	for (size_t i = 0; i < ladder->count; i++)
		visit(context, &ladder->records[i].trace);
}

void ladder_destroy(struct ladder *ladder)
{
	if (!ladder)
		return;
	for (size_t i = 0; i < ladder->count; i++) {
		struct hs_trace *trace = &ladder->records[i].trace;
		free((char *)trace->daemon);
		free((char *)trace->call);
		free((char *)trace->leg);
		free((char *)trace->from);
		free((char *)trace->to);
		free((char *)trace->what);
	}
	free(ladder->records);
	free(ladder);
}
