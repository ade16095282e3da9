#include "diary.h"
#include "cleanup.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void diary_note(struct diary *diary, int64_t at_ms, const char *name, const char *format, ...)
{
	struct diary_entry *entry = &diary->entries[++diary->last % DIARY_ENTRIES];
	va_list list;

	entry->number = diary->last;
	entry->at_ms = at_ms;
	hs_copy(entry->name, sizeof(entry->name), name);
	va_start(list, format);
	vsnprintf(entry->detail, sizeof(entry->detail), format, list);
	va_end(list);
}

const struct diary_entry *diary_next(const struct diary *diary, uint64_t after)
{
	uint64_t oldest = diary->last > DIARY_ENTRIES ? diary->last - DIARY_ENTRIES + 1 : 1;
	uint64_t next = after + 1 < oldest ? oldest : after + 1;

	return next <= diary->last ? &diary->entries[next % DIARY_ENTRIES] : NULL;
}

const struct diary_entry *diary_find(const struct diary *diary, uint64_t after, const char *name)
{
	const struct diary_entry *entry;

	while ((entry = diary_next(diary, after))) {
		if (!strcmp(entry->name, name))
			return entry;
		after = entry->number;
	}
	return NULL;
}
