/* Any text as a cursor and as a filter of event types; what is taken must come out the same. */
#include "cleanup.h"
#include "cursor.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cursor(const char *text)
{
	char again[CURSOR_BYTES];
	int64_t generation, seq;

	if (cursor_parse(text, "1", &generation, &seq) != 0)
		return;
	cursor_format("1", generation, seq, again);
	if (strcmp(text, again) != 0)
		abort();
}

static void check_types(const char *text)
{
	char types[CURSOR_TYPES_BYTES], unknown[64];

	if (cursor_types(text, types, unknown) != 0)
		return;
	if (strlen(types) != strlen(text) + 2 || types[0] != ',')
		abort();
	cursor_has_type(types, "dtmf");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = hs_zalloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	check_cursor(text);
	check_types(text);
	return 0;
}
