/* What the files of wire share with each other and with the bus: the strict scan, faults, UTF-8, the writer.
 * Called by wire_*.c, arena.c, config.c and bus_*.c only. Owns nothing.
 */
#ifndef HS_WIRE_INNER_H
#define HS_WIRE_INNER_H

#include "wire.h"

/* Memory of the arena as it is, for one who fills it himself; bytes of any number. */
void *hs_arena_raw(struct hs_arena *arena, size_t bytes);

/* Makes the arena's newest memory larger; it may move. Only what was hs_arena_alloc'ed last may grow, or NULL of 0. */
void *hs_arena_grow(struct hs_arena *arena, void *memory, size_t bytes, size_t more);

/* Fills the fault; field may be NULL. Returns -EINVAL. */
int hs_wire_refuse(struct hs_wire_fault *fault, const char *field, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Checks text against RFC 8259, stricter: one object, depth, UTF-8, no member twice, at most 256 members an object, no
 * NUL, no lone surrogate, no number beyond a double; and tells where its values lie. is_ours: we wrote it, and what it
 * quotes (NUL, bytes that are not UTF-8) is left for its fields to judge. 0 or -EINVAL with the fault filled. */
int hs_wire_scan(const char *text, size_t length, bool is_ours, struct hs_arena *arena, const struct hs_json **ret_json,
		 struct hs_wire_fault *ret_fault);

/* The same for a default of the contract, which may be any value and is always right. */
const struct hs_json *hs_wire_scan_value(const char *text, struct hs_arena *arena);

/* A text's value without its escapes, NUL-terminated. */
const char *hs_wire_unescape(const struct hs_json *json, struct hs_arena *arena, size_t *ret_length);

/* Hash of a member's name. */
uint32_t hs_wire_hash(const char *name, size_t length);

/* Bytes of the UTF-8 character at text (1-4), 0 when it is not one. */
size_t hs_wire_utf8(const unsigned char *text, size_t length);

/* Whether the character at text, of that many bytes, is a control that no text may hold: C0 but tab, CR, LF; DEL; C1.
 */
bool hs_wire_is_control(const unsigned char *text, size_t bytes);

/* The highest bit of each byte that is not ASCII from blank to ~, or is a quote or a backslash: exact for the lowest
 * such byte of a word in little-endian order. */
static inline uint64_t hs_wire_specials(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
	uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\', delete = word ^ ones * 0x7f;

	return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((delete - ones) & ~delete) |
		((word - ones * 0x20) & ~word) | word) &
	       highs;
}

/* Bytes from at on that are ASCII from blank to ~ and neither quote nor backslash. */
size_t hs_wire_printable(const char *at, const char *end);

#endif
