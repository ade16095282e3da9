/* Pure: bytes and roles in, filled structs or a reason out. Everything a peer says is judged here. */
#include "bus_inner.h"
#include "cleanup.h"
#include "id.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct hs_json *bus_envelope_parse(const void *data, size_t bytes, struct hs_arena *arena,
					 struct hs_wire_fault *ret_fault)
{
	const struct hs_json *json;

	return hs_wire_parse(data, bytes, arena, &json, ret_fault) < 0 ? NULL : json;
}

bool bus_envelope_is(const struct hs_json *json, const char *kind)
{
	return hs_json_is(hs_json_member(json, "kind"), kind);
}

void bus_key_make(enum hs_role role, const char *id, char ret_key[BUS_KEY_BYTES])
{
	_Static_assert(HS_ROLES <= 10 && HS_ID_BYTES + 2 <= BUS_KEY_BYTES, "a role is one digit");

	ret_key[0] = (char)('0' + (int)role);
	ret_key[1] = '/';
	hs_copy(ret_key + 2, BUS_KEY_BYTES - 2, id);
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

int bus_envelope_request(enum hs_role self, enum hs_role stamped, const struct hs_json *json, struct hs_arena *arena,
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
	const struct hs_json *json = bus_envelope_parse(data, bytes, arena, ret_fault);
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
	const struct hs_json *head, *body;
	struct hs_wire_fault fault;
	const char *text;
	int edge;

	if (parts[0].bytes == 0 || parts[0].bytes > 64 || !is_text(parts[0].data, parts[0].bytes) ||
	    parts[2].bytes == 0)
		return -EBADMSG;
	text = hs_arena_copy(arena, parts[2].data, parts[2].bytes);
	body = bus_envelope_parse(text, parts[2].bytes, arena, &fault);
	head = bus_envelope_parse(parts[1].data, parts[1].bytes, arena, &fault);
	if (!head || !body || hs_wire_decode(&hs_shape_envelope_published, head, false, arena, ret_head, &fault) < 0)
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
		.body = text,
		.bytes = parts[2].bytes,
		.json = body,
	};
	return 0;
}

/* Opens the object that was just written, for one member more. */
static void reopen(struct hs_wire_out *out)
{
	static const char between[] = ",\"body\":";

	out->used--;
	hs_wire_put(out, between, sizeof(between) - 1);
}

void bus_envelope_write(struct hs_wire_out *out, const struct hs_shape *shape, const void *head,
			const struct hs_shape *body_shape, const void *body)
{
	if (!body) {
		bus_envelope_write_text(out, shape, head, "{}", 2);
		return;
	}
	hs_wire_write(out, shape, head);
	reopen(out);
	hs_wire_write(out, body_shape, body);
	hs_wire_put(out, "}", 1);
}

void bus_envelope_write_text(struct hs_wire_out *out, const struct hs_shape *shape, const void *head, const char *body,
			     size_t body_bytes)
{
	hs_wire_write(out, shape, head);
	reopen(out);
	hs_wire_put(out, body, body_bytes);
	hs_wire_put(out, "}", 1);
}
