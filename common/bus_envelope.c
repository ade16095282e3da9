/* Pure: bytes and roles in, filled structs or a reason out. Everything a peer says is judged here. */
#include "bus_inner.h"
#include "cleanup.h"
#include "id.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_object *bus_envelope_parse(const void *data, size_t bytes, struct hs_arena *arena,
				       struct hs_wire_fault *ret_fault)
{
	struct json_object *json;

	if (hs_wire_parse(data, bytes, &json, ret_fault) < 0)
		return NULL;
	hs_arena_hold(arena, json);
	json_object_put(json);
	return json;
}

const char *bus_envelope_kind(struct json_object *json)
{
	struct json_object *kind;

	if (!json_object_object_get_ex(json, "kind", &kind) || !json_object_is_type(kind, json_type_string))
		return "";
	return json_object_get_string(kind);
}

enum hs_role bus_envelope_role(const char *name)
{
	for (int i = 1; i < HS_ROLES; i++)
		if (strcmp(hs_role_names[i], name) == 0)
			return (enum hs_role)i;
	return HS_ROLE_NONE;
}

/* Edge of a name, or -ENOENT. */
static int edge_of(const char *name)
{
	for (int i = 0; i < HS_EDGES; i++)
		if (strcmp(hs_edges[i].name, name) == 0)
			return i;
	return -ENOENT;
}

enum hs_error bus_envelope_error(const char *name)
{
	for (int i = HS_OK + 1; i < HS_ERRORS; i++)
		if (strcmp(hs_errors[i].name, name) == 0)
			return (enum hs_error)i;
	return HS_ERROR_INTERNAL;
}

enum hs_role bus_envelope_from(enum hs_role stamped, const char *source)
{
	enum hs_role said = bus_envelope_role(source);

	return stamped == HS_ROLES || stamped == said ? said : HS_ROLE_NONE;
}

static int drop(struct bus_incoming *incoming, enum bus_why why)
{
	incoming->why = why;
	return -EBADMSG;
}

static int refuse(struct bus_incoming *incoming, enum bus_why why, enum hs_error error)
{
	incoming->why = why;
	incoming->error = error;
	return -EPERM;
}

int bus_envelope_request(enum hs_role self, enum hs_role stamped, struct json_object *json, struct hs_arena *arena,
			 struct bus_incoming *ret_incoming)
{
	const struct hs_message *message;

	memset(ret_incoming, 0, sizeof(*ret_incoming));
	if (hs_wire_decode(&hs_shape_envelope_request, json, true, arena, &ret_incoming->head, &ret_incoming->fault) <
	    0)
		return drop(ret_incoming, BUS_WHY_ENVELOPE);
	ret_incoming->from = bus_envelope_from(stamped, ret_incoming->head.source);
	if (ret_incoming->from == HS_ROLE_NONE)
		return drop(ret_incoming, BUS_WHY_SOURCE);
	ret_incoming->message = hs_wire_find(ret_incoming->head.type);
	if (ret_incoming->message < 0 || hs_messages[ret_incoming->message].kind != HS_REQUEST)
		return refuse(ret_incoming, BUS_WHY_UNKNOWN, HS_ERROR_UNKNOWN_MESSAGE);
	message = &hs_messages[ret_incoming->message];
	if (!(message->from & 1u << ret_incoming->from) || !(message->to & 1u << self))
		return refuse(ret_incoming, BUS_WHY_PERMISSION, HS_ERROR_NOT_PERMITTED);
	ret_incoming->body = hs_arena_alloc(arena, message->body->size);
	if (hs_wire_decode(message->body, ret_incoming->head.body, true, arena, ret_incoming->body,
			   &ret_incoming->fault) < 0)
		return refuse(ret_incoming, BUS_WHY_INVALID, HS_ERROR_INVALID);
	return 0;
}

int bus_envelope_fact(enum hs_role self, enum hs_role from, const void *data, size_t bytes, struct hs_arena *arena,
		      struct hs_fact *ret_fact, struct hs_wire_fault *ret_fault)
{
	struct json_object *json = bus_envelope_parse(data, bytes, arena, ret_fault);
	const struct hs_message *message;
	struct hs_envelope_fact fact;
	void *body;
	int id;

	if (!json || hs_wire_decode(&hs_shape_envelope_fact, json, true, arena, &fact, ret_fault) < 0)
		return -EBADMSG;
	ret_fact->seq = (uint64_t)fact.seq;
	ret_fact->at_ms = fact.at;
	ret_fact->from = from;
	id = hs_wire_find(fact.type);
	message = &hs_messages[id < 0 ? 0 : id];
	if (id < 0 || message->kind != HS_FACT || !(message->from & 1u << from) || !(message->to & 1u << self)) {
		snprintf(ret_fault->why, sizeof(ret_fault->why), "%s is no fact that %s may tell", fact.type,
			 hs_role_names[from]);
		return -EINVAL;
	}
	body = hs_arena_alloc(arena, message->body->size);
	if (hs_wire_decode(message->body, fact.body, true, arena, body, ret_fault) < 0)
		return -EINVAL;
	ret_fact->message = (enum hs_message_id)id;
	ret_fact->body = body;
	return 0;
}

static bool is_text(const unsigned char *text, size_t bytes)
{
	for (size_t i = 0, step; i < bytes; i += step) {
		step = hs_wire_utf8(text + i, bytes - i);
		if (!step || text[i] < 0x20)
			return false;
	}
	return true;
}

int bus_envelope_published(const struct bus_part parts[3], struct hs_arena *arena,
			   struct hs_envelope_published *ret_head, struct hs_published *ret_event)
{
	struct json_object *head;
	struct hs_wire_fault fault;
	int edge;

	if (parts[0].bytes == 0 || parts[0].bytes > 64 || !is_text(parts[0].data, parts[0].bytes) ||
	    parts[2].bytes == 0 || !is_text(parts[2].data, parts[2].bytes))
		return -EBADMSG;
	head = bus_envelope_parse(parts[1].data, parts[1].bytes, arena, &fault);
	if (!head || hs_wire_decode(&hs_shape_envelope_published, head, false, arena, ret_head, &fault) < 0)
		return -EBADMSG;
	edge = edge_of(ret_head->edge);
	if (edge < 0)
		return -EBADMSG;
	*ret_event = (struct hs_published){
		.from = bus_envelope_role(ret_head->source),
		.edge = (enum hs_edge)edge,
		.topic = hs_arena_copy(arena, parts[0].data, parts[0].bytes),
		.epoch = (uint64_t)ret_head->epoch,
		.seq = (uint64_t)ret_head->seq,
		.body = hs_arena_copy(arena, parts[2].data, parts[2].bytes),
		.bytes = parts[2].bytes,
	};
	return 0;
}

char *bus_envelope_text(const struct hs_shape *shape, const void *head, const char *body, size_t body_bytes,
			size_t *ret_bytes)
{
	static const char between[] = ",\"body\":";
	size_t bytes, gap = sizeof(between) - 1;
	char *text = hs_wire_text(shape, head, &bytes);

	if (body) {
		text = hs_resize(text, bytes + gap + body_bytes + 1, 1);
		memcpy(text + bytes - 1, between, gap); /* over the closing brace */
		memcpy(text + bytes - 1 + gap, body, body_bytes);
		bytes += gap + body_bytes;
		text[bytes - 1] = '}';
		text[bytes] = '\0';
	}
	*ret_bytes = bytes;
	return text;
}
