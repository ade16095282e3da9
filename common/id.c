#include "id.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define RANDOM_BYTES 16
#define RANDOM_TEXT 26
#define STOCK_BYTES 1024

/* Asked of the kernel in one piece for many ids. The page is empty in a child of a fork: no two processes ever have the
 * same bytes. What was given out is wiped: nobody finds an old id in our memory. */
struct stock {
	size_t left;
	uint8_t bytes[STOCK_BYTES];
};

static void ask_kernel(uint8_t *ret_bytes, size_t count)
{
	size_t done = 0;

	while (done < count) {
		ssize_t got = getrandom(ret_bytes + done, count - done, 0);

		if (got > 0)
			done += (size_t)got;
		else if (errno != EINTR)
			abort(); /* a guessable id would be worse than none */
	}
}

/* NULL: this kernel does not empty a page at a fork, so each is asked for. */
static struct stock *get_stock(void)
{
	static _Thread_local struct stock *stock;
	static _Thread_local bool is_tried;
	void *page;

	if (is_tried)
		return stock;
	is_tried = true;
	page = mmap(NULL, sizeof(*stock), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, sizeof(*stock), MADV_WIPEONFORK) == 0)
		return stock = page;
	munmap(page, sizeof(*stock));
	return NULL;
}

void hs_random(void *ret_bytes, size_t count)
{
	struct stock *stock = count <= STOCK_BYTES / 4 ? get_stock() : NULL;

	if (!stock) {
		ask_kernel(ret_bytes, count);
		return;
	}
	if (stock->left < count) {
		ask_kernel(stock->bytes, STOCK_BYTES);
		stock->left = STOCK_BYTES;
	}
	stock->left -= count;
	memcpy(ret_bytes, stock->bytes + stock->left, count);
	explicit_bzero(stock->bytes + stock->left, count);
}

/* 128 bits are 26 digits of 5 bits; the first one holds 3. */
static void write_base32(const uint8_t *bytes, char ret_text[RANDOM_TEXT + 1])
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint32_t pending = 0;
	int bits = 2, at = 0;

	for (int i = 0; i < RANDOM_BYTES; i++) {
		pending = pending << 8 | bytes[i];
		for (bits += 8; bits >= 5; bits -= 5)
			ret_text[at++] = alphabet[pending >> (bits - 5) & 31];
	}
	ret_text[at] = 0;
}

void hs_id_make(char kind, const char *node, char ret_id[HS_ID_BYTES])
{
	uint8_t bytes[RANDOM_BYTES];
	char text[RANDOM_TEXT + 1];

	hs_random(bytes, sizeof(bytes));
	write_base32(bytes, text);
	snprintf(ret_id, HS_ID_BYTES, "%c%.*s-%s", kind, HS_ID_BYTES - RANDOM_TEXT - 3, node ? node : "", text);
}

bool hs_id_valid(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-";
	size_t length;

	if (!text)
		return false;
	length = strnlen(text, HS_ID_BYTES);
	return length >= 1 && length < HS_ID_BYTES && strspn(text, allowed) == length;
}
