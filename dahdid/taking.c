#include "taking.h"
#include "journal.h"
#include <stdio.h>

/* Whoever handles an event tells at most one fact of it that nothing else would show again: so the event counts as
 * dealt with from its first fact on, and the journal's own number of facts says whether there was one. */
void taking_open(struct taking *taking, struct hs_journal *journal, const char *line)
{
	struct taking_memory *memory;
	char key[HS_JOURNAL_KEY];

	snprintf(key, sizeof(key), "taking/%s", line);
	memory = hs_journal_live(journal, key, sizeof(*memory));
	taking->journal = journal;
	taking->own = (struct taking_memory){0};
	taking->memory = memory ? memory : &taking->own;
	memory = taking->memory;
	if (memory->number && memory->told == hs_journal_newest(journal))
		memory->is_left = 1;
}

int *taking_begin(struct taking *taking)
{
	struct taking_memory *memory = taking->memory;

	memory->number = 0;
	memory->is_left = 0;
	memory->told = hs_journal_newest(taking->journal);
	return &memory->number;
}

void taking_end(struct taking *taking)
{
	taking->memory->number = 0;
}

/* In this order: who dies in between leaves it once more. */
int taking_left(struct taking *taking)
{
	struct taking_memory *memory = taking->memory;

	if (!memory->is_left)
		return 0;
	memory->told = hs_journal_newest(taking->journal);
	memory->is_left = 0;
	return memory->number;
}
