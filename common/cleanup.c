#include "cleanup.h"
#include <json-c/json_object.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL 1024 /* what the C library keeps of each size when it is freed */

/* Without memory nothing may be formatted: one fixed line, then abort, and the keeper starts a successor. */
static void *check(void *memory)
{
	static const char line[] = "level=error event=memory.exhausted why=\"no memory; ends and is restarted\"\n";

	if (!memory) {
		if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
			abort();
		abort();
	}
	return memory;
}

void hs_auto_free(void *pointer_to_pointer)
{
	void *memory;

	memcpy(&memory, pointer_to_pointer, sizeof(memory));
	free(memory);
}

void hs_auto_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void hs_auto_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

void hs_auto_json_put(struct json_object **json)
{
	json_object_put(*json);
}

/* Never inlined: else the compiler makes a calloc of this and the memset that follows. */
__attribute__((noinline)) static void *fresh(size_t bytes)
{
	return check(malloc(bytes ? bytes : 1));
}

/* What was freed waits for malloc first; calloc does not look there, and takes the long way each time. */
void *hs_zalloc(size_t bytes)
{
	return bytes > SMALL ? check(calloc(1, bytes)) : memset(fresh(bytes), 0, bytes);
}

void *hs_resize(void *memory, size_t items, size_t size)
{
	return check(reallocarray(memory, items ? items : 1, size ? size : 1));
}

char *hs_strdup(const char *text)
{
	return text ? check(strdup(text)) : NULL;
}

char *hs_printf(const char *format, ...)
{
	char *text = NULL;
	va_list list;

	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	va_end(list);
	return check(text);
}

_Bool hs_copy(char *ret_text, size_t size, const char *text)
{
	size_t length = text ? strlen(text) : 0;
	size_t fits;

	if (size == 0)
		return length == 0;
	fits = length < size ? length : size - 1;
	if (fits)
		memcpy(ret_text, text, fits);
	ret_text[fits] = 0;
	return fits == length;
}
