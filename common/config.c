#include "config.h"
#include "cleanup.h"
#include "config_inner.h"
#include "number.h"
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (4 << 20)
#define NAME_BYTES 160

/* What is given away; the arena holds all texts and lists. */
struct owned {
	union {
		struct hs_config config;
		struct hs_ceilings ceilings;
	};
	struct hs_arena *arena;
};

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

/* The tree's text is overwritten after its use: secrets stand in it. */
static int decode_tree(const struct hs_shape *shape, struct json_object *json, struct owned *owned,
		       struct hs_wire_fault *fault)
{
	size_t bytes;
	const char *shown = json_object_to_json_string_length(json, JSON_C_TO_STRING_PLAIN, &bytes);
	const struct hs_json *read;
	char *text;
	int result = hs_wire_reread(shown, bytes, owned->arena, &read, fault);

	if (result == 0)
		result = hs_wire_decode(shape, read, true, owned->arena, &owned->config, fault);
	memcpy(&text, &shown, sizeof(text)); /* json-c keeps it, and has no way to overwrite it */
	explicit_bzero(text, bytes);
	return result;
}

/* Decodes; every value that does not fit is told. */
static bool decode(struct config_source *source, struct json_object *json, struct owned *owned)
{
	struct hs_wire_fault fault = {0};

	while (decode_tree(source->shape, json, owned, &fault) < 0) {
		config_fault(source, fault.field, "%s", fault.why);
		/* An item's removal would move the lines of those behind it. */
		if (source->count >= CONFIG_FAULTS_TOLD || strchr(fault.field, '[') || !remove_at(json, fault.field))
			return false;
		memset(&fault, 0, sizeof(fault));
	}
	return true;
}

struct hs_config *hs_config_load(const char *path, enum hs_role role, FILE *faults)
{
	struct owned *owned = hs_zalloc(sizeof(*owned));
	struct config_source source;
	AUTO(json_put) struct json_object *json = NULL;

	owned->arena = hs_arena_create();
	config_source_init(&source, &hs_shape_config, path, faults);
	json = read_source(&source);
	if (json) {
		config_read_environment(&source, json);
		if (decode(&source, json, owned) && source.count == 0)
			config_check(&source, &owned->config);
		if (source.count == 0 && role != HS_ROLE_OPS)
			config_drop_foreign(&owned->config, json, role);
	}
	if (source.count > CONFIG_FAULTS_TOLD && faults)
		fprintf(faults, "%s: and %d more\n", path ? path : "configuration", source.count - CONFIG_FAULTS_TOLD);
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

bool hs_config_is_exchange(const struct hs_config *config, const struct hs_config_line *line)
{
	enum hs_signalling signalling;

	if (line->driver != HS_DRIVER_DAHDI)
		return false;
	signalling = line->port->signalling ? line->port->signalling : config->dahdi->port->signalling;
	return signalling == HS_SIGNALLING_FXSKS || signalling == HS_SIGNALLING_FXSLS;
}

bool hs_config_route_takes(const struct hs_config_route *route, const char *number)
{
	return hs_number_fits(route->pattern, number) &&
	       (!route->has_max_length || strlen(number) <= (size_t)route->max_length);
}

bool hs_config_route_may_grow(const struct hs_config_route *route, const char *number)
{
	return hs_number_may_grow(route->pattern, number) &&
	       (!route->has_max_length || strlen(number) < (size_t)route->max_length);
}

static bool leads_to(const struct hs_config_route *route, const char *line)
{
	for (size_t i = 0; i < route->lines_count; i++)
		if (strcmp(route->lines[i], line) == 0)
			return true;
	return false;
}

/* What is stripped is never more than the pattern begins with: the rest of the pattern is what is sent. */
static bool sends(const struct hs_config_route *route, const char *keys)
{
	char prepended[HS_NUMBER_BYTES];
	size_t ahead;

	hs_number_keys(route->prepend ? route->prepend : "", prepended);
	ahead = strlen(prepended);
	return strncmp(keys, prepended, ahead) == 0 && hs_number_fits(route->pattern + route->strip, keys + ahead) &&
	       (!route->has_max_length || strlen(keys) - ahead + (size_t)route->strip <= (size_t)route->max_length);
}

bool hs_config_is_emergency(const struct hs_config *config, const char *line, const char *sent)
{
	char keys[HS_NUMBER_BYTES];

	hs_number_keys(sent, keys);
	for (size_t i = 0; i < config->routes_count; i++)
		if (config->routes[i].emergency && leads_to(&config->routes[i], line) &&
		    sends(&config->routes[i], keys))
			return true;
	return false;
}

static void destroy(struct owned *owned)
{
	if (!owned)
		return;
	hs_arena_destroy(owned->arena);
	free(owned);
}

void hs_config_destroy(struct hs_config *config)
{
	destroy((struct owned *)(void *)config);
}

static void check_patterns(struct config_source *source, const char *path, const char *const *patterns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *fault = hs_number_pattern_fault(patterns[i]);

		if (fault)
			config_fault(source, path, "%s", fault);
	}
}

struct hs_ceilings *hs_config_load_ceilings(const char *path, FILE *faults)
{
	struct owned *owned = hs_zalloc(sizeof(*owned));
	struct config_source source;
	AUTO(json_put) struct json_object *json = NULL;
	int count;

	owned->arena = hs_arena_create();
	config_source_init(&source, &hs_shape_ceilings, path, faults);
	json = read_source(&source);
	if (json && decode(&source, json, owned) && source.count == 0) {
		const struct hs_ceilings_calls *calls = owned->ceilings.calls;

		check_patterns(&source, "calls.allowed", calls->allowed, calls->allowed_count);
		check_patterns(&source, "calls.refused", calls->refused, calls->refused_count);
	}
	count = source.count;
	config_source_finish(&source);
	if (count == 0 && json)
		return &owned->ceilings;
	destroy(owned);
	return NULL;
}

void hs_config_destroy_ceilings(struct hs_ceilings *ceilings)
{
	destroy((struct owned *)(void *)ceilings);
}
