#include "peek.h"
#include <string.h>
#include <strings.h>

#define MAX_HEADERS 128
#define MAX_HOPS 32
#define MAX_LINE 8192

/* The parser's header lists cost quadratic time and its answers one iovec a header: the limits are needed before it. */

static bool is_token(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("-.!%*_+`'~", c));
}

/* Letters only. */
static char lower(char c)
{
	return (char)(c | 0x20);
}

static size_t line_length(const char *at, const char *end)
{
	const char *lf = memchr(at, '\n', (size_t)(end - at));
	return (size_t)((lf ? lf : end) - at);
}

/* The parser ends a line at a CR too; whoever sends one alone hides lines from this look. */
static bool has_bare_cr(const char *line, size_t bytes)
{
	const char *cr = memchr(line, '\r', bytes);
	return cr && cr + 1 < line + bytes;
}

static unsigned count_commas(const char *line, size_t bytes)
{
	unsigned commas = 0;
	for (const char *end = line + bytes; (line = memchr(line, ',', (size_t)(end - line))); line++)
		commas++;
	return commas;
}

static bool has_name(const char *line, size_t bytes, const char *name, const char *compact)
{
	const char *colon = memchr(line, ':', bytes);
	if (!colon)
		return false;
	size_t length = (size_t)(colon - line);
	while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	return (length == strlen(name) && !strncasecmp(line, name, length)) ||
	       (compact && length == strlen(compact) && !strncasecmp(line, compact, length));
}

/* Value of a header line, trimmed on both sides. */
static const char *value_of(const char *line, size_t bytes, size_t *ret_bytes)
{
	const char *at = memchr(line, ':', bytes), *end = line + bytes;
	at = at ? at + 1 : end;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	*ret_bytes = (size_t)(end - at);
	return at;
}

static bool contains(const char *line, size_t bytes, const char *word)
{
	size_t length = strlen(word);
	for (size_t i = 0; i + length <= bytes; i++)
		if (lower(line[i]) == lower(*word) && !strncasecmp(line + i, word, length))
			return true;
	return false;
}

static void copy_method(struct peek *peek, const char *at, size_t bytes)
{
	size_t length = bytes < PEEK_METHOD - 1 ? bytes : PEEK_METHOD - 1;
	memcpy(peek->method, at, length);
	peek->method[length] = 0;
}

static void look_at_cseq(struct peek *peek, const char *value, size_t bytes)
{
	size_t i = 0;
	while (i < bytes && value[i] >= '0' && value[i] <= '9')
		i++;
	while (i < bytes && (value[i] == ' ' || value[i] == '\t'))
		i++;
	size_t start = i;
	while (i < bytes && is_token(value[i]))
		i++;
	copy_method(peek, value + start, i - start);
}

static void look_at_via(struct peek *peek, const char *line, size_t bytes)
{
	peek->vias++;
	peek->redirected |= contains(line, bytes, "maddr");
}

/* What a message is about: to whom it belongs and, of a response, what it answers. */
static void look_at_subject(struct peek *peek, const char *line, size_t bytes)
{
	size_t length;
	char first = lower(*line);
	if (first == 'i' || first == 'c') {
		if (!peek->call_id && has_name(line, bytes, "Call-ID", "i"))
			peek->call_id = value_of(line, bytes, &peek->call_id_bytes);
		else if (peek->kind == PEEK_RESPONSE && has_name(line, bytes, "CSeq", NULL)) {
			const char *value = value_of(line, bytes, &length);
			look_at_cseq(peek, value, length);
		}
	}
}

/* Returns whether it is a Via. */
static bool look_at_header(struct peek *peek, const char *line, size_t bytes)
{
	char first = lower(*line);
	bool via = first == 'v' && has_name(line, bytes, "Via", "v");
	if (via)
		look_at_via(peek, line, bytes);
	else if (first == 'r' && (has_name(line, bytes, "Route", NULL) || has_name(line, bytes, "Record-Route", NULL)))
		peek->routes++;
	else
		look_at_subject(peek, line, bytes);
	return via;
}

static enum peek_kind look_at_start(struct peek *peek, const char *line, size_t bytes)
{
	if (bytes >= 12 && !strncasecmp(line, "SIP/2.0 ", 8)) {
		for (size_t i = 8; i < 11; i++) {
			if (line[i] < '0' || line[i] > '9')
				return PEEK_GARBAGE;
			peek->status = peek->status * 10 + line[i] - '0';
		}
		return PEEK_RESPONSE;
	}
	size_t length = 0;
	while (length < bytes && is_token(line[length]))
		length++;
	if (!length || length == bytes || line[length] != ' ' || !contains(line, bytes, "SIP/"))
		return PEEK_GARBAGE;
	copy_method(peek, line, length);
	return PEEK_REQUEST;
}

static bool is_blank(const char *line, size_t bytes)
{
	return !bytes || (bytes == 1 && *line == '\r');
}

void peek_glance(const char *data, size_t bytes, struct peek *ret_peek)
{
	const char *at = data, *end = data + bytes;
	*ret_peek = (struct peek){0};
	size_t length = line_length(at, end);
	if (!bytes)
		return;
	ret_peek->kind = look_at_start(ret_peek, at, length);
	bool wants_method = ret_peek->kind == PEEK_RESPONSE;
	for (at += length + 1; at < end; at += length + 1) {
		length = line_length(at, end);
		if (is_blank(at, length) || (ret_peek->call_id && (!wants_method || ret_peek->method[0])))
			break;
		look_at_subject(ret_peek, at, length);
	}
}

void peek_look(const char *data, size_t bytes, struct peek *ret_peek)
{
	const char *at = data, *end = data + bytes;
	*ret_peek = (struct peek){0};
	while (at < end && (*at == '\r' || *at == '\n' || !*at))
		at++;
	if (at == end)
		return;
	size_t length = line_length(at, end);
	ret_peek->kind = look_at_start(ret_peek, at, length);
	if (ret_peek->kind == PEEK_GARBAGE)
		return;
	ret_peek->bare_cr = has_bare_cr(at, length);
	bool via = false;
	for (at += length + 1; at < end; at += length + 1) {
		length = line_length(at, end);
		if (is_blank(at, length))
			break;
		ret_peek->headers++;
		ret_peek->commas += count_commas(at, length);
		ret_peek->bare_cr |= has_bare_cr(at, length);
		if (length > ret_peek->longest)
			ret_peek->longest = length;
		if (*at == ' ' || *at == '\t') { /* a folded line belongs to the header above */
			ret_peek->redirected |= via && contains(at, length, "maddr");
			continue;
		}
		via = look_at_header(ret_peek, at, length);
	}
}

const char *peek_refuse(const struct peek *peek)
{
	if (peek->kind == PEEK_BLANK)
		return "blank";
	if (peek->kind == PEEK_GARBAGE)
		return "garbage";
	if (peek->bare_cr)
		return "bare_cr";
	if (peek->headers > MAX_HEADERS || peek->vias > MAX_HOPS || peek->routes > MAX_HOPS ||
	    peek->commas > PEEK_COMMAS)
		return "headers";
	if (peek->longest > MAX_LINE)
		return "long_line";
	return peek->redirected ? "maddr" : NULL;
}

/* ---- where a message of a stream ends ---- */

static bool begins_message(const char *line, size_t bytes)
{
	static const char version[] = "SIP/2.0";
	size_t length = sizeof(version) - 1;
	return bytes > length && (!memcmp(line, version, length) || !memcmp(line + bytes - length, version, length));
}

static bool read_length(const char *value, size_t bytes, size_t *ret_length)
{
	size_t length = 0;
	if (!bytes || bytes > 6)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		if (value[i] < '0' || value[i] > '9')
			return false;
		length = length * 10 + (size_t)(value[i] - '0');
	}
	*ret_length = length;
	return true;
}

/* A head under way: its lines, each without its CRLF. False: the end of the message cannot be told. */
static bool take_line(const char *line, size_t bytes, bool first, size_t *length)
{
	size_t value_bytes;
	if (first)
		return begins_message(line, bytes);
	if (!has_name(line, bytes, "Content-Length", "l"))
		return true;
	const char *value = value_of(line, bytes, &value_bytes);
	return *length == PEEK_UNFRAMED && read_length(value, value_bytes, length);
}

size_t peek_whole(const char *data, size_t bytes, size_t *ret_needed)
{
	const char *at = data, *end = data + bytes;
	size_t body = PEEK_UNFRAMED;
	while (at < end && (*at == '\r' || *at == '\n' || *at == ' ' || *at == '\t'))
		at++;
	*ret_needed = bytes + 1;
	if (at == end)
		return bytes;
	for (const char *first = at, *lf; (lf = memchr(at, '\n', (size_t)(end - at))); at = lf + 1) {
		size_t line = (size_t)(lf - at);
		if (!line || at[line - 1] != '\r' || has_bare_cr(at, line)) /* the parser would see other lines */
			return PEEK_UNFRAMED;
		if (line > 1 && !take_line(at, line - 1, at == first, &body))
			return PEEK_UNFRAMED;
		if (line > 1)
			continue;
		size_t head = (size_t)(lf + 1 - data);
		if (body == PEEK_UNFRAMED || head + body > PEEK_WHOLE_MAX)
			return PEEK_UNFRAMED;
		*ret_needed = head + body;
		return *ret_needed <= bytes ? *ret_needed : 0;
	}
	return bytes < PEEK_WHOLE_MAX ? 0 : PEEK_UNFRAMED;
}
