#include "locations.h"
#include "cleanup.h"
#include "log.h"
#include "table.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct entry {
	char key[HS_JOURNAL_KEY];
	size_t due; /* its place among those that expire */
	struct binding binding;
};

struct place {
	char line[65];
	struct entry *entries[LOCATIONS_MAX];
	size_t count;
};

/* How many bindings are at a host, or at a port of it. */
struct use {
	size_t count;
};

#define FLOW_TEXT (SOURCES_HOST + 8)

struct locations {
	struct hs_journal *journal;
	locations_watch *watch;
	void *context;
	struct hs_table *places; /* by line */
	struct hs_table *hosts;  /* host -> struct use */
	struct hs_table *flows;  /* port, transport and host -> struct use */
	struct entry **due;      /* heap: the next one to expire is the first */
	size_t count, due_size;
};

/* ---- who expires next ---- */

static void place_due(struct locations *locations, size_t at, struct entry *entry)
{
	locations->due[at] = entry;
	entry->due = at;
}

static bool is_sooner(const struct entry *a, const struct entry *b)
{
	return a->binding.expires_ms < b->binding.expires_ms;
}

/* Moves the entry at this place to where it belongs. */
static void sort_due(struct locations *locations, size_t at)
{
	struct entry *entry = locations->due[at];
	for (; at && is_sooner(entry, locations->due[(at - 1) / 2]); at = (at - 1) / 2)
		place_due(locations, at, locations->due[(at - 1) / 2]);
	for (size_t next; (next = 2 * at + 1) < locations->count; at = next) {
		if (next + 1 < locations->count && is_sooner(locations->due[next + 1], locations->due[next]))
			next++;
		if (!is_sooner(locations->due[next], entry))
			break;
		place_due(locations, at, locations->due[next]);
	}
	place_due(locations, at, entry);
}

static void add_due(struct locations *locations, struct entry *entry)
{
	if (locations->count == locations->due_size) {
		locations->due_size = locations->due_size ? 2 * locations->due_size : 64;
		locations->due = hs_resize(locations->due, locations->due_size, sizeof(*locations->due));
	}
	place_due(locations, locations->count++, entry);
	sort_due(locations, entry->due);
}

static void remove_due(struct locations *locations, struct entry *entry)
{
	struct entry *last = locations->due[--locations->count];
	if (last == entry)
		return;
	place_due(locations, entry->due, last);
	sort_due(locations, last->due);
}

/* ---- life ---- */

struct locations *locations_create(struct hs_journal *journal, locations_watch *watch, void *context)
{
	struct locations *locations = hs_zalloc(sizeof(*locations));
	locations->journal = journal;
	locations->watch = watch;
	locations->context = context;
	locations->places = hs_table_create();
	locations->hosts = hs_table_create();
	locations->flows = hs_table_create();
	return locations;
}

/* The line's name may be as long as a journal key: the key is a hash of line and contact. */
static void make_key(const struct binding *binding, char ret_key[HS_JOURNAL_KEY])
{
	uint8_t hash[16];
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	crypto_generichash_update(&state, (const uint8_t *)binding->line, strlen(binding->line) + 1);
	crypto_generichash_update(&state, (const uint8_t *)binding->contact, strlen(binding->contact));
	crypto_generichash_final(&state, hash, sizeof(hash));
	hs_copy(ret_key, HS_JOURNAL_KEY, "binding/");
	sodium_bin2hex(ret_key + 8, HS_JOURNAL_KEY - 8, hash, sizeof(hash));
}

static void count_use(struct hs_table *table, const char *key, bool more)
{
	struct use *use = hs_table_get(table, key);
	if (more && !use)
		hs_table_put(table, key, use = hs_zalloc(sizeof(*use)));
	if (more)
		use->count++;
	else if (use && !--use->count)
		free(hs_table_remove(table, key));
}

/* Asked for each message that comes: no printf. */
static void write_flow(const char *host, uint16_t port, bool tcp, char ret_flow[FLOW_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < 4; i++)
		ret_flow[i] = digits[port >> (12 - 4 * i) & 15];
	ret_flow[4] = tcp ? 't' : 'u';
	hs_copy(ret_flow + 5, FLOW_TEXT - 5, host);
}

static void count_place(struct locations *locations, const struct binding *binding, bool more)
{
	char flow[FLOW_TEXT];
	write_flow(binding->host, binding->port, binding->tcp, flow);
	count_use(locations->hosts, binding->host, more);
	count_use(locations->flows, flow, more);
}

static void write_entry(struct locations *locations, const struct entry *entry)
{
	if (locations->journal &&
	    hs_journal_put(locations->journal, entry->key, &entry->binding, sizeof(entry->binding)))
		hs_log(WARN, "binding.unprotected", LOG_LINE(entry->binding.line), LOG_WHY("the journal is full"));
	if (locations->watch)
		locations->watch(locations->context, entry->key, &entry->binding, false);
}

static struct place *place_of(struct locations *locations, const char *line)
{
	struct place *place = hs_table_get(locations->places, line);
	if (place)
		return place;
	place = hs_zalloc(sizeof(*place));
	hs_copy(place->line, sizeof(place->line), line);
	hs_table_put(locations->places, line, place);
	return place;
}

static int find_entry(const struct place *place, const char *contact, const char *instance)
{
	for (size_t i = 0; place && i < place->count; i++) {
		const struct binding *binding = &place->entries[i]->binding;
		if (!strcmp(binding->contact, contact) ||
		    (instance && *instance && !strcasecmp(binding->instance, instance)))
			return (int)i;
	}
	return -1;
}

static void remove_entry(struct locations *locations, struct place *place, size_t index)
{
	struct entry *entry = place->entries[index];
	if (locations->journal)
		hs_journal_drop(locations->journal, entry->key);
	if (locations->watch)
		locations->watch(locations->context, entry->key, &entry->binding, true);
	count_place(locations, &entry->binding, false);
	place->entries[index] = place->entries[--place->count];
	remove_due(locations, entry);
	free(entry);
}

static size_t oldest_of(const struct place *place)
{
	size_t oldest = 0;
	for (size_t i = 1; i < place->count; i++)
		if (place->entries[i]->binding.expires_ms < place->entries[oldest]->binding.expires_ms)
			oldest = i;
	return oldest;
}

static struct entry *add_entry(struct locations *locations, struct place *place, const struct binding *binding)
{
	struct entry *entry = hs_zalloc(sizeof(*entry));
	entry->binding = *binding;
	make_key(binding, entry->key);
	place->entries[place->count++] = entry;
	add_due(locations, entry);
	count_place(locations, binding, true);
	return entry;
}

/* What comes from a disk may lack its ends. */
static bool is_whole(const struct binding *binding)
{
	return memchr(binding->line, 0, sizeof(binding->line)) &&
	       memchr(binding->contact, 0, sizeof(binding->contact)) &&
	       memchr(binding->host, 0, sizeof(binding->host)) &&
	       memchr(binding->instance, 0, sizeof(binding->instance)) &&
	       memchr(binding->call_id, 0, sizeof(binding->call_id)) &&
	       memchr(binding->device, 0, sizeof(binding->device));
}

void locations_restore(struct locations *locations, const struct binding *binding, int64_t now_ms)
{
	if (!is_whole(binding))
		return;
	struct place *place = place_of(locations, binding->line);
	if (binding->expires_ms <= now_ms || place->count >= LOCATIONS_MAX ||
	    find_entry(place, binding->contact, binding->instance) >= 0)
		return;
	struct entry *entry = add_entry(locations, place, binding);
	if (locations->journal)
		hs_journal_put(locations->journal, entry->key, &entry->binding, sizeof(entry->binding));
}

void locations_put(struct locations *locations, const struct binding *binding, size_t max)
{
	struct place *place = place_of(locations, binding->line);
	struct binding fresh = *binding;
	int known = find_entry(place, binding->contact, binding->instance);
	if (known >= 0) {
		fresh.registered_ms = place->entries[known]->binding.registered_ms;
		if (!strcmp(place->entries[known]->binding.contact, binding->contact)) {
			count_place(locations, &place->entries[known]->binding, false);
			count_place(locations, binding, true);
			place->entries[known]->binding = fresh;
			sort_due(locations, place->entries[known]->due);
			write_entry(locations, place->entries[known]);
			return;
		}
		remove_entry(locations, place, (size_t)known);
	}
	while (place->count >= max || place->count >= LOCATIONS_MAX)
		remove_entry(locations, place, oldest_of(place));
	write_entry(locations, add_entry(locations, place, &fresh));
}

const struct binding *locations_find(const struct locations *locations, const char *line, const char *contact,
				     const char *instance)
{
	const struct place *place = hs_table_get(locations->places, line);
	int known = find_entry(place, contact, instance);
	return known < 0 ? NULL : &place->entries[known]->binding;
}

size_t locations_remove(struct locations *locations, const char *line, const char *contact)
{
	struct place *place = hs_table_get(locations->places, line);
	size_t removed = 0;
	for (size_t i = place ? place->count : 0; i-- > 0;) {
		if (contact && strcmp(place->entries[i]->binding.contact, contact) != 0)
			continue;
		remove_entry(locations, place, i);
		removed++;
	}
	return removed;
}

static int newest_first(const void *a, const void *b)
{
	int64_t left = (*(const struct binding *const *)a)->registered_ms;
	int64_t right = (*(const struct binding *const *)b)->registered_ms;
	return left < right ? 1 : left > right ? -1 : 0;
}

size_t locations_of_line(const struct locations *locations, const char *line, const struct binding **ret_bindings,
			 size_t max)
{
	const struct place *place = hs_table_get(locations->places, line);
	size_t count = 0;
	for (size_t i = 0; place && i < place->count && count < max; i++)
		ret_bindings[count++] = &place->entries[i]->binding;
	qsort(ret_bindings, count, sizeof(const struct binding *), newest_first);
	return count;
}

size_t locations_count(const struct locations *locations)
{
	return locations->count;
}

bool locations_has_host(const struct locations *locations, const char *host)
{
	return hs_table_get(locations->hosts, host) != NULL;
}

bool locations_has_flow(const struct locations *locations, const char *host, uint16_t port, bool tcp)
{
	char flow[FLOW_TEXT];
	write_flow(host, port, tcp, flow);
	return hs_table_get(locations->flows, flow) != NULL;
}

static size_t index_of(const struct place *place, const struct entry *entry)
{
	size_t i = 0;
	while (place->entries[i] != entry)
		i++;
	return i;
}

int64_t locations_next(const struct locations *locations, int64_t now_ms)
{
	if (!locations->count)
		return -1;
	int64_t left = locations->due[0]->binding.expires_ms - now_ms;
	return left > 0 ? left : 0;
}

int64_t locations_expire(struct locations *locations, int64_t now_ms, void (*lost)(void *context, const char *line),
			 void *context)
{
	while (locations->count && locations->due[0]->binding.expires_ms <= now_ms) {
		struct entry *entry = locations->due[0];
		struct place *place = place_of(locations, entry->binding.line);
		remove_entry(locations, place, index_of(place, entry));
		lost(context, place->line);
	}
	return locations_next(locations, now_ms);
}

struct visiting {
	void (*visit)(void *context, const char *key, const struct binding *binding);
	void *context;
};

static bool visit_place(void *context, const char *key, void *object)
{
	const struct visiting *visiting = context;
	const struct place *place = object;
	for (size_t i = 0; i < place->count; i++)
		visiting->visit(visiting->context, place->entries[i]->key, &place->entries[i]->binding);
	return true;
}

void locations_each(const struct locations *locations,
		    void (*visit)(void *context, const char *key, const struct binding *binding), void *context)
{
	struct visiting visiting = {visit, context};
	hs_table_each(locations->places, visit_place, &visiting);
}

static bool free_place(void *context, const char *key, void *object)
{
	struct place *place = object;
	for (size_t i = 0; i < place->count; i++)
		free(place->entries[i]);
	free(place);
	return true;
}

static bool free_use(void *context, const char *key, void *object)
{
	free(object);
	return true;
}

void locations_destroy(struct locations *locations)
{
	if (!locations)
		return;
	hs_table_each(locations->places, free_place, NULL);
	hs_table_each(locations->hosts, free_use, NULL);
	hs_table_each(locations->flows, free_use, NULL);
	hs_table_destroy(locations->places);
	hs_table_destroy(locations->hosts);
	hs_table_destroy(locations->flows);
	free(locations->due);
	free(locations);
}
