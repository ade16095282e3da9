/* What the files of wire share: the strict scan, faults, UTF-8, and the arena's hold on JSON.
 * Called by wire_*.c and arena.c only. Owns nothing.
 */
#ifndef HS_WIRE_INNER_H
#define HS_WIRE_INNER_H

#include "wire.h"

/* Keeps json alive (one more count) until the arena is destroyed. */
void hs_arena_hold(struct hs_arena *arena, struct json_object *json);

/* Fills the fault; field may be NULL. Returns -EINVAL. */
int hs_wire_refuse(struct hs_wire_fault *fault, const char *field, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Checks text against RFC 8259, stricter: one object, depth, UTF-8, no member twice, at most 256 members an object, no
 * NUL, no lone surrogate, no number beyond a double. 0 or -EINVAL with the fault filled. */
int hs_wire_scan(const char *text, size_t length, struct hs_wire_fault *ret_fault);

/* Bytes of the UTF-8 character at text (1-4), 0 when it is not one. */
size_t hs_wire_utf8(const unsigned char *text, size_t length);

/* Whether the character at text, of that many bytes, is a control that no text may hold: C0 but tab, CR, LF; DEL; C1.
 */
bool hs_wire_is_control(const unsigned char *text, size_t bytes);

#endif
