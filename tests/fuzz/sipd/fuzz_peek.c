/* Any bytes as a first look. What it says must lie within the bytes. */
#include "peek.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peek peek;
	const char *text = (const char *)data;

	peek_look(text, size, &peek);
	if (peek.call_id && (peek.call_id < text || peek.call_id + peek.call_id_bytes > text + size))
		abort();
	if (strlen(peek.method) >= PEEK_METHOD || peek.longest > size || peek.status < 0 || peek.status > 999)
		abort();
	peek_refuse(&peek);
	peek_glance(text, size, &peek);
	if (peek.call_id && (peek.call_id < text || peek.call_id + peek.call_id_bytes > text + size))
		abort();
	size_t needed = 0, whole = peek_whole(text, size, &needed);
	if (whole == 0 ? needed <= size : whole != PEEK_UNFRAMED && whole > size)
		abort();
	return 0;
}
