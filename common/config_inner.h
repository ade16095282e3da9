/* What the files of config share: where each value came from, and how a fault is told.
 * Called by config*.c only.
 * Owns the table of places.
 */
#ifndef HS_CONFIG_INNER_H
#define HS_CONFIG_INNER_H

#include "config.h"
#include "wire.h"

struct hs_table;

#define CONFIG_FAULTS_TOLD 20 /* more are only counted */

struct config_source {
	const struct hs_shape *shape; /* of the whole */
	const char *file;             /* NULL: none */
	FILE *faults;                 /* NULL: told to nobody */
	struct hs_table *places;      /* path -> struct place */
	int count;                    /* of faults */
};

void config_source_init(struct config_source *source, const struct hs_shape *shape, const char *file, FILE *faults);
void config_source_finish(struct config_source *source);

/* Remembers where the value at path ("lines[2].id") stands: a line of the file, or an environment variable. */
void config_place(struct config_source *source, const char *path, int line, const char *variable);

/* Tells a fault: place, path, sentence. The place is the path's own or the nearest one above it. */
void config_fault(struct config_source *source, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Field of a shape by name, or NULL. */
const struct hs_field *config_field(const struct hs_shape *shape, const char *name);

/* Single edits between two words, at most 64 letters each. */
size_t config_distance(const char *left, const char *right);

/* A sentence that names the key that was probably meant, "; did you mean rest_port?", or "". */
void config_suggest(const struct hs_shape *shape, const char *name, char *ret_text, size_t size);

/* True for an enumeration's, number's or text's field outside lists. */
bool config_is_scalar(const struct hs_field *field);

/* A scalar as JSON of the field's type; what does not fit becomes text, which the decoder then refuses by name. */
struct json_object *config_scalar(const struct hs_field *field, const char *text, size_t length, bool plain);

/* Reads a YAML text into JSON by the schema. Faults are told; NULL when the text cannot be followed to its end. */
struct json_object *config_read_yaml(struct config_source *source, const char *text, size_t length);

/* Puts the environment's values over those of the file, and warns about variables that look like misspelt ones. */
void config_read_environment(struct config_source *source, struct json_object *json);

/* Overwrites and drops what the schema gives to other roles only. json is what config was made of. */
void config_drop_foreign(struct hs_config *config, struct json_object *json, enum hs_role role);

/* What no schema can say: things that must be there, be different or be in order. */
void config_check(struct config_source *source, const struct hs_config *config);

/* The same of routes, and of who may dial them. */
void config_check_routes(struct config_source *source, const struct hs_config *config);

/* config_hooks.c: ids, filters and files of webhooks.endpoints. */
void config_check_hooks(struct config_source *source, const struct hs_config *config);

#endif
