/* Scope-bound ownership and memory that cannot fail.
 * Used by every room; calls nothing but libc.
 * Owns nothing. Out of memory is logged and aborts: start-up is recovery, and sizes are bounded before allocation.
 */
#ifndef HS_CLEANUP_H
#define HS_CLEANUP_H

#include <stddef.h>
#include <stdio.h>

/* AUTO(free) char *name = ...;  runs hs_auto_free(&name) at the end of the scope. */
#define AUTO(what) __attribute__((cleanup(hs_auto_##what)))

/* Hands an AUTO variable's value over and leaves NULL behind. */
#define TAKE(p)                                                                                                        \
	({                                                                                                             \
		__typeof__(p) taken_ = (p);                                                                            \
		(p) = NULL;                                                                                            \
		taken_;                                                                                                \
	})

#define HS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct json_object;

void hs_auto_free(void *pointer_to_pointer);
void hs_auto_close(const int *fd);                /* AUTO(close) int fd */
void hs_auto_file(FILE **file);                   /* AUTO(file) */
void hs_auto_json_put(struct json_object **json); /* AUTO(json_put) */

/* Zeroed memory; the caller frees it. Never NULL. */
void *hs_zalloc(size_t bytes);

/* realloc that cannot fail; items * size is checked for overflow. */
void *hs_resize(void *memory, size_t items, size_t size);

/* Copy of a string; NULL gives NULL. The caller frees it. */
char *hs_strdup(const char *text);

/* Like asprintf, never fails. The caller frees it. */
char *hs_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Copies at most size-1 bytes and ends with NUL; true when it all fitted. NULL text counts as "". */
_Bool hs_copy(char *ret_text, size_t size, const char *text);

#endif
