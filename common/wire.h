/* JSON <-> struct, by the contract's tables. The only code that validates messages.
 * Called by bus, config, api-front and hookctl. Knows json-c; its callers see json_object only where a field is JSON.
 * Bounds: 256 KiB, depth 16, valid UTF-8, no duplicate keys; requests refuse unknown members, events ignore them.
 */
#ifndef HS_WIRE_H
#define HS_WIRE_H

#include "hs_proto.h"

#define HS_WIRE_MAX_BYTES 262144
#define HS_WIRE_MAX_DEPTH 16

/* Memory that lives as long as one message; freed at once. */
struct hs_arena;
struct hs_arena *hs_arena_create(void);
void *hs_arena_alloc(struct hs_arena *arena, size_t bytes); /* zeroed */
char *hs_arena_copy(struct hs_arena *arena, const char *text, size_t length);
void hs_arena_destroy(struct hs_arena *arena); /* NULL is fine */

/* What is wrong with an input: the field's path ("lines[2].id") and one sentence with the mend. */
struct hs_wire_fault {
	char field[128];
	char why[200];
};

/* Parses text. 0 and a new object (json_object_put), or -EINVAL / -EMSGSIZE with the fault filled. */
int hs_wire_parse(const char *text, size_t length, struct json_object **ret_json, struct hs_wire_fault *ret_fault);

/* Fills a struct of the shape (zeroed by us) from an object. Texts and lists live in the arena; JSON fields are
 * borrowed from json, which the arena keeps alive. strict: unknown members are refused. -EINVAL with the fault filled.
 */
int hs_wire_decode(const struct hs_shape *shape, struct json_object *json, bool strict, struct hs_arena *arena,
		   void *ret_struct, struct hs_wire_fault *ret_fault);

/* A new object from a struct. Absent members are left out. Never fails: texts that are not UTF-8, or hold control
 * characters, are cleaned, and sentences (fields of at most 256 bytes) are cut to what the field takes. */
struct json_object *hs_wire_encode(const struct hs_shape *shape, const void *structure);

/* The same as text, which is several times faster. NUL-terminated; the caller frees it. */
char *hs_wire_text(const struct hs_shape *shape, const void *structure, size_t *ret_bytes);

/* A message's id by name, or -ENOENT. */
int hs_wire_find(const char *name);

/* Index of a word in an enumeration, or 0. */
int hs_wire_word(const struct hs_enum *words, const char *word);

#endif
