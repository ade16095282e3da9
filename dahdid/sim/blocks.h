/* The audio buffers of one channel: rings of blocks between the card's clock and read(2) and write(2).
 * Called by chan; calls nobody. Pure.
 * Owns the memory of both rings. Sizes and policies are the driver's: a full receive ring keeps the old audio and drops
 * the new, and a transmitter told to wait holds back until enough blocks are there.
 */
#ifndef SIM_BLOCKS_H
#define SIM_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCKS_MAX 32
#define BLOCKS_SIZE_MAX 8192

enum blocks_policy { BLOCKS_IMMEDIATE = 0, BLOCKS_WHEN_FULL = 1, BLOCKS_HALF_FULL = 2 };

struct blocks_side {
	uint8_t *memory;
	int length[BLOCKS_MAX]; /* bytes in each full block */
	int first;              /* the oldest full block */
	int full;               /* how many are full */
	int at;                 /* receive: bytes in the block being filled; send: bytes already gone of the oldest */
};

struct blocks {
	int size;  /* samples of a block */
	int count; /* blocks of each ring */
	enum blocks_policy policy;
	struct blocks_side in, out;
	bool held; /* the transmitter waits for more, by policy */
};

/* New rings of count blocks of size samples, empty; count is brought into 2..BLOCKS_MAX. The caller has checked size.
 */
void blocks_resize(struct blocks *blocks, int size, int count);

/* Gives the memory back. */
void blocks_finish(struct blocks *blocks);

void blocks_clear_in(struct blocks *blocks);
void blocks_clear_out(struct blocks *blocks);

bool blocks_readable(const struct blocks *blocks);
bool blocks_writable(const struct blocks *blocks);
bool blocks_all_sent(const struct blocks *blocks);

/* The card brings samples. Returns how many found no room and are lost; *ret_filled says that a block became full. */
int blocks_receive(struct blocks *blocks, const uint8_t *samples, int count, bool *ret_filled);

/* The card wants samples. Returns how many it got; *ret_freed says that a block became free. */
int blocks_send(struct blocks *blocks, uint8_t *ret_samples, int count, bool *ret_freed);

/* Oldest received block, borrowed until the next call; *ret_length its bytes. NULL: none is full. */
const uint8_t *blocks_oldest(const struct blocks *blocks, int *ret_length);

/* Gives the oldest received block back, with whatever of it was not read. */
void blocks_drop(struct blocks *blocks);

/* Where the next block to send goes, size bytes; NULL when none is free. Follow with blocks_written. */
uint8_t *blocks_free(struct blocks *blocks);

/* The block got by blocks_free holds length bytes and may be sent. */
void blocks_written(struct blocks *blocks, int length);

/* Whoever asks whether all was sent starts a transmitter that was held back. */
void blocks_release(struct blocks *blocks);

#endif
