/* Caller identity as it may come down a line: what is shown is text, and fits. */
#include "display.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_text(const char *text)
{
	if (!memchr(text, '\0', DISPLAY_TEXT))
		abort();
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			abort();
	}
}

static void check(const struct display_message *message)
{
	check_text(message->number);
	check_text(message->name);
	check_text(message->date);
	if (message->kind == DISPLAY_NOTHING || !message->means)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct display_message message;
	char *keys = calloc(1, bytes + 1);

	if (display_parse(data, bytes, &message))
		check(&message);
	if (bytes)
		memcpy(keys, data, bytes);
	if (display_keys(keys, &message))
		check(&message);
	free(keys);
	return 0;
}
