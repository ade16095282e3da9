/* YAML by events, so that each value's line is known and nothing is built that the schema does not have. Of YAML's
 * tricks none is wanted: anchors, aliases and tags are refused, a key may stand once, depth and sizes are bounded. */
#include "cleanup.h"
#include "config_inner.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define PATH_BYTES 256

struct reader {
	yaml_parser_t parser;
	struct config_source *source;
	bool lost; /* the text cannot be followed any further */
};

static struct json_object *read_value(struct reader *reader, const yaml_event_t *event, const struct hs_field *field,
				      bool item, const char *path, int depth);

static void lose(struct reader *reader, const char *path, int line, const char *why)
{
	if (reader->lost)
		return;
	reader->lost = true;
	config_place(reader->source, path, line, NULL);
	config_fault(reader->source, path, "%s", why);
}

static const char *trick(const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return "aliases are not understood here; write the value out";
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:
		break;
	}
	return anchor ? "anchors are not understood here; leave &... out"
	       : tag  ? "tags are not understood here; leave !... out"
		      : NULL;
}

static int line_of(const yaml_event_t *event)
{
	return (int)event->start_mark.line + 1;
}

/* The next event, which the caller deletes. False when the text is no YAML or plays tricks. */
static bool next(struct reader *reader, const char *path, yaml_event_t *ret_event)
{
	const char *why;

	if (reader->lost)
		return false;
	if (!yaml_parser_parse(&reader->parser, ret_event)) {
		const yaml_parser_t *parser = &reader->parser;

		lose(reader, "", (int)parser->problem_mark.line + 1,
		     parser->problem ? parser->problem : "this is not YAML");
		return false;
	}
	why = trick(ret_event);
	if (why) {
		lose(reader, path, line_of(ret_event), why);
		yaml_event_delete(ret_event);
		return false;
	}
	return true;
}

/* Passes over a value that has no place in the schema. */
static void skip(struct reader *reader, const yaml_event_t *first, const char *path)
{
	yaml_event_type_t type = first->type;
	int depth = 0;

	for (;;) {
		yaml_event_t event;

		depth += (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT) -
			 (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT);
		if (depth > HS_WIRE_MAX_DEPTH)
			lose(reader, path, line_of(first), "is nested too deeply");
		if (depth <= 0 || !next(reader, path, &event))
			return;
		type = event.type;
		yaml_event_delete(&event);
	}
}

static bool is_null(const char *text)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; i < HS_COUNT(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

/* The field of a key that may stand here; else NULL and the fault is told. */
static const struct hs_field *find_key(struct reader *reader, const struct hs_shape *shape, struct json_object *object,
				       const char *key, const char *path)
{
	const struct hs_field *field = config_field(shape, key);
	char meant[160];

	if (!field) {
		config_suggest(shape, key, meant, sizeof(meant));
		config_fault(reader->source, path, "unknown key%s", meant);
	} else if (json_object_object_get_ex(object, key, NULL)) {
		config_fault(reader->source, path, "stands here for the second time; leave one of them");
		field = NULL;
	}
	return field;
}

static void read_member(struct reader *reader, const yaml_event_t *name, const struct hs_shape *shape,
			struct json_object *object, const char *parent, int depth)
{
	const char *key = (const char *)name->data.scalar.value;
	const struct hs_field *field;
	char path[PATH_BYTES];
	yaml_event_t event;

	snprintf(path, sizeof(path), "%s%s%.64s", parent, *parent ? "." : "", key);
	config_place(reader->source, path, line_of(name), NULL);
	field = find_key(reader, shape, object, key, path);
	if (!next(reader, path, &event))
		return;
	if (field)
		json_object_object_add(object, key, read_value(reader, &event, field, false, path, depth));
	else
		skip(reader, &event, path);
	yaml_event_delete(&event);
}

static void drop_nulls(struct json_object *object, const struct hs_shape *shape)
{
	for (size_t i = 0; i < shape->fields_count; i++) {
		struct json_object *member;

		if (json_object_object_get_ex(object, shape->fields[i].name, &member) && !member)
			json_object_object_del(object, shape->fields[i].name);
	}
}

static struct json_object *read_mapping(struct reader *reader, const struct hs_shape *shape, const char *path,
					int depth)
{
	struct json_object *object = json_object_new_object();
	yaml_event_t event;

	while (next(reader, path, &event)) {
		bool over = event.type == YAML_MAPPING_END_EVENT;

		if (!over && event.type != YAML_SCALAR_EVENT)
			lose(reader, path, line_of(&event), "a key must be a plain word");
		else if (!over)
			read_member(reader, &event, shape, object, path, depth);
		yaml_event_delete(&event);
		if (over)
			break;
	}
	drop_nulls(object, shape);
	return object;
}

static struct json_object *read_sequence(struct reader *reader, const struct hs_field *field, const char *path,
					 int depth)
{
	struct json_object *array = json_object_new_array();
	size_t count = 0;
	yaml_event_t event;

	while (next(reader, path, &event)) {
		char item[PATH_BYTES + 32];
		bool over = event.type == YAML_SEQUENCE_END_EVENT;

		snprintf(item, sizeof(item), "%s[%zu]", path, count);
		if (!over && count++ <= field->max_items) { /* one too many is kept: the decoder tells the limit */
			config_place(reader->source, item, line_of(&event), NULL);
			json_object_array_add(array, read_value(reader, &event, field, true, item, depth));
		} else if (!over) {
			skip(reader, &event, path);
		}
		yaml_event_delete(&event);
		if (over)
			break;
	}
	return array;
}

static struct json_object *read_scalar(const yaml_event_t *event, const struct hs_field *field)
{
	const char *text = (const char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (plain && is_null(text))
		return NULL;
	return config_scalar(field, text, event->data.scalar.length, plain);
}

/* A value of the wrong kind becomes an empty one of its kind, which the decoder refuses in the schema's words. */
static struct json_object *read_value(struct reader *reader, const yaml_event_t *event, const struct hs_field *field,
				      bool item, const char *path, int depth)
{
	bool list = field->list && !item;

	if (depth >= HS_WIRE_MAX_DEPTH) {
		lose(reader, path, line_of(event), "is nested too deeply");
		return NULL;
	}
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(event, field);
	case YAML_SEQUENCE_START_EVENT:
		if (list)
			return read_sequence(reader, field, path, depth + 1);
		skip(reader, event, path);
		return json_object_new_array();
	case YAML_MAPPING_START_EVENT:
		if (!list && field->type == HS_TYPE_STRUCT)
			return read_mapping(reader, field->shape, path, depth + 1);
		skip(reader, event, path);
		return json_object_new_object();
	default:
		lose(reader, path, line_of(event), "has no value");
		return NULL;
	}
}

static struct json_object *read_document(struct reader *reader)
{
	const struct hs_field root = {.type = HS_TYPE_STRUCT, .shape = reader->source->shape};
	struct json_object *json = NULL;
	int documents = 0;
	yaml_event_t event;

	while (next(reader, "", &event)) {
		yaml_event_type_t type = event.type;

		if (type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
			lose(reader, "", line_of(&event), "a second document begins here; one is enough");
		else if (type == YAML_MAPPING_START_EVENT || type == YAML_SCALAR_EVENT ||
			 type == YAML_SEQUENCE_START_EVENT)
			json = read_value(reader, &event, &root, false, "", 0);
		yaml_event_delete(&event);
		if (type == YAML_STREAM_END_EVENT)
			break;
	}
	return json ? json : json_object_new_object();
}

struct json_object *config_read_yaml(struct config_source *source, const char *text, size_t length)
{
	struct reader reader = {.source = source};
	struct json_object *json;

	if (!yaml_parser_initialize(&reader.parser))
		abort();
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	json = read_document(&reader);
	yaml_parser_delete(&reader.parser);
	if (!reader.lost && !json_object_is_type(json, json_type_object))
		lose(&reader, "", 1, "must be keys and values");
	if (reader.lost) {
		json_object_put(json);
		return NULL;
	}
	return json;
}
