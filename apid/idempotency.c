#include "idempotency.h"
#include "cleanup.h"
#include "clock.h"
#include "table.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BRIEF_MS 60000      /* longer than any request waits on the bus */
#define LONG_MS 86400000    /* a client's own key */
#define MEMORY_MS 60000     /* then only the store remembers */
#define MEMORY_COUNT 100000 /* answers in memory at most */

struct waiting {
	struct waiting *next;
	void (*found)(void *context, const char *answer);
	void *context;
};

struct entry {
	char key[IDEMPOTENCY_KEY];
	char *answer;  /* NULL: in work */
	int64_t until; /* in memory */
	struct waiting *waiting;
	struct entry *newer; /* of those that have an answer */
};

struct idempotency {
	struct store *store;
	struct hs_table *entries;
	struct entry *oldest, *newest;
	size_t answered;
};

void idempotency_key(const char *token, const char *path, const char *key, const char *request_id,
		     char ret_key[IDEMPOTENCY_KEY])
{
	AUTO(free)
	char *text = key ? hs_printf("k|%s|%s|%s", token ? token : "", path, key)
			 : hs_printf("r|%s|%s|%s", token ? token : "", path, request_id);
	unsigned char hash[(IDEMPOTENCY_KEY - 1) / 2];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, strlen(text), NULL, 0);
	sodium_bin2hex(ret_key, IDEMPOTENCY_KEY, hash, sizeof(hash));
}

static void entry_free(struct entry *entry)
{
	while (entry->waiting) {
		struct waiting *next = entry->waiting->next;

		free(entry->waiting);
		entry->waiting = next;
	}
	free(entry->answer);
	free(entry);
}

static void forget_old(struct idempotency *idempotency)
{
	int64_t now = hs_clock_lasting_ms();

	while (idempotency->oldest && (idempotency->oldest->until < now || idempotency->answered > MEMORY_COUNT)) {
		struct entry *entry = idempotency->oldest;

		idempotency->oldest = entry->newer;
		if (!idempotency->oldest)
			idempotency->newest = NULL;
		idempotency->answered--;
		hs_table_remove(idempotency->entries, entry->key);
		entry_free(entry);
	}
}

static void remember(struct idempotency *idempotency, struct entry *entry, const char *answer, int64_t until)
{
	entry->answer = hs_strdup(answer);
	entry->until = until;
	if (idempotency->newest)
		idempotency->newest->newer = entry;
	else
		idempotency->oldest = entry;
	idempotency->newest = entry;
	idempotency->answered++;
}

static struct entry *add_entry(struct idempotency *idempotency, const char *key)
{
	struct entry *entry = hs_zalloc(sizeof(*entry));

	hs_copy(entry->key, sizeof(entry->key), key);
	hs_table_put(idempotency->entries, key, entry);
	return entry;
}

/* ---- a key that is not in memory ---- */

struct lookup {
	struct idempotency *idempotency;
	char key[IDEMPOTENCY_KEY];
	int64_t now;
	char *answer;
	void (*found)(void *context, const char *answer);
	void *context;
};

static bool see_answer(void *context, const struct store_row *row)
{
	struct lookup *lookup = context;

	lookup->answer = hs_strdup(store_text(row, 0));
	return false;
}

static void look_in_worker(void *context, struct store_reader *reader)
{
	struct lookup *lookup = context;
	const struct store_value values[] = {STORE_V_TEXT(lookup->key), STORE_V_INT(lookup->now)};

	store_query(reader, STORE_ANSWER_GET, values, HS_COUNT(values), see_answer, lookup);
}

static void tell_waiting(struct idempotency *idempotency, struct entry *entry, const char *answer);

static void looked(void *context, int error)
{
	AUTO(free) struct lookup *lookup = context;
	AUTO(free) char *answer = lookup->answer;
	struct entry *entry = hs_table_get(lookup->idempotency->entries, lookup->key);

	if (answer) {
		remember(lookup->idempotency, entry, answer, lookup->now + MEMORY_MS);
		tell_waiting(lookup->idempotency, entry, answer);
	}
	lookup->found(lookup->context, answer);
}

/* ---- the table ---- */

static void wait_for(struct entry *entry, void (*found)(void *context, const char *answer), void *context)
{
	struct waiting *one = hs_zalloc(sizeof(*one));

	*one = (struct waiting){entry->waiting, found, context};
	entry->waiting = one;
}

static void tell_waiting(struct idempotency *idempotency, struct entry *entry, const char *answer)
{
	while (entry->waiting) {
		struct waiting *one = entry->waiting;

		entry->waiting = one->next;
		one->found(one->context, answer);
		free(one);
	}
}

void idempotency_begin(struct idempotency *idempotency, const char *key, bool brief,
		       void (*found)(void *context, const char *answer), void *context)
{
	struct lookup *lookup;
	struct entry *entry;

	forget_old(idempotency);
	entry = hs_table_get(idempotency->entries, key);
	if (entry && entry->answer) {
		found(context, entry->answer);
		return;
	}
	if (entry) {
		wait_for(entry, found, context);
		return;
	}
	if (brief) { /* those of our predecessor were read at start */
		found(context, NULL);
		return;
	}
	add_entry(idempotency, key);
	lookup = hs_zalloc(sizeof(*lookup));
	*lookup = (struct lookup){
		.idempotency = idempotency, .now = hs_clock_lasting_ms(), .found = found, .context = context};
	hs_copy(lookup->key, sizeof(lookup->key), key);
	store_read(idempotency->store,
		   &(struct store_job){.lane = STORE_BRIEF, .work = look_in_worker, .done = looked, .context = lookup});
}

void idempotency_put(struct idempotency *idempotency, const char *key, bool brief, const char *answer, bool stored)
{
	struct entry *entry = hs_table_get(idempotency->entries, key);
	int64_t now = hs_clock_lasting_ms();

	if (stored)
		store_write(idempotency->store, STORE_ANSWER_PUT, STORE_V_TEXT(key),
			    STORE_V_INT(now + (brief ? BRIEF_MS : LONG_MS)), STORE_V_INT(brief), STORE_V_TEXT(answer));
	if (!entry || entry->answer)
		return;
	remember(idempotency, entry, answer, now + MEMORY_MS);
	tell_waiting(idempotency, entry, answer);
}

/* The first of those that wait becomes the one in work; the others go on waiting. */
void idempotency_drop(struct idempotency *idempotency, const char *key)
{
	struct entry *entry = hs_table_get(idempotency->entries, key);
	struct waiting *first;

	if (!entry || entry->answer)
		return;
	first = entry->waiting;
	if (!first) {
		hs_table_remove(idempotency->entries, key);
		entry_free(entry);
		return;
	}
	entry->waiting = first->next;
	first->found(first->context, NULL);
	free(first);
}

static bool see_recent(void *context, const struct store_row *row)
{
	struct idempotency *idempotency = context;

	remember(idempotency, add_entry(idempotency, store_text(row, 0)), store_text(row, 2), store_int(row, 1));
	return true;
}

struct idempotency *idempotency_create(struct store *store)
{
	struct idempotency *idempotency = hs_zalloc(sizeof(*idempotency));
	const struct store_value now = STORE_V_INT(hs_clock_lasting_ms());

	idempotency->store = store;
	idempotency->entries = hs_table_create();
	store_query(store_at_start(store), STORE_ANSWERS_RECENT, &now, 1, see_recent, idempotency);
	return idempotency;
}

static bool free_entry(void *context, const char *key, void *object)
{
	entry_free(object);
	return true;
}

void idempotency_destroy(struct idempotency *idempotency)
{
	if (!idempotency)
		return;
	hs_table_each(idempotency->entries, free_entry, NULL);
	hs_table_destroy(idempotency->entries);
	free(idempotency);
}
