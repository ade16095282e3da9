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

/* Milliseconds and microseconds since 1970 as this daemon's keeper found them at its start, counted on evenly, over the
 * deaths of its children and a sleep of the machine: when somebody sets the wall clock, this one is not set. For what
 * lasts so and so long and outlives a child: expiries, deadlines, retries. Never shown to anybody. After a restart of
 * the keeper it is the wall clock once more, so whoever reads from a disk when something is due bounds it. */
int64_t hs_clock_lasting_ms(void);
int64_t hs_clock_lasting_us(void);

/* Fixes what the two count from; in the keeper, before it has a child. Without it their first use does. */
void hs_clock_begin(void);

/* RFC 3339 in UTC with milliseconds, "2025-02-08T14:30:00.000Z", into at least HS_CLOCK_TEXT bytes. */
void hs_clock_format(int64_t wall_ms, char *ret_text);

/* Reads RFC 3339 with any offset and fraction. -EINVAL when it is not; ret_wall_ms untouched then. */
int hs_clock_parse(const char *text, int64_t *ret_wall_ms);

#endif
