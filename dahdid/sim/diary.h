/* What happened at a port, in order: what tests wait for and people read.
 * Called by port, phone, exchange (to note) and commands (to look). Pure.
 * Owns the last DIARY_ENTRIES entries; the reader's mark moves forward as events are waited for.
 */
#ifndef SIM_DIARY_H
#define SIM_DIARY_H

#include <stdint.h>

#define DIARY_ENTRIES 256

struct diary_entry {
	uint64_t number; /* from 1 */
	int64_t at_ms;   /* of the simulator's clock */
	char name[24];
	char detail[160]; /* "" when there is none */
};

struct diary {
	struct diary_entry entries[DIARY_ENTRIES];
	uint64_t last; /* number of the newest, 0: nothing yet */
	uint64_t mark; /* everything up to here was waited for or forgotten */
};

/* Notes an event; format makes its detail. */
void diary_note(struct diary *diary, int64_t at_ms, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The first event of this name after the given number, or NULL. Borrowed until the next diary_note. */
const struct diary_entry *diary_find(const struct diary *diary, uint64_t after, const char *name);

/* The event after the given number that is still remembered, or NULL. */
const struct diary_entry *diary_next(const struct diary *diary, uint64_t after);

#endif
