/* How often something happened in the last hour, minute by minute.
 * Called by apid's and dahdid's ceilings. Pure and plain: it can be a record of a journal.
 * Owns nothing.
 */
#ifndef HS_HOUR_H
#define HS_HOUR_H

#include <stdint.h>

#define HS_HOUR_MINUTES 60

/* Zeroed: nothing happened. */
struct hs_hour {
	int64_t minute; /* of the newest entry */
	uint32_t taken[HS_HOUR_MINUTES];
};

/* It happened once more; now_ms is hs_clock_ms. */
void hs_hour_take(struct hs_hour *hour, int64_t now_ms);

/* How often in the hour before now_ms; what is older is forgotten. */
int64_t hs_hour_taken(struct hs_hour *hour, int64_t now_ms);

#define HS_HOUR_TEXT 700

/* The hour as a text of at most HS_HOUR_TEXT bytes, and back: for who must know it when hs_clock_ms begins anew. The
 * time in between counts by wall_ms (since 1970); a clock that was set back makes what was taken newer, never older.
 * Reading makes nothing of a text that is none. */
void hs_hour_write(struct hs_hour *hour, int64_t now_ms, int64_t wall_ms, char ret_text[HS_HOUR_TEXT]);
void hs_hour_read(struct hs_hour *hour, const char *text, int64_t now_ms, int64_t wall_ms);

#endif
