/* The environment over the file: one variable for each scalar outside lists. */
#include "cleanup.h"
#include "config_inner.h"
#include "log.h"
#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "HOOKSWITCH_"
#define NAME_BYTES 160

extern char **environ;

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
		edits = config_distance(guess->variable, name);
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
