#include "refused.h"
#include "cleanup.h"
#include "id.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 16384 /* power of two */
#define LIFE_MS 32000 /* 64*T1 */

struct entry {
	uint64_t name;
	int64_t until_ms;
	int status;
};

struct refused {
	uint8_t key[crypto_shorthash_KEYBYTES]; /* nobody chooses whose place he takes */
	struct entry entries[ENTRIES];
};

struct refused *refused_create(void)
{
	struct refused *refused = hs_zalloc(sizeof(*refused));
	hs_random(refused->key, sizeof(refused->key));
	return refused;
}

static uint64_t hash_text(const struct refused *refused, const char *text)
{
	uint64_t hash;
	crypto_shorthash((uint8_t *)&hash, (const uint8_t *)text, text ? strlen(text) : 0, refused->key);
	return hash;
}

static uint64_t hash_name(const struct refused *refused, const struct refused_name *name)
{
	uint64_t parts[] = {hash_text(refused, name->call_id), hash_text(refused, name->branch), name->cseq}, hash;
	crypto_shorthash((uint8_t *)&hash, (const uint8_t *)parts, sizeof(parts), refused->key);
	return hash;
}

void refused_note(struct refused *refused, const struct refused_name *name, int status, int64_t now_ms)
{
	uint64_t hash = hash_name(refused, name);
	refused->entries[hash & (ENTRIES - 1)] =
		(struct entry){.name = hash, .until_ms = now_ms + LIFE_MS, .status = status};
}

int refused_status(const struct refused *refused, const struct refused_name *name, int64_t now_ms)
{
	uint64_t hash = hash_name(refused, name);
	const struct entry *entry = &refused->entries[hash & (ENTRIES - 1)];
	return entry->name == hash && now_ms < entry->until_ms ? entry->status : 0;
}

void refused_destroy(struct refused *refused)
{
	free(refused);
}
