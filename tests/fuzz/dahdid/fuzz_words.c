/* Any text as a description: what is read can be written and read again as the same. */
#include "cleanup.h"
#include "words.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = hs_zalloc(size + 1);
	char once[WORDS_BYTES], again[WORDS_BYTES];
	struct words words, same;

	memcpy(text, data, size);
	if (words_read(text, &words) < 0)
		return 0;
	words_write(&words, once);
	if (words_read(once, &same) < 0)
		abort();
	words_write(&same, again);
	if (strcmp(once, again) != 0)
		abort();
	return 0;
}
