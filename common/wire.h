/* JSON <-> struct, by the contract's tables. The only code that validates messages.
 * Called by bus, config, api-front, hookd, apid and hookctl. Owns nothing.
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

/* ---- JSON that was read: it stays the text it came as, and is shown where its values lie ---- */

enum hs_json_kind {
	HS_JSON_NULL,
	HS_JSON_FALSE,
	HS_JSON_TRUE,
	HS_JSON_WHOLE,  /* a number without fraction and exponent */
	HS_JSON_NUMBER, /* any other */
	HS_JSON_TEXT,
	HS_JSON_LIST,
	HS_JSON_OBJECT,
};

/* A value. What is in it follows it: items, or names and values by turns. */
struct hs_json {
	const char *text; /* as it was written; borrowed from what was parsed. Texts: between their quotes */
	uint32_t bytes;
	uint32_t nodes;    /* it and all in it: so much further lies the next one */
	uint32_t count;    /* items or members; of a member's name: its hash */
	uint8_t kind;      /* enum hs_json_kind */
	bool has_escapes;  /* texts: they are to be undone */
	bool is_printable; /* texts: ASCII from blank to ~, without escapes */
};

/* Reads text, which must outlive what is read. 0 and the object, in the arena; or -EINVAL / -EMSGSIZE with the fault
 * filled. */
int hs_wire_parse(const char *text, size_t length, struct hs_arena *arena, const struct hs_json **ret_json,
		  struct hs_wire_fault *ret_fault);

/* The same for a text of our own making: what it quotes (NUL, bytes that are not UTF-8) is left for its fields to
 * judge, and it may be longer. */
int hs_wire_reread(const char *text, size_t length, struct hs_arena *arena, const struct hs_json **ret_json,
		   struct hs_wire_fault *ret_fault);

/* Fills a struct of the shape (zeroed by us) from an object. Texts and lists live in the arena; JSON fields are
 * borrowed from json. strict: unknown members are refused. -EINVAL with the fault filled. */
int hs_wire_decode(const struct hs_shape *shape, const struct hs_json *json, bool strict, struct hs_arena *arena,
		   void *ret_struct, struct hs_wire_fault *ret_fault);

/* A member of an object, or NULL. */
const struct hs_json *hs_json_member(const struct hs_json *json, const char *name);

/* First item of a list, or first name in an object, and what follows a value; count says how many there are. */
const struct hs_json *hs_json_first(const struct hs_json *json);
const struct hs_json *hs_json_next(const struct hs_json *json);

/* Whether it is this text. NULL json: no. */
bool hs_json_is(const struct hs_json *json, const char *text);

/* A text's value, in the arena; NULL when it is no text. NULL json is fine. */
const char *hs_json_text(const struct hs_json *json, struct hs_arena *arena);

/* A copy of an object's text for a field of type JSON, which is only written: nothing in it is found. The caller frees
 * it. */
struct hs_json *hs_json_keep(const char *text, size_t bytes);

/* ---- Writing ---- */

/* A struct as an object's text. Absent members are left out. Never fails: texts that are not UTF-8, or hold control
 * characters, are cleaned, and sentences (fields of at most 256 bytes) are cut to what the field takes. NUL-terminated;
 * the caller frees it. */
char *hs_wire_text(const struct hs_shape *shape, const void *structure, size_t *ret_bytes);

/* Text being written, piece by piece. Begins as zeros; bytes is freed by its owner, and has no NUL. */
struct hs_wire_out {
	char *bytes;
	size_t used, size;
};

/* Appends a struct as an object; bytes as they are; a number; a text between quotes with its escapes (NULL: null). */
void hs_wire_write(struct hs_wire_out *out, const struct hs_shape *shape, const void *structure);
void hs_wire_put(struct hs_wire_out *out, const char *bytes, size_t count);
void hs_wire_put_int(struct hs_wire_out *out, int64_t value);
void hs_wire_put_text(struct hs_wire_out *out, const char *text);

/* Appends {"name": when nothing was written yet, else ,"name": */
void hs_wire_put_name(struct hs_wire_out *out, const char *name);

/* ---- Words ---- */

/* A message's id by name, or -ENOENT. */
int hs_wire_find(const char *name);

/* Index of a word in an enumeration, or 0. */
int hs_wire_word(const struct hs_enum *words, const char *word);

/* Whether a filter's word fits an event's name: "call.ended", "call.*" or "*". */
bool hs_wire_event_fits(const char *word, const char *name);

/* True for what a webhook's filter may name: a word that fits an event, or a line's state. Not webhook.failed, which
 * would feed itself. */
bool hs_wire_event_word(const char *word);

#endif
