/* Time: one place that asks the kernel, so that pure rooms take it as an argument.
 * Used by every room. Owns nothing.
 */
#ifndef HS_CLOCK_H
#define HS_CLOCK_H

#include <stdint.h>

/* Milliseconds and microseconds since 1970 (may step). */
int64_t hs_clock_wall_ms(void);
int64_t hs_clock_wall_us(void);

/* Milliseconds and microseconds of a clock that never steps back. */
int64_t hs_clock_ms(void);
int64_t hs_clock_us(void);

#define HS_CLOCK_TEXT 32

/* RFC 3339 in UTC with milliseconds, "2025-02-08T14:30:00.000Z", into at least HS_CLOCK_TEXT bytes. */
void hs_clock_format(int64_t wall_ms, char *ret_text);

/* Reads RFC 3339 with any offset and fraction. -EINVAL when it is not; ret_wall_ms untouched then. */
int hs_clock_parse(const char *text, int64_t *ret_wall_ms);

#endif
