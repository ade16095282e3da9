#include "store_batch.h"
#include "cleanup.h"
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 256 /* powers of two */

/* What a write does to its row. */
enum manner {
	ADD,    /* a row of its own that nothing touches again */
	PUT,    /* writes the row, whether it is there or not */
	INSERT, /* makes the row: before it there was none */
	DROP,
	WALL, /* depends on other rows */
};

/* Writes of one family with the same first values are about the same row. */
static const struct rule {
	enum manner manner;
	enum store_statement family;
	size_t keys;
} rules[STORE_WRITES] = {
	[STORE_META_PUT] = {PUT, STORE_META_PUT, 1},
	[STORE_GENERATION_ADD] = {ADD, STORE_GENERATION_ADD, 0},
	[STORE_EVENT_ADD] = {ADD, STORE_EVENT_ADD, 0},
	[STORE_CALL_PUT] = {PUT, STORE_CALL_PUT, 1},
	[STORE_LEG_PUT] = {PUT, STORE_LEG_PUT, 2},
	[STORE_LINE_PUT] = {PUT, STORE_LINE_PUT, 1},
	[STORE_GRANT_PUT] = {PUT, STORE_GRANT_PUT, 1},
	[STORE_GRANT_DROP] = {DROP, STORE_GRANT_PUT, 1},
	[STORE_INTENT_PUT] = {INSERT, STORE_INTENT_PUT, 1},
	[STORE_INTENT_DROP] = {DROP, STORE_INTENT_PUT, 1},
	[STORE_CURSOR_PUT] = {PUT, STORE_CURSOR_PUT, 1},
	[STORE_DAEMON_PUT] = {PUT, STORE_DAEMON_PUT, 1},
	[STORE_ANSWER_PUT] = {PUT, STORE_ANSWER_PUT, 1},
	[STORE_EARLY_PUT] = {INSERT, STORE_EARLY_PUT, 1},
	[STORE_EARLY_DROP] = {DROP, STORE_EARLY_PUT, 1},
	[STORE_EVENTS_EXPIRE] = {WALL, STORE_EVENTS_EXPIRE, 0},
	[STORE_LEGS_EXPIRE] = {WALL, STORE_LEGS_EXPIRE, 0},
	[STORE_CALLS_EXPIRE] = {WALL, STORE_CALLS_EXPIRE, 0},
	[STORE_ANSWERS_EXPIRE] = {WALL, STORE_ANSWERS_EXPIRE, 0},
};

/* ---- one write as bytes: a head, then its values one after the other ---- */

struct head {
	uint32_t bytes; /* with this head */
	uint32_t key;   /* bytes of the values that name the row */
	uint8_t statement, count;
} __attribute__((packed));

static size_t value_size(const struct store_value *value)
{
	if (value->type == STORE_INT)
		return 1 + sizeof(value->number);
	return 1 + (value->text ? sizeof(uint32_t) + strlen(value->text) : 0);
}

static uint8_t *put(uint8_t *at, const void *data, size_t bytes)
{
	memcpy(at, data, bytes);
	return at + bytes;
}

static uint8_t *put_value(uint8_t *at, const struct store_value *value)
{
	uint32_t length;

	if (value->type == STORE_INT) {
		*at = STORE_INT;
		return put(at + 1, &value->number, sizeof(value->number));
	}
	*at = value->text ? STORE_TEXT : STORE_NULL;
	if (!value->text)
		return at + 1;
	length = (uint32_t)strlen(value->text);
	at = put(at + 1, &length, sizeof(length));
	return put(at, value->text, length);
}

static void make_room(struct store_bytes *bytes, size_t more)
{
	size_t size = bytes->size ? bytes->size : 4096;

	while (size - bytes->used < more)
		size *= 2;
	if (size == bytes->size)
		return;
	bytes->at = hs_resize(bytes->at, size, 1);
	bytes->size = size;
}

void store_encode(struct store_bytes *bytes, enum store_statement statement, const struct store_value *values,
		  size_t count)
{
	struct head head = {.bytes = sizeof(head), .statement = (uint8_t)statement, .count = (uint8_t)count};
	uint8_t *at;

	for (size_t i = 0; i < count; i++) {
		head.bytes += (uint32_t)value_size(&values[i]);
		if (i + 1 == rules[statement].keys)
			head.key = (uint32_t)(head.bytes - sizeof(head));
	}
	make_room(bytes, head.bytes);
	at = put(bytes->at + bytes->used, &head, sizeof(head));
	for (size_t i = 0; i < count; i++)
		at = put_value(at, &values[i]);
	bytes->used += head.bytes;
}

void store_walk_begin(struct store_walk *walk, const uint8_t *write)
{
	struct head head;

	memcpy(&head, write, sizeof(head));
	*walk = (struct store_walk){(enum store_statement)head.statement, head.count, write + sizeof(head)};
}

bool store_walk_next(struct store_walk *walk, struct store_value *ret_value, size_t *ret_length)
{
	uint32_t length = 0;

	if (walk->left == 0)
		return false;
	walk->left--;
	*ret_value = (struct store_value){.type = *walk->at++};
	if (ret_value->type == STORE_INT) {
		memcpy(&ret_value->number, walk->at, sizeof(ret_value->number));
		walk->at += sizeof(ret_value->number);
	} else if (ret_value->type == STORE_TEXT) {
		memcpy(&length, walk->at, sizeof(length));
		ret_value->text = (const char *)walk->at + sizeof(length);
		walk->at += sizeof(length) + length;
	}
	*ret_length = length;
	return true;
}

/* Bytes of a value that has at most left of them; 0: it has more, or is none. */
static size_t checked_size(const uint8_t *at, size_t left)
{
	uint32_t length;

	if (left >= 1 && *at == STORE_NULL)
		return 1;
	if (left >= 1 + sizeof(int64_t) && *at == STORE_INT)
		return 1 + sizeof(int64_t);
	if (left < 1 + sizeof(length) || *at != STORE_TEXT)
		return 0;
	memcpy(&length, at + 1, sizeof(length));
	return length <= left - 1 - sizeof(length) ? 1 + sizeof(length) + length : 0;
}

static bool write_whole(const uint8_t *at, const struct head *head)
{
	size_t used = sizeof(*head), key = 0, bytes;

	if (head->statement >= STORE_WRITES || head->count < rules[head->statement].keys)
		return false;
	for (size_t i = 0; i < head->count; i++) {
		bytes = checked_size(at + used, head->bytes - used);
		if (bytes == 0)
			return false;
		used += bytes;
		key = i + 1 == rules[head->statement].keys ? used - sizeof(*head) : key;
	}
	return used == head->bytes && key == head->key;
}

bool store_bytes_whole(const uint8_t *at, size_t bytes)
{
	struct head head;

	while (bytes >= sizeof(head)) {
		memcpy(&head, at, sizeof(head));
		if (head.bytes < sizeof(head) || head.bytes > bytes || !write_whole(at, &head))
			return false;
		at += head.bytes;
		bytes -= head.bytes;
	}
	return bytes == 0;
}

/* ---- which of them matter ---- */

struct key {
	enum store_statement family;
	const uint8_t *at;
	size_t bytes;
};

static const struct rule *rule_of(const uint8_t *write)
{
	struct head head;

	memcpy(&head, write, sizeof(head));
	return &rules[head.statement];
}

static struct key key_of(const uint8_t *write)
{
	struct head head;

	memcpy(&head, write, sizeof(head));
	return (struct key){rules[head.statement].family, write + sizeof(head), head.key};
}

static bool same_key(const struct key *a, const struct key *b)
{
	return a->family == b->family && a->bytes == b->bytes && memcmp(a->at, b->at, a->bytes) == 0;
}

static size_t hash(const struct key *key)
{
	uint64_t sum = key->family;

	for (size_t i = 0; i < key->bytes; i++)
		sum = (sum ^ key->at[i]) * UINT64_C(0x100000001b3);
	return (size_t)(sum ^ sum >> 32);
}

/* The slot of a key, or the free one where it belongs. */
static uint32_t *find_slot(const struct store_batch *batch, const struct key *key)
{
	size_t mask = batch->slots_count - 1;

	for (size_t i = hash(key) & mask;; i = (i + 1) & mask) {
		uint32_t *slot = &batch->slots[i];
		struct key other;

		if (*slot == 0)
			return slot;
		other = key_of(batch->writes[*slot - 1].at);
		if (same_key(&other, key))
			return slot;
	}
}

static void grow_slots(struct store_batch *batch)
{
	uint32_t *old = batch->slots;
	size_t count = batch->slots_count;

	batch->slots_count = count ? 2 * count : SLOTS_FIRST;
	batch->slots = hs_zalloc(batch->slots_count * sizeof(*batch->slots));
	for (size_t i = 0; i < count; i++) {
		struct key key;

		if (old[i] == 0)
			continue;
		key = key_of(batch->writes[old[i] - 1].at);
		*find_slot(batch, &key) = old[i];
	}
	free(old);
}

static void append(struct store_batch *batch, const uint8_t *write)
{
	if (batch->count == batch->size) {
		batch->size = batch->size ? 2 * batch->size : SLOTS_FIRST;
		batch->writes = hs_resize(batch->writes, batch->size, sizeof(*batch->writes));
	}
	batch->writes[batch->count++] = (struct store_batch_write){write, false};
}

static void forget_keys(struct store_batch *batch)
{
	if (batch->keys > 0)
		memset(batch->slots, 0, batch->slots_count * sizeof(*batch->slots));
	batch->keys = 0;
}

/* True when the write takes the place of the older one of its row. */
static bool replace(struct store_batch_write *older, const uint8_t *write, enum manner manner)
{
	enum manner was = rule_of(older->at)->manner;

	if (was == INSERT && manner == DROP) { /* so it never was */
		older->left_out = true;
		return true;
	}
	if (was == INSERT && !older->left_out)
		return false;
	if (was == DROP && manner == INSERT)
		return false; /* the older row goes, a new one comes */
	*older = (struct store_batch_write){write, false};
	return true;
}

static void add_write(struct store_batch *batch, const uint8_t *write)
{
	const struct rule *rule = rule_of(write);
	struct key key = key_of(write);
	uint32_t *slot;

	if (rule->keys == 0) {
		if (rule->manner == WALL)
			forget_keys(batch);
		append(batch, write);
		return;
	}
	if (2 * (batch->keys + 1) > batch->slots_count)
		grow_slots(batch);
	slot = find_slot(batch, &key);
	if (*slot != 0 && replace(&batch->writes[*slot - 1], write, rule->manner))
		return;
	batch->keys += *slot == 0;
	append(batch, write);
	*slot = (uint32_t)batch->count;
}

void store_batch_add(struct store_batch *batch, const uint8_t *at, size_t bytes)
{
	struct head head;

	for (size_t done = 0; done < bytes; done += head.bytes) {
		memcpy(&head, at + done, sizeof(head));
		add_write(batch, at + done);
	}
}

void store_batch_clear(struct store_batch *batch)
{
	forget_keys(batch);
	batch->count = 0;
}

void store_batch_finish(struct store_batch *batch)
{
	free(batch->writes);
	free(batch->slots);
	*batch = (struct store_batch){0};
}
