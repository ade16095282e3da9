#include "config.h"
#include "cleanup.h"
#include "config_inner.h"
#include "log.h"
#include "table.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (4 << 20)
#define FAULTS_TOLD 20
#define PREFIX "HOOKSWITCH_"
#define NAME_BYTES 160

extern char **environ;

/* What hs_config_load gives away; the arena holds all texts and lists. */
struct owned {
	struct hs_config config;
	struct hs_arena *arena;
};

struct place {
	int line;
	char *variable;
};

/* ---- places and faults ---- */

void config_source_init(struct config_source *source, const char *file, FILE *faults)
{
	*source = (struct config_source){.file = file, .faults = faults, .places = hs_table_create()};
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
	va_list list;

	if (++source->count > FAULTS_TOLD || !source->faults)
		return;
	if (place && place->variable)
		fprintf(source->faults, "%s: ", place->variable);
	else if (source->file)
		fprintf(source->faults, "%s:%d: ", source->file, place ? place->line : 1);
	fprintf(source->faults, "%s%s", path, *path ? ": " : "");
	va_start(list, format);
	vfprintf(source->faults, format, list);
	va_end(list);
	fputc('\n', source->faults);
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

/* Single edits between two words, at most 64 letters each. */
static size_t distance(const char *left, const char *right)
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
		size_t edits = distance(name, shape->fields[i].name);

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

/* ---- the environment ---- */

/* "server.rest_port" -> HOOKSWITCH_SERVER_REST_PORT */
static void variable_name(const char *path, char *ret_name, size_t size)
{
	snprintf(ret_name, size, PREFIX "%s", path);
	for (char *at = ret_name; *at; at++)
		*at = *at == '.' || *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

/* Sets what the environment has at or below a shape; true when it had anything. */
static bool read_shape(struct config_source *source, const struct hs_shape *shape, const char *prefix,
		       struct json_object *object)
{
	bool any = false;

	for (size_t i = 0; i < shape->fields_count; i++) {
		const struct hs_field *field = &shape->fields[i];
		char path[NAME_BYTES], name[NAME_BYTES + sizeof(PREFIX)];
		const char *value;

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", field->name);
		if (!field->list && field->type == HS_TYPE_STRUCT) {
			struct json_object *member = NULL;
			AUTO(json_put) struct json_object *fresh = json_object_new_object();

			json_object_object_get_ex(object, field->name, &member);
			if (!read_shape(source, field->shape, path, member ? member : fresh))
				continue;
			any = true;
			if (!member)
				json_object_object_add(object, field->name, TAKE(fresh));
			continue;
		}
		variable_name(path, name, sizeof(name));
		value = config_is_scalar(field) ? getenv(name) : NULL;
		if (!value || !*value)
			continue;
		any = true;
		config_place(source, path, 0, name);
		json_object_object_add(object, field->name, config_scalar(field, value, strlen(value), true));
	}
	return any;
}

struct guess {
	const char *variable;
	size_t edits;
	char name[NAME_BYTES];
	bool known;
};

/* Finds the variable of the schema that a name is, or is nearest to. */
static void guess_shape(const struct hs_shape *shape, const char *prefix, struct guess *guess)
{
	for (size_t i = 0; i < shape->fields_count; i++) {
		const struct hs_field *field = &shape->fields[i];
		char path[NAME_BYTES], name[NAME_BYTES + sizeof(PREFIX)];
		size_t edits;

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", field->name);
		if (!field->list && field->type == HS_TYPE_STRUCT)
			guess_shape(field->shape, path, guess);
		if (!config_is_scalar(field))
			continue;
		variable_name(path, name, sizeof(name));
		edits = distance(guess->variable, name);
		guess->known = guess->known || strcmp(guess->variable, name) == 0;
		if (edits < guess->edits) {
			guess->edits = edits;
			hs_copy(guess->name, sizeof(guess->name), name);
		}
	}
}

/* HOOKSWITCH_SERVER_...: begins with a section of the file. */
static bool names_section(const char *variable)
{
	for (size_t i = 0; i < hs_shape_config.fields_count; i++) {
		char name[NAME_BYTES + sizeof(PREFIX)];
		size_t length;

		variable_name(hs_shape_config.fields[i].name, name, sizeof(name));
		length = strlen(name);
		if (strncmp(variable, name, length) == 0 && (variable[length] == '_' || !variable[length]))
			return true;
	}
	return false;
}

/* Where the suite lives and is started from; the whole suite's, not the file's. */
static bool is_no_setting(const char *variable)
{
	static const char *const names[] = {PREFIX "HOME", PREFIX "CONFIG"};

	for (size_t i = 0; i < HS_COUNT(names); i++)
		if (strcmp(variable, names[i]) == 0)
			return true;
	return false;
}

static void warn_of_misspelt(void)
{
	for (char **at = environ; at && *at; at++) {
		struct guess guess = {.edits = 3};
		char variable[NAME_BYTES];

		if (strncmp(*at, PREFIX, strlen(PREFIX)) != 0)
			continue;
		hs_copy(variable, sizeof(variable), *at);
		variable[strcspn(variable, "=")] = 0;
		if (is_no_setting(variable))
			continue;
		guess.variable = variable;
		guess_shape(&hs_shape_config, "", &guess);
		if (!guess.known && (guess.name[0] || names_section(variable)))
			hs_log(WARN, "config.unknown_variable", LOG_TEXT("variable", variable),
			       LOG_TEXT("meant", guess.name[0] ? guess.name : NULL),
			       LOG_WHY("looks like a setting, but there is no such one; it changes nothing"));
	}
}

void config_read_environment(struct config_source *source, struct json_object *json)
{
	read_shape(source, &hs_shape_config, "", json);
	warn_of_misspelt();
}

/* ---- loading ---- */

/* Whole file, or NULL and a fault. The caller wipes and frees it. */
static char *read_file(struct config_source *source, size_t *ret_bytes)
{
	AUTO(close) int fd = open(source->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	AUTO(free) char *text = NULL;
	struct stat status;
	size_t used = 0, size = FILE_BYTES;
	ssize_t got = 1;

	if (fd < 0 || fstat(fd, &status) < 0) {
		config_fault(source, "", "cannot be opened: %s", strerror(errno));
		return NULL;
	}
	if (S_ISREG(status.st_mode) && status.st_size < FILE_BYTES)
		size = (size_t)status.st_size;
	text = hs_zalloc(size + 1);
	while (got > 0 && used <= size) {
		got = read(fd, text + used, size + 1 - used);
		used += got > 0 ? (size_t)got : 0;
	}
	if (got < 0 || used > size) {
		config_fault(source, "",
			     got < 0              ? "cannot be read"
			     : size == FILE_BYTES ? "is larger than 4 MiB"
						  : "grows while it is read; try again");
		return NULL;
	}
	*ret_bytes = used;
	return TAKE(text);
}

static struct json_object *read_source(struct config_source *source)
{
	struct json_object *json;
	size_t bytes = 0;
	char *text;

	if (!source->file)
		return json_object_new_object();
	text = read_file(source, &bytes);
	if (!text)
		return NULL;
	json = config_read_yaml(source, text, bytes);
	explicit_bzero(text, bytes); /* tokens may stand in it */
	free(text);
	return json;
}

/* Takes a value that was refused out, so that the next one can be looked at. False when it cannot be found. */
static bool remove_at(struct json_object *json, char *path)
{
	size_t length = strcspn(path, ".[");
	char *rest = path + length;
	struct json_object *next = NULL;

	if (*path == '[') {
		size_t index = strtoul(path + 1, &rest, 10);

		if (!json_object_is_type(json, json_type_array) || *rest != ']')
			return false;
		rest++;
		next = json_object_array_get_idx(json, index);
		if (*rest == 0)
			return json_object_array_del_idx(json, index, 1) == 0;
	} else {
		char name[NAME_BYTES];

		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		if (!json_object_is_type(json, json_type_object) || !json_object_object_get_ex(json, name, &next))
			return false;
		if (*rest == 0) {
			json_object_object_del(json, name);
			return true;
		}
	}
	return next && remove_at(next, *rest == '.' ? rest + 1 : rest);
}

/* Decodes; every value that does not fit is told. */
static bool decode(struct config_source *source, struct json_object *json, struct owned *owned)
{
	struct hs_wire_fault fault = {0};

	while (hs_wire_decode(&hs_shape_config, json, true, owned->arena, &owned->config, &fault) < 0) {
		config_fault(source, fault.field, "%s", fault.why);
		/* An item's removal would move the lines of those behind it. */
		if (source->count >= FAULTS_TOLD || strchr(fault.field, '[') || !remove_at(json, fault.field))
			return false;
		memset(&fault, 0, sizeof(fault));
	}
	return true;
}

/* ---- secrets of others ---- */

static void wipe_json(struct json_object *json)
{
	if (json_object_is_type(json, json_type_string)) {
		/* json-c has no other way to overwrite a text in place. */
		char *text = (char *)(uintptr_t)json_object_get_string(json);

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
static void drop_foreign(const struct hs_shape *shape, char *base, struct json_object *json, enum hs_role role)
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
			drop_foreign(field->shape, *(char **)(base + field->offset) + k * field->shape->size,
				     field->list ? json_object_array_get_idx(member, k) : member, role);
	}
}

struct hs_config *hs_config_load(const char *path, enum hs_role role, FILE *faults)
{
	struct owned *owned = hs_zalloc(sizeof(*owned));
	struct config_source source;
	AUTO(json_put) struct json_object *json = NULL;

	owned->arena = hs_arena_create();
	config_source_init(&source, path, faults);
	json = read_source(&source);
	if (json) {
		config_read_environment(&source, json);
		if (decode(&source, json, owned) && source.count == 0)
			config_check(&source, &owned->config);
		if (source.count == 0 && role != HS_ROLE_OPS)
			drop_foreign(&hs_shape_config, (char *)&owned->config, json, role);
	}
	if (source.count > FAULTS_TOLD && faults)
		fprintf(faults, "%s: and %d more\n", path ? path : "configuration", source.count - FAULTS_TOLD);
	config_source_finish(&source);
	if (source.count == 0)
		return &owned->config;
	hs_config_destroy(&owned->config);
	return NULL;
}

const struct hs_config_line *hs_config_find_line(const struct hs_config *config, const char *id)
{
	for (size_t i = 0; id && i < config->lines_count; i++)
		if (strcmp(config->lines[i].id, id) == 0)
			return &config->lines[i];
	return NULL;
}

const struct hs_config_line *hs_config_default_line(const struct hs_config *config)
{
	if (config->calls->default_line)
		return hs_config_find_line(config, config->calls->default_line);
	return config->lines_count ? &config->lines[0] : NULL;
}

void hs_config_destroy(struct hs_config *config)
{
	struct owned *owned = (struct owned *)(void *)config;

	if (!owned)
		return;
	hs_arena_destroy(owned->arena);
	free(owned);
}
