/* Where values came from, what the schema says about a name, and the one place that tells a fault. */
#include "cleanup.h"
#include "config_inner.h"
#include "table.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 160

struct place {
	int line;
	char *variable;
};

void config_source_init(struct config_source *source, const struct hs_shape *shape, const char *file, FILE *faults)
{
	*source = (struct config_source){.shape = shape, .file = file, .faults = faults, .places = hs_table_create()};
}

static _Bool free_place(void *context, const char *key, void *object)
{
	struct place *place = object;

	free(place->variable);
	free(place);
	return true;
}

void config_source_finish(struct config_source *source)
{
	hs_table_each(source->places, free_place, NULL);
	hs_table_destroy(source->places);
}

void config_place(struct config_source *source, const char *path, int line, const char *variable)
{
	struct place *place = hs_zalloc(sizeof(*place)), *old;

	place->line = line;
	place->variable = hs_strdup(variable);
	old = hs_table_put(source->places, path, place);
	if (old)
		free_place(NULL, path, old);
}

/* Cuts the last step off a path: "lines[2].id" -> "lines[2]" -> "lines" -> "". */
static void go_up(char *path)
{
	char *dot = strrchr(path, '.'), *bracket = strrchr(path, '[');
	char *cut = dot > bracket ? dot : bracket;

	*(cut ? cut : path) = 0;
}

static const struct place *find_place(const struct config_source *source, const char *path)
{
	char above[256];
	const struct place *place;

	hs_copy(above, sizeof(above), path);
	while (!(place = hs_table_get(source->places, above)) && above[0])
		go_up(above);
	return place;
}

void config_fault(struct config_source *source, const char *path, const char *format, ...)
{
	const struct place *place = find_place(source, path);
	char why[512];
	va_list list;

	va_start(list, format);
	vsnprintf(why, sizeof(why), format, list);
	va_end(list);
	if (++source->count > CONFIG_FAULTS_TOLD || !source->faults)
		return;
	if (place && place->variable)
		fprintf(source->faults, "%s: ", place->variable);
	else if (source->file)
		fprintf(source->faults, "%s:%d: ", source->file, place ? place->line : 1);
	fprintf(source->faults, "%s%s%s\n", path, *path ? ": " : "", why);
}

/* ---- the schema ---- */

const struct hs_field *config_field(const struct hs_shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->fields_count; i++)
		if (strcmp(shape->fields[i].name, name) == 0)
			return &shape->fields[i];
	return NULL;
}

bool config_is_scalar(const struct hs_field *field)
{
	return !field->list && field->type != HS_TYPE_STRUCT && field->type != HS_TYPE_JSON;
}

size_t config_distance(const char *left, const char *right)
{
	size_t row[66], rows = strnlen(left, 64), columns = strnlen(right, 64);

	for (size_t k = 0; k <= columns; k++)
		row[k] = k;
	for (size_t i = 1; i <= rows; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t k = 1; k <= columns; k++) {
			size_t best = corner + (left[i - 1] != right[k - 1]);

			corner = row[k];
			best = best < corner + 1 ? best : corner + 1;
			row[k] = best < row[k - 1] + 1 ? best : row[k - 1] + 1;
		}
	}
	return row[columns];
}

/* A key of this very name elsewhere in the schema: its path, or false. */
static bool find_elsewhere(const struct hs_shape *shape, const char *name, const char *prefix, char *ret_path,
			   size_t size)
{
	for (size_t i = 0; i < shape->fields_count; i++) {
		const struct hs_field *field = &shape->fields[i];
		char path[NAME_BYTES];

		snprintf(path, sizeof(path), "%s%s%s%s", prefix, *prefix ? "." : "", field->name,
			 field->list && field->type == HS_TYPE_STRUCT ? "[]" : "");
		if (strcmp(field->name, name) == 0)
			return hs_copy(ret_path, size, path);
		if (field->type == HS_TYPE_STRUCT && find_elsewhere(field->shape, name, path, ret_path, size))
			return true;
	}
	return false;
}

void config_suggest(const struct hs_shape *shape, const char *name, char *ret_text, size_t size)
{
	size_t best = strlen(name) / 3 + 2;
	const char *meant = NULL;
	char path[NAME_BYTES];

	for (size_t i = 0; i < shape->fields_count; i++) {
		size_t edits = config_distance(name, shape->fields[i].name);

		if (edits < best) {
			best = edits;
			meant = shape->fields[i].name;
		}
	}
	ret_text[0] = 0;
	if (meant)
		snprintf(ret_text, size, "; did you mean %s?", meant);
	else if (find_elsewhere(&hs_shape_config, name, "", path, sizeof(path)))
		snprintf(ret_text, size, "; did you mean %s?", path);
}

static bool is_whole_number(const char *text)
{
	if (*text == '-' || *text == '+')
		text++;
	return *text && strspn(text, "0123456789") == strlen(text);
}

struct json_object *config_scalar(const struct hs_field *field, const char *text, size_t length, bool plain)
{
	if (plain && field->type == HS_TYPE_INT && is_whole_number(text)) {
		long long value;

		errno = 0;
		value = strtoll(text, NULL, 10);
		if (errno == 0)
			return json_object_new_int64(value);
	}
	if (plain && field->type == HS_TYPE_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		return json_object_new_boolean(text[0] == 't');
	return json_object_new_string_len(text, (int)length);
}
