#include "route.h"
#include "cleanup.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS 8
#define MAX_PAIRS 32

struct segment {
	const char *text;
	size_t length;
	const struct hs_field *field; /* {name}: the field it fills; NULL: a literal */
	const char *suffix;           /* what follows after the brace */
	size_t suffix_length;
};

struct route {
	enum hs_message_id message;
	struct segment segments[SEGMENTS];
	size_t count;
};

struct routes {
	struct route *rows;
	size_t count;
};

/* ---- The table ---- */

static const struct hs_field *find_field(const struct hs_shape *shape, const char *name, size_t length)
{
	for (size_t i = 0; i < shape->fields_count; i++)
		if (shape->fields[i].name_bytes == length && memcmp(shape->fields[i].name, name, length) == 0)
			return &shape->fields[i];
	return NULL;
}

/* Cuts a path at its slashes. The number of parts, or 0 when there are too many, or an empty one. */
static size_t cut(const char *path, struct segment *ret_segments)
{
	size_t count = 0;
	while (*path == '/') {
		size_t length = strcspn(++path, "/");
		if (length == 0 || count == SEGMENTS)
			return 0;
		ret_segments[count++] = (struct segment){path, length, NULL, NULL, 0};
		path += length;
	}
	return *path ? 0 : count;
}

static void add_route(struct routes *routes, int message)
{
	struct route *route = &routes->rows[routes->count++];
	route->message = (enum hs_message_id)message;
	route->count = cut(hs_messages[message].path, route->segments);
	for (size_t i = 0; i < route->count; i++) {
		struct segment *segment = &route->segments[i];
		if (segment->text[0] != '{')
			continue;
		segment->suffix = strchr(segment->text, '}') + 1;
		segment->suffix_length = (size_t)(segment->text + segment->length - segment->suffix);
		segment->field = find_field(hs_messages[message].body, segment->text + 1,
					    (size_t)(segment->suffix - segment->text) - 2);
	}
}

struct routes *routes_create(void)
{
	struct routes *routes = hs_zalloc(sizeof(*routes));
	routes->rows = hs_zalloc(HS_MESSAGES * sizeof(*routes->rows));
	for (int i = 0; i < HS_MESSAGES; i++)
		if (hs_messages[i].path)
			add_route(routes, i);
	return routes;
}

void routes_destroy(struct routes *routes)
{
	if (!routes)
		return;
	free(routes->rows);
	free(routes);
}

/* ---- Finding ---- */

static bool has_suffix(const struct segment *segment, const struct segment *path)
{
	size_t length = segment->suffix_length;
	return path->length > length && memcmp(path->text + path->length - length, segment->suffix, length) == 0;
}

/* -1: no match; else how many segments are literal. */
static int match(const struct route *route, const struct segment *path, size_t count)
{
	int literal = 0;
	if (route->count != count)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct segment *segment = &route->segments[i];
		if (segment->field && has_suffix(segment, &path[i]))
			continue;
		if (segment->field || segment->length != path[i].length ||
		    memcmp(segment->text, path[i].text, path[i].length) != 0)
			return -1;
		literal++;
	}
	return literal;
}

static void allow(struct route_match *ret, const char *method)
{
	size_t used = strlen(ret->allow);
	const char *extra = strcmp(method, "GET") == 0 ? ", HEAD" : "";
	snprintf(ret->allow + used, sizeof(ret->allow) - used, "%s%s%s", used ? ", " : "", method, extra);
}

static int fill_params(const struct route *route, const struct segment *path, struct route_match *ret)
{
	ret->params_count = 0;
	for (size_t i = 0; i < route->count; i++) {
		if (!route->segments[i].field || ret->params_count == ROUTE_PARAMS)
			continue;
		struct route_param *param = &ret->params[ret->params_count++];
		param->name = route->segments[i].field->name;
		if (route_decode(path[i].text, path[i].length - route->segments[i].suffix_length, false, param->value,
				 sizeof(param->value)))
			return -ENOENT;
	}
	return 0;
}

/* A literal path wins over one with a parameter, whatever the methods are. */
int routes_find(const struct routes *routes, const char *method, const char *path, struct route_match *ret)
{
	struct segment segments[SEGMENTS];
	size_t count = cut(path, segments);
	int best = -1;
	const struct route *found = NULL;
	ret->allow[0] = '\0';
	if (count == 0)
		return -ENOENT;
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < routes->count; i++) {
		const struct route *route = &routes->rows[i];
		int literal = match(route, segments, count);
		if (literal < 0 || literal < best)
			continue;
		if (literal > best) {
			ret->allow[0] = '\0';
			found = NULL;
		}
		best = literal;
		allow(ret, hs_messages[route->message].method);
		if (strcmp(hs_messages[route->message].method, method) == 0)
			found = route;
	}
	if (best < 0)
		return -ENOENT;
	if (!found)
		return -EPERM;
	ret->message = found->message;
	return fill_params(found, segments, ret);
}

/* ---- Decoding ---- */

static int hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if ((digit | 32) >= 'a' && (digit | 32) <= 'f')
		return (digit | 32) - 'a' + 10;
	return -1;
}

int route_decode(const char *text, size_t length, bool plus, char *ret_value, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < length; i++) {
		int byte = (unsigned char)text[i];
		if (byte == '+' && plus)
			byte = ' ';
		if (byte == '%') {
			int high = i + 2 < length ? hex(text[i + 1]) : -1;
			int low = i + 2 < length ? hex(text[i + 2]) : -1;
			if (high < 0 || low < 0)
				return -EINVAL;
			byte = high << 4 | low;
			i += 2;
		}
		if (byte < ' ' || byte == 0x7f || used + 1 >= size)
			return -EINVAL;
		ret_value[used++] = (char)byte;
	}
	ret_value[used] = '\0';
	return 0;
}

int route_each(const char *query, int (*visit)(void *context, const char *name, const char *value), void *context)
{
	for (int pairs = 0; *query; pairs++) {
		char name[ROUTE_VALUE], value[ROUTE_VALUE];
		size_t length = strcspn(query, "&");
		const char *equals = memchr(query, '=', length);
		size_t name_length = equals ? (size_t)(equals - query) : length;
		const char *rest = equals ? equals + 1 : query + length;
		if (pairs == MAX_PAIRS || route_decode(query, name_length, true, name, sizeof(name)) ||
		    route_decode(rest, (size_t)(query + length - rest), true, value, sizeof(value)))
			return -EINVAL;
		int error = visit(context, name, value);
		if (error)
			return error;
		query += length;
		query += *query == '&';
	}
	return 0;
}

/* ---- Typing ---- */

static int fault(struct hs_wire_fault *ret, const char *field, const char *why)
{
	hs_copy(ret->field, sizeof(ret->field), field);
	hs_copy(ret->why, sizeof(ret->why), why);
	return -EINVAL;
}

void route_body_begin(struct route_body *body, const struct hs_json *sent)
{
	*body = (struct route_body){.sent = sent};
	if (sent && sent->count)
		hs_wire_put(&body->text, sent->text, sent->bytes - 1);
}

int route_body_read(struct route_body *body, struct hs_arena *arena, const struct hs_json **ret_json,
		    struct hs_wire_fault *ret_fault)
{
	if (body->sent && body->given_count == 0) {
		*ret_json = body->sent;
		return 0;
	}
	if (body->text.used == 0)
		hs_wire_put(&body->text, "{", 1);
	hs_wire_put(&body->text, "}", 1);
	return hs_wire_reread(body->text.bytes, body->text.used, arena, ret_json, ret_fault);
}

void route_body_end(struct route_body *body)
{
	free(body->text.bytes);
}

static bool is_given(const struct route_body *body, const struct hs_field *field)
{
	for (size_t i = 0; i < body->given_count; i++)
		if (body->given[i] == field)
			return true;
	return body->sent && hs_json_member(body->sent, field->name);
}

static bool is_int(const char *text)
{
	size_t sign = text[0] == '-', digits = strspn(text + sign, "0123456789");
	return digits > 0 && digits <= 18 && !text[sign + digits];
}

/* Why a text cannot be the field's value; its range is wire's business. NULL: it can. */
static const char *why_not(const struct hs_field *field, const char *text)
{
	if (field->list || field->type == HS_TYPE_STRUCT || field->type == HS_TYPE_JSON)
		return "It cannot be given here.";
	if (field->type == HS_TYPE_INT && !is_int(text))
		return "It must be a whole number.";
	if (field->type == HS_TYPE_BOOL && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return "It must be true or false.";
	return NULL;
}

static void put_value(const struct hs_field *field, const char *text, struct hs_wire_out *out)
{
	if (field->type == HS_TYPE_INT)
		hs_wire_put_int(out, strtoll(text, NULL, 10));
	else if (field->type == HS_TYPE_BOOL)
		hs_wire_put(out, text, strlen(text));
	else
		hs_wire_put_text(out, text);
}

static int add_value(const struct hs_field *field, const char *text, struct route_body *body,
		     struct hs_wire_fault *ret_fault)
{
	if (is_given(body, field))
		return fault(ret_fault, field->name, "It was given twice.");
	const char *why = why_not(field, text);
	if (why)
		return fault(ret_fault, field->name, why);
	if (body->given_count == ROUTE_GIVEN)
		return fault(ret_fault, field->name, "There are too many parameters.");
	body->given[body->given_count++] = field;
	hs_wire_put_name(&body->text, field->name);
	put_value(field, text, &body->text);
	return 0;
}

void route_add_word(const struct hs_shape *shape, const char *name, const char *word, struct route_body *body)
{
	struct hs_wire_fault fault;
	add_value(find_field(shape, name, strlen(name)), word, body, &fault);
}

int route_add_params(const struct route_match *match, struct route_body *body, struct hs_wire_fault *ret_fault)
{
	const struct hs_shape *shape = hs_messages[match->message].body;
	for (size_t i = 0; i < match->params_count; i++) {
		const struct route_param *param = &match->params[i];
		const struct hs_field *field = find_field(shape, param->name, strlen(param->name));
		int error = add_value(field, param->value, body, ret_fault);
		if (error)
			return error;
	}
	return 0;
}

struct query_reader {
	const struct hs_shape *shape;
	struct route_body *body;
	struct hs_wire_fault *fault;
};

static int add_pair(void *context, const char *name, const char *value)
{
	struct query_reader *reader = context;
	const struct hs_field *field = find_field(reader->shape, name, strlen(name));
	if (!field)
		return fault(reader->fault, name, "There is no such parameter.");
	return add_value(field, value, reader->body, reader->fault);
}

int route_add_query(const struct hs_shape *shape, const char *query, struct route_body *body,
		    struct hs_wire_fault *ret_fault)
{
	struct query_reader reader = {shape, body, ret_fault};
	ret_fault->field[0] = '\0';
	hs_copy(ret_fault->why, sizeof(ret_fault->why), "The query has a bad percent code, or is too long.");
	return route_each(query, add_pair, &reader);
}
