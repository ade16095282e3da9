/* Entries lie in one array and are found by chains of indices, so that a walk stays whole whatever its visitor puts or
 * removes. Keys may be chosen by strangers (a Call-ID): the hash is SipHash-1-3 under a random key of the process. */
#include "table.h"
#include "cleanup.h"
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define NOBODY UINT32_MAX
#define FIRST_SIZE 8

struct entry {
	char *key; /* NULL: free */
	void *object;
	uint64_t hash;
	uint32_t next; /* in the chain, or in the list of free entries */
};

struct hs_table {
	struct entry *entries;
	uint32_t *heads; /* size of them, a power of two */
	uint32_t size, used, free;
	size_t count;
};

static uint64_t rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static void mix(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static const uint64_t *process_key(void)
{
	static uint64_t key[2];

	while (!key[0])
		if (getrandom(key, sizeof(key), 0) != sizeof(key))
			key[0] = 0;
	return key;
}

static uint64_t hash_text(const char *text)
{
	const uint64_t *key = process_key();
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
			 key[1] ^ 0x7465646279746573};
	size_t length = strlen(text);
	uint64_t word = (uint64_t)length << 56;

	for (; length >= 8; length -= 8, text += 8) {
		uint64_t block;

		memcpy(&block, text, 8);
		block = le64toh(block);
		v[3] ^= block;
		mix(v);
		v[0] ^= block;
	}
	for (size_t i = 0; i < length; i++)
		word |= (uint64_t)(unsigned char)text[i] << (8 * i);
	v[3] ^= word;
	mix(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	mix(v);
	mix(v);
	mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Where the index of key's entry stands: in a head or in the entry before it. *result is NOBODY when it is unknown. */
static uint32_t *find(const struct hs_table *table, const char *key, uint64_t hash)
{
	uint32_t *at = &table->heads[hash & (table->size - 1)];

	while (*at != NOBODY) {
		struct entry *entry = &table->entries[*at];

		if (entry->hash == hash && strcmp(entry->key, key) == 0)
			break;
		at = &entry->next;
	}
	return at;
}

static void chain(struct hs_table *table, uint32_t index)
{
	uint32_t *head = &table->heads[table->entries[index].hash & (table->size - 1)];

	table->entries[index].next = *head;
	*head = index;
}

static void set_size(struct hs_table *table, uint32_t size)
{
	table->entries = hs_resize(table->entries, size, sizeof(*table->entries));
	table->heads = hs_resize(table->heads, size, sizeof(*table->heads));
	table->size = size;
	memset(table->heads, 0xff, size * sizeof(*table->heads));
	for (uint32_t i = 0; i < table->used; i++)
		chain(table, i);
}

static uint32_t take_free(struct hs_table *table)
{
	uint32_t index = table->free;

	if (index != NOBODY) {
		table->free = table->entries[index].next;
		return index;
	}
	if (table->used == table->size)
		set_size(table, table->size * 2); /* no entry is free here: all used ones are in chains */
	return table->used++;
}

struct hs_table *hs_table_create(void)
{
	struct hs_table *table = hs_zalloc(sizeof(*table));

	table->free = NOBODY;
	set_size(table, FIRST_SIZE);
	return table;
}

void *hs_table_get(const struct hs_table *table, const char *key)
{
	uint32_t index;

	if (!key)
		return NULL;
	index = *find(table, key, hash_text(key));
	return index == NOBODY ? NULL : table->entries[index].object;
}

void *hs_table_put(struct hs_table *table, const char *key, void *object)
{
	uint64_t hash = hash_text(key);
	uint32_t index = *find(table, key, hash);
	void *old;

	if (index == NOBODY) {
		index = take_free(table);
		table->entries[index] = (struct entry){.key = hs_strdup(key), .hash = hash};
		chain(table, index);
		table->count++;
	}
	old = table->entries[index].object;
	table->entries[index].object = object;
	return old;
}

void *hs_table_remove(struct hs_table *table, const char *key)
{
	uint32_t *at, index;
	struct entry *entry;

	if (!key)
		return NULL;
	at = find(table, key, hash_text(key));
	index = *at;
	if (index == NOBODY)
		return NULL;
	entry = &table->entries[index];
	*at = entry->next;
	free(entry->key);
	entry->key = NULL;
	entry->next = table->free;
	table->free = index;
	table->count--;
	return TAKE(entry->object);
}

size_t hs_table_count(const struct hs_table *table)
{
	return table->count;
}

void hs_table_each(struct hs_table *table, _Bool (*visit)(void *context, const char *key, void *object), void *context)
{
	for (uint32_t i = 0; i < table->used; i++)
		if (table->entries[i].key && !visit(context, table->entries[i].key, table->entries[i].object))
			return;
}

void hs_table_destroy(struct hs_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->used; i++)
		free(table->entries[i].key);
	free(table->entries);
	free(table->heads);
	free(table);
}
