#include "id.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RANDOM_BYTES 16
#define RANDOM_TEXT 26

static void fill_random(uint8_t *ret_bytes, size_t count)
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

	fill_random(bytes, sizeof(bytes));
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
