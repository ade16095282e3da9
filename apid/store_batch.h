/* Writes on their way to the database: how one is kept as bytes, and which of them still matter.
 * Used by the files of store only. Pure: knows neither SQLite nor the disk. A batch borrows the bytes of its writes,
 * from the redo ring or from a turn that found no room there; it owns only its lists. Of writes to one key inside a
 * batch only the last is left; what was made and dropped inside it is not written at all. Between rows the order of
 * writes does not matter: what looks at more than its own row (the retention) is a wall over which nothing is drawn
 * together.
 */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "store.h"

/* Bytes that grow. Zeroed: empty. */
struct store_bytes {
	uint8_t *at;
	size_t used, size;
};

/* Adds a write at the end. Texts are copied. */
void store_encode(struct store_bytes *bytes, enum store_statement statement, const struct store_value *values,
		  size_t count);

/* Walks the values of one write. */
struct store_walk {
	enum store_statement statement;
	size_t left; /* values */
	const uint8_t *at;
};

void store_walk_begin(struct store_walk *walk, const uint8_t *write);

/* The next value; texts are borrowed, of ret_length bytes and without a NUL. false: there is none. */
bool store_walk_next(struct store_walk *walk, struct store_value *ret_value, size_t *ret_length);

/* True when bytes are whole writes and nothing else: they may come from a file. */
bool store_bytes_whole(const uint8_t *at, size_t bytes);

struct store_batch_write {
	const uint8_t *at;
	bool left_out;
};

/* Zeroed: empty. */
struct store_batch {
	struct store_batch_write *writes; /* in order */
	size_t count, size;
	uint32_t *slots; /* hash of keys: place in writes, from 1; 0 is free */
	size_t keys, slots_count;
};

/* Adds all writes of a run of bytes, which stay where they are until the batch is cleared. */
void store_batch_add(struct store_batch *batch, const uint8_t *at, size_t bytes);

void store_batch_clear(struct store_batch *batch);
void store_batch_finish(struct store_batch *batch);

#endif
