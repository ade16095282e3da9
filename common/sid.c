#include "sid.h"
#include "cleanup.h"
#include "id.h"
#include <stdint.h>
#include <string.h>

#define BITS_BYTES 16
#define LETTERS 26 /* 128 bits in digits of 5 bits; the first one holds 3 */

static const char letters_of[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const char hex_of[] = "0123456789abcdef";

/* Where a letter stands in an alphabet; -1: nowhere. */
static int place(const char *alphabet, char letter)
{
	const char *found = letter ? strchr(alphabet, letter) : NULL;

	return found ? (int)(found - alphabet) : -1;
}

static bool read_letters(const char *letters, uint8_t ret_bits[BITS_BYTES])
{
	unsigned int pending = 0, bits = 0;
	size_t at = 0;

	if (strlen(letters) != LETTERS || letters[0] > '7')
		return false;
	for (size_t i = 0; i < LETTERS; i++) {
		int value = place(letters_of, letters[i]);

		if (value < 0)
			return false;
		pending = (pending << 5 | (unsigned int)value) & 0xffff;
		bits += i ? 5 : 3;
		if (bits >= 8)
			ret_bits[at++] = (uint8_t)(pending >> (bits -= 8));
	}
	return true;
}

static void write_letters(const uint8_t bits[BITS_BYTES], char ret_letters[LETTERS + 1])
{
	unsigned int pending = 0, count = 2;
	size_t at = 0;

	for (size_t i = 0; i < BITS_BYTES; i++) {
		pending = pending << 8 | bits[i];
		for (count += 8; count >= 5; count -= 5)
			ret_letters[at++] = letters_of[pending >> (count - 5) & 31];
	}
	ret_letters[at] = '\0';
}

static bool read_hex(const char *hex, uint8_t ret_bits[BITS_BYTES])
{
	for (size_t i = 0; i < BITS_BYTES; i++) {
		int high = place(hex_of, hex[2 * i]), low = high < 0 ? -1 : place(hex_of, hex[2 * i + 1]);

		if (low < 0)
			return false;
		ret_bits[i] = (uint8_t)(high << 4 | low);
	}
	return !hex[(size_t)2 * BITS_BYTES];
}

static void write_sid(const char *prefix, const uint8_t bits[BITS_BYTES], char ret_sid[HS_SID_BYTES])
{
	size_t at = strlen(prefix);

	hs_copy(ret_sid, HS_SID_BYTES, prefix);
	for (size_t i = 0; i < BITS_BYTES; i++) {
		ret_sid[at++] = hex_of[bits[i] >> 4];
		ret_sid[at++] = hex_of[bits[i] & 15];
	}
	ret_sid[at] = '\0';
}

void hs_sid_make(const char *prefix, const char *id, char ret_sid[HS_SID_BYTES])
{
	const char *letters = strchr(id, '-');
	uint8_t bits[BITS_BYTES];

	if (letters && read_letters(letters + 1, bits))
		write_sid(prefix, bits, ret_sid);
	else
		hs_copy(ret_sid, HS_SID_BYTES, id);
}

bool hs_sid_read(const char *sid, char kind, const char *node, char ret_id[HS_SID_BYTES])
{
	uint8_t bits[BITS_BYTES];
	char letters[LETTERS + 1];

	if (strlen(sid) < 2 || !read_hex(sid + 2, bits))
		return hs_id_valid(sid) && hs_copy(ret_id, HS_SID_BYTES, sid);
	write_letters(bits, letters);
	return snprintf(ret_id, HS_SID_BYTES, "%c%s-%s", kind, node ? node : "", letters) < HS_SID_BYTES;
}

void hs_sid_account(const char *node, char ret_sid[HS_SID_BYTES])
{
	uint8_t bits[BITS_BYTES] = {0};
	size_t length = node ? strlen(node) : 0;

	if (length > BITS_BYTES)
		length = BITS_BYTES;
	for (size_t i = 0; i < length; i++)
		bits[BITS_BYTES - length + i] = (uint8_t)node[i];
	write_sid("AC", bits, ret_sid);
}
