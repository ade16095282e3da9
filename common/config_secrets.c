/* Each daemon keeps only the secrets that are its own: the values of others are overwritten, in the structs and in the
 * JSON they were made of, before the keeper's child is started. */
#include "config_inner.h"
#include <json-c/json.h>
#include <string.h>

static void wipe_json(struct json_object *json)
{
	if (json_object_is_type(json, json_type_string)) {
		const char *shown = json_object_get_string(json);
		char *text;

		memcpy(&text, &shown, sizeof(text)); /* json-c has no way to overwrite a text in place */
		explicit_bzero(text, (size_t)json_object_get_string_len(json));
	} else if (json_object_is_type(json, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(json); i++)
			wipe_json(json_object_array_get_idx(json, i));
	} else if (json_object_is_type(json, json_type_object)) {
		json_object_object_foreach(json, key, member)
		{
			(void)key;
			wipe_json(member);
		}
	}
}

static void wipe_text(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
}

static void wipe_struct(const struct hs_shape *shape, char *base);

/* All of a field, whatever it is. */
static void wipe_field(const struct hs_field *field, char *base)
{
	char *items = *(char **)(base + field->offset);
	size_t count = field->list ? *(size_t *)(base + field->mark_offset) : 1;

	if (field->type == HS_TYPE_STRUCT && items)
		for (size_t i = 0; i < count; i++)
			wipe_struct(field->shape, items + i * field->shape->size);
	else if (field->max_bytes && items)
		for (size_t i = 0; i < count; i++)
			wipe_text(field->list ? ((char **)(void *)items)[i] : items);
	else if (!field->list)
		return;
	*(void **)(base + field->offset) = NULL;
	if (field->list)
		*(size_t *)(base + field->mark_offset) = 0;
}

static void wipe_struct(const struct hs_shape *shape, char *base)
{
	for (size_t i = 0; i < shape->fields_count; i++)
		wipe_field(&shape->fields[i], base);
}

/* Drops the values of a struct that only other roles keep, from it and from the JSON it was made of. */
static void drop_from(const struct hs_shape *shape, char *base, struct json_object *json, enum hs_role role)
{
	for (size_t i = 0; i < shape->fields_count; i++) {
		const struct hs_field *field = &shape->fields[i];
		struct json_object *member = NULL;

		if (json_object_is_type(json, json_type_object))
			json_object_object_get_ex(json, field->name, &member);
		if (field->only && !(field->only >> role & 1)) {
			wipe_json(member);
			wipe_field(field, base);
			continue;
		}
		if (field->type != HS_TYPE_STRUCT || !*(char **)(base + field->offset))
			continue;
		for (size_t k = 0; k < (field->list ? *(size_t *)(base + field->mark_offset) : 1); k++)
			drop_from(field->shape, *(char **)(base + field->offset) + k * field->shape->size,
				  field->list ? json_object_array_get_idx(member, k) : member, role);
	}
}

void config_drop_foreign(struct hs_config *config, struct json_object *json, enum hs_role role)
{
	drop_from(&hs_shape_config, (char *)config, json, role);
}

struct visit {
	enum hs_role role;
	void (*visit)(void *context, const char *secret);
	void *context;
};

static void visit_secrets(const struct hs_shape *shape, char *base, const struct visit *visit)
{
	for (size_t i = 0; i < shape->fields_count; i++) {
		const struct hs_field *field = &shape->fields[i];
		char *value =
			field->type == HS_TYPE_STRUCT || field->max_bytes ? *(char **)(base + field->offset) : NULL;

		if (!value)
			continue;
		if (field->type != HS_TYPE_STRUCT && !field->list && (field->only >> visit->role & 1))
			visit->visit(visit->context, value);
		if (field->type != HS_TYPE_STRUCT)
			continue;
		for (size_t k = 0; k < (field->list ? *(size_t *)(base + field->mark_offset) : 1); k++)
			visit_secrets(field->shape, value + k * field->shape->size, visit);
	}
}

void hs_config_each_secret(const struct hs_config *config, enum hs_role role,
			   void (*visit)(void *context, const char *secret), void *context)
{
	visit_secrets(&hs_shape_config, (char *)config, &(struct visit){role, visit, context});
}
