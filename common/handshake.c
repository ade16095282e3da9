#include "handshake.h"
#include "cleanup.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/* Fields we look at; each may come once. */
static const struct {
	const char *name;
	size_t offset;
} fields[] = {
	{"host", offsetof(struct hs_handshake, host)},
	{"origin", offsetof(struct hs_handshake, origin)},
	{"authorization", offsetof(struct hs_handshake, authorization)},
	{"upgrade", offsetof(struct hs_handshake, upgrade)},
	{"connection", offsetof(struct hs_handshake, connection)},
	{"x-request-id", offsetof(struct hs_handshake, request_id)},
	{"sec-websocket-key", offsetof(struct hs_handshake, key)},
	{"sec-websocket-version", offsetof(struct hs_handshake, version)},
	{"sec-websocket-protocol", offsetof(struct hs_handshake, protocol)},
};

/* A request with one of these has, or may have, a body; nothing on this port takes one. */
static const char *const body_fields[] = {"content-length", "transfer-encoding"};

size_t hs_handshake_end(const char *data, size_t bytes)
{
	const char *end = memmem(data, bytes, "\r\n\r\n", 4);
	return end ? (size_t)(end - data) + 4 : 0;
}

static int fault(struct hs_handshake *handshake, const char *why)
{
	handshake->why = why;
	return -EBADMSG;
}

static bool is_visible(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* Ends the line at *at with a NUL and moves on. Its text, or NULL when it has a control character, or an LF alone. */
static char *next_line(char **at)
{
	char *line = *at;
	char *end = strstr(line, "\r\n");
	*end = '\0';
	*at = end + 2;
	for (const char *c = line; *c; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return NULL;
	return line;
}

static int read_request_line(char *line, struct hs_handshake *ret)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;
	if (!version)
		return fault(ret, "The request line has not three parts.");
	*target++ = *version++ = '\0';
	if (!*line || line[strspn(line, TOKEN)])
		return fault(ret, "The method is not a token.");
	if (strcmp(version, "HTTP/1.1") != 0)
		return fault(ret, "Only HTTP/1.1 is spoken here.");
	if (target[0] != '/' || !is_visible(target) || strchr(target, '#'))
		return fault(ret, "The target is not a path.");
	ret->method = line;
	ret->path = target;
	char *query = strchr(target, '?');
	if (query) {
		*query++ = '\0';
		ret->query = query;
	}
	return 0;
}

static char *trim(char *value)
{
	value += strspn(value, " \t");
	size_t length = strlen(value);
	while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
		value[--length] = '\0';
	return value;
}

static int read_field(char *line, struct hs_handshake *ret)
{
	size_t name = strspn(line, TOKEN);
	if (name == 0 || line[name] != ':')
		return fault(ret, "A header line is folded, or its name is not a token.");
	line[name] = '\0';
	for (size_t i = 0; i < HS_COUNT(body_fields); i++)
		if (strcasecmp(line, body_fields[i]) == 0)
			return fault(ret, "No body is taken on this port.");
	for (size_t i = 0; i < HS_COUNT(fields); i++) {
		if (strcasecmp(line, fields[i].name) != 0)
			continue;
		const char **value = (const char **)((char *)ret + fields[i].offset);
		if (**value)
			return fault(ret, "A header field came twice.");
		*value = trim(line + name + 1);
		return **value ? 0 : fault(ret, "A header field is empty.");
	}
	return 0;
}

/* True when a comma-separated list has the word, whatever its case. */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);
	while (*list) {
		list += strspn(list, " \t,");
		size_t item = strcspn(list, " \t,");
		if (item == length && strncasecmp(list, word, length) == 0)
			return true;
		list += item;
	}
	return false;
}

int hs_handshake_read(char *head, size_t bytes, struct hs_handshake *ret)
{
	*ret = (struct hs_handshake){"", "", "", "", "", "", "", "", "", "", "", "", false, NULL};
	if (bytes < 4 || memchr(head, '\0', bytes))
		return fault(ret, "The head has a NUL.");
	head[bytes - 2] = '\0'; /* the empty line: from here the head is a text that ends with CRLF */
	char *line = next_line(&head);
	if (!line)
		return fault(ret, "The request line has a control character.");
	int error = read_request_line(line, ret);
	for (int lines = 0; !error && *head; lines++) {
		line = next_line(&head);
		if (!line || lines == HS_HANDSHAKE_LINES)
			return fault(ret, line ? "There are too many header lines."
					       : "A header line has a control character.");
		error = read_field(line, ret);
	}
	if (!error && !*ret->host)
		error = fault(ret, "The Host field is missing.");
	ret->is_websocket = !error && strcmp(ret->method, "GET") == 0 && has_word(ret->upgrade, "websocket") &&
			    has_word(ret->connection, "upgrade");
	return error;
}

bool hs_handshake_acceptable(const struct hs_handshake *handshake)
{
	const char *key = handshake->key;
	return strcmp(handshake->version, "13") == 0 && strlen(key) == HS_HANDSHAKE_KEY && strspn(key, BASE64) == 22 &&
	       strcmp(key + 22, "==") == 0;
}
