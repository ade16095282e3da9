#include "log.h"
#include "cleanup.h"
#include "clock.h"
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A pipe that reports POLLOUT takes a write of PIPE_BUF bytes whole: neither torn nor blocking. */
#define LINE_BYTES 4096
#define VALUE_BYTES 1024

static struct {
	char daemon[32];
	_Atomic int format, level;
	_Atomic uint64_t lines[HS_LOG_LEVEL_COUNT]; /* [0]: dropped */
	_Atomic uint64_t own_untold;
	_Atomic uint64_t *shared_untold; /* keeper's and child's */
} state = {.format = HS_LOG_FORMAT_LOGFMT, .level = HS_LOG_LEVEL_INFO};

struct line {
	char text[LINE_BYTES];
	size_t used;
	bool json;
};

void hs_log_setup(const char *daemon, enum hs_log_format format, enum hs_log_level level)
{
	hs_copy(state.daemon, sizeof(state.daemon), daemon);
	state.format = format == HS_LOG_FORMAT_JSON ? HS_LOG_FORMAT_JSON : HS_LOG_FORMAT_LOGFMT;
	hs_log_set_level(level);
}

void hs_log_set_level(enum hs_log_level level)
{
	if (level >= HS_LOG_LEVEL_ERROR && level < HS_LOG_LEVEL_COUNT)
		state.level = (int)level;
}

bool hs_log_wants(enum hs_log_level level)
{
	return (int)level <= atomic_load_explicit(&state.level, memory_order_relaxed);
}

uint64_t hs_log_lines(enum hs_log_level level)
{
	return (unsigned)level < HS_LOG_LEVEL_COUNT ? state.lines[level] : 0;
}

/* Length of a well-formed UTF-8 sequence that a terminal shows as it is, and its code; 0: it must be escaped. */
static int plain_utf8(const unsigned char *at, uint32_t *ret_code)
{
	static const struct {
		unsigned char mask, lead, bytes;
		uint32_t least;
	} forms[] = {{0x80, 0x00, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};

	for (size_t i = 0; i < HS_COUNT(forms); i++) {
		uint32_t code = at[0] & (unsigned char)~forms[i].mask;

		if ((at[0] & forms[i].mask) != forms[i].lead)
			continue;
		for (int k = 1; k < forms[i].bytes; k++) {
			if ((at[k] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (at[k] & 0x3f);
		}
		if (code < forms[i].least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return 0;
		*ret_code = code;
		return forms[i].bytes;
	}
	return 0;
}

/* Controls, and what turns the direction of writing round or breaks lines in a viewer. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* Writes one character of text so that it is harmless in both formats; bytes taken from text. */
static int escape(const char *text, bool json, char *ret_piece, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	uint32_t code = 0;
	int bytes = plain_utf8(at, &code);

	if (bytes == 0) {
		snprintf(ret_piece, size, json ? "\\\\x%02x" : "\\x%02x", at[0]);
		return 1;
	}
	if (code == '"' || code == '\\')
		snprintf(ret_piece, size, "\\%c", (int)code);
	else if (code == '\n' || code == '\r' || code == '\t')
		snprintf(ret_piece, size, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
	else if (is_control(code))
		snprintf(ret_piece, size, "\\u%04" PRIx32, code);
	else
		snprintf(ret_piece, size, "%.*s", bytes, text);
	return bytes;
}

static bool is_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* Escaped copy, cut at a whole character with "..." when it is too long. Returns its length. */
static size_t escape_text(const char *text, bool json, char *ret_text, size_t size)
{
	size_t used = 0;

	while (*text) {
		char piece[16] = {*text};
		int taken = is_plain(*text) ? 1 : escape(text, json, piece, sizeof(piece));
		size_t bytes = is_plain(*text) ? 1 : strlen(piece);

		if (used + bytes + 4 > size) {
			hs_copy(ret_text + used, size - used, "...");
			return used + 3;
		}
		memcpy(ret_text + used, piece, bytes);
		used += bytes;
		text += taken;
	}
	ret_text[used] = 0;
	return used;
}

static bool needs_quotes(const char *text)
{
	return *text == 0 || strpbrk(text, " =\"\\") != NULL;
}

/* Appends all pieces, or nothing when they do not fit. */
static void put_pieces(struct line *line, const char *const *pieces, size_t count, size_t room)
{
	size_t used = line->used;

	for (size_t i = 0; i < count; i++) {
		size_t bytes = strlen(pieces[i]);

		if (bytes >= room)
			return;
		memcpy(line->text + used, pieces[i], bytes);
		used += bytes;
		room -= bytes;
	}
	line->used = used;
}

/* Appends name and value, or nothing at all: a cut-off field would break the JSON. */
static void add(struct line *line, const char *name, const char *value, bool quoted)
{
	const char *quote = quoted ? "\"" : "";
	const char *space = line->used > (line->json ? 1U : 0U) ? (line->json ? "," : " ") : "";
	const char *around = line->json ? "\"" : "";
	const char *const pieces[] = {space, around, name, around, line->json ? ":" : "=", quote, value, quote};

	put_pieces(line, pieces, HS_COUNT(pieces), sizeof(line->text) - 3 - line->used); /* for "}\n" and NUL */
}

static void add_text(struct line *line, const char *name, const char *text)
{
	char value[VALUE_BYTES];

	escape_text(text, line->json, value, sizeof(value));
	add(line, name, value, line->json || needs_quotes(value));
}

static void add_field(struct line *line, const struct hs_log_field *field)
{
	char value[VALUE_BYTES];

	if (field->type == HS_LOG_INT) {
		snprintf(value, sizeof(value), "%" PRId64, field->number);
		add(line, field->name, value, false);
	} else if (field->text && field->type == HS_LOG_NUMBER) {
		hs_log_shorten(field->text, value, sizeof(value));
		add_text(line, field->name, value);
	} else if (field->text) {
		add_text(line, field->name, field->text);
	}
}

static void compose(struct line *line, enum hs_log_level level, const char *event, const struct hs_log_field *fields)
{
	char now[HS_CLOCK_TEXT];

	line->used = 0;
	line->json = state.format == HS_LOG_FORMAT_JSON;
	if (line->json)
		line->text[line->used++] = '{';
	hs_clock_format(hs_clock_wall_ms(), now);
	add_text(line, "time", now);
	add_text(line, "level", hs_enum_log_level.names[level]);
	if (state.daemon[0])
		add_text(line, "daemon", state.daemon);
	add_text(line, "event", event);
	for (; fields && fields->name; fields++)
		add_field(line, fields);
	if (line->json)
		line->text[line->used++] = '}';
	line->text[line->used++] = '\n';
}

/* Waits for nobody; false: the line is lost. */
static bool put_out(const struct line *line, enum hs_log_level level)
{
	struct pollfd standard = {.fd = STDERR_FILENO, .events = POLLOUT};
	bool done;

	done = poll(&standard, 1, 0) == 1 && (standard.revents & POLLOUT) &&
	       write(STDERR_FILENO, line->text, line->used) == (ssize_t)line->used;
	if (done)
		atomic_fetch_add_explicit(&state.lines[level], 1, memory_order_relaxed);
	return done;
}

static _Atomic uint64_t *untold(void)
{
	return state.shared_untold ? state.shared_untold : &state.own_untold;
}

/* Lines were lost, and now there may be room again: how many comes first. */
static void tell_dropped(void)
{
	uint64_t lost = atomic_exchange(untold(), 0);
	struct line line;

	if (!lost)
		return;
	compose(&line, HS_LOG_LEVEL_WARN, "log.dropped",
		(const struct hs_log_field[]){
			LOG_INT("lines", (int64_t)lost), LOG_WHY("standard error was stuck"), {0}});
	if (!put_out(&line, HS_LOG_LEVEL_WARN))
		atomic_fetch_add(untold(), lost);
}

void hs_log_write(enum hs_log_level level, const char *event, const struct hs_log_field *fields)
{
	struct line line;

	if (level < HS_LOG_LEVEL_ERROR || level >= HS_LOG_LEVEL_COUNT)
		return;
	if (atomic_load_explicit(untold(), memory_order_relaxed))
		tell_dropped();
	compose(&line, level, event, fields);
	if (put_out(&line, level))
		return;
	atomic_fetch_add_explicit(&state.lines[0], 1, memory_order_relaxed);
	atomic_fetch_add(untold(), 1);
}

void hs_log_share(void)
{
	void *page;

	if (state.shared_untold)
		return;
	page = mmap(NULL, sizeof(*state.shared_untold), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return;
	state.shared_untold = page;
	atomic_store(state.shared_untold, state.own_untold);
}

static bool is_dialable(char c)
{
	return (c >= '0' && c <= '9') || c == '*' || c == '#';
}

/* Writes a run of digits with at least three hidden in its middle. */
static void shorten_run(const char *run, size_t count, char *ret_text, size_t size)
{
	size_t shown = count <= 4 ? count : count - 3 < 8 ? count - 3 : 8;
	size_t head = count <= 4 ? count : shown / 2;

	snprintf(ret_text, size, "%.*s%s%.*s", (int)head, run, count <= 4 ? "" : "***", (int)(shown - head),
		 run + count - (shown - head));
}

/* A number written with blanks, dots, dashes or brackets is one run of digits. */
static void squeeze(const char *number, char *ret_text, size_t size)
{
	bool whole = strspn(number, "0123456789*#+-.() ") == strlen(number);
	size_t used = 0;

	for (; *number && used + 1 < size; number++)
		if (!whole || !strchr("-.() ", *number))
			ret_text[used++] = *number;
	ret_text[used] = 0;
}

void hs_log_shorten(const char *number, char *ret_text, size_t size)
{
	char text[256];
	const char *at = text;
	size_t used = 0;

	if (size == 0)
		return;
	ret_text[0] = 0;
	squeeze(number ? number : "", text, sizeof(text));
	while (*at) {
		char piece[16];
		size_t run = 0, bytes;

		while (is_dialable(at[run]))
			run++;
		if (run)
			shorten_run(at, run, piece, sizeof(piece));
		else
			run = (size_t)escape(at, false, piece, sizeof(piece));
		bytes = strlen(piece);
		if (used + bytes >= size)
			return;
		memcpy(ret_text + used, piece, bytes + 1);
		used += bytes;
		at += run;
	}
}
