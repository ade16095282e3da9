/* Any text as number, display name and device. Nothing that comes out may break a header line. */
#include "names.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			abort();
}

/* Exactly one quoted string, or nothing. */
static void check_quoted(const char *text)
{
	if (!*text)
		return;
	if (*text++ != '"')
		abort();
	for (; *text && *text != '"'; text++)
		if (*text == '\\' && !*++text)
			abort();
	if (text[0] != '"' || text[1])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[256], *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = 0;
	if (names_dialled(text, out, 65) == 0 && (strlen(out) > 64 || !*out))
		abort();
	names_uri_user(text, out, sizeof(out));
	check_line(out);
	if (strpbrk(out, "<>@;:\" "))
		abort();
	names_quoted(text, out, 160);
	check_line(out);
	check_quoted(out);
	names_clean(text, out, 65);
	check_line(out);
	free(text);
	return 0;
}
