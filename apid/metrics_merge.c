#include "metrics_merge.h"
#include "cleanup.h"
#include "table.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One name: "# HELP", "# TYPE" and its samples, in the order in which they came. */
struct family {
	char *head, *samples;
	size_t head_bytes, samples_bytes;
	bool has_help, has_type;
	struct family *next;
};

struct metrics_merge {
	struct hs_table *names;
	struct family *first, **last;
};

struct metrics_merge *metrics_merge_create(void)
{
	struct metrics_merge *merge = hs_zalloc(sizeof(*merge));

	merge->names = hs_table_create();
	merge->last = &merge->first;
	return merge;
}

static void append(char **text, size_t *bytes, const char *line, size_t length)
{
	*text = hs_resize(*text, *bytes + length + 2, 1);
	memcpy(*text + *bytes, line, length);
	(*text)[*bytes + length] = '\n';
	(*text)[*bytes + length + 1] = '\0';
	*bytes += length + 1;
}

static struct family *find(struct metrics_merge *merge, const char *name, size_t length)
{
	AUTO(free) char *key = hs_printf("%.*s", (int)length, name);
	struct family *family = hs_table_get(merge->names, key);

	if (family)
		return family;
	family = hs_zalloc(sizeof(*family));
	hs_table_put(merge->names, key, family);
	*merge->last = family;
	merge->last = &family->next;
	return family;
}

/* A histogram's samples are name_bucket, name_sum and name_count: they belong to the name that was announced last. */
static size_t family_length(const struct metrics_merge *merge, const char *name, size_t length)
{
	static const char *const endings[] = {"_bucket", "_sum", "_count"};

	for (size_t i = 0; i < HS_COUNT(endings); i++) {
		size_t ending = strlen(endings[i]);
		AUTO(free) char *base = NULL;

		if (length <= ending || memcmp(name + length - ending, endings[i], ending) != 0)
			continue;
		base = hs_printf("%.*s", (int)(length - ending), name);
		if (hs_table_get(merge->names, base))
			return length - ending;
	}
	return length;
}

static void add_comment(struct metrics_merge *merge, const char *line, size_t length)
{
	bool help = length > 7 && memcmp(line, "# HELP ", 7) == 0;
	bool type = length > 7 && memcmp(line, "# TYPE ", 7) == 0;
	struct family *family;
	bool *has;

	if (!help && !type)
		return;
	family = find(merge, line + 7, strcspn(line + 7, " \n"));
	has = help ? &family->has_help : &family->has_type;
	if (!*has)
		append(&family->head, &family->head_bytes, line, length);
	*has = true;
}

static void add_sample(struct metrics_merge *merge, const char *line, size_t length)
{
	size_t name = strcspn(line, "{ \n");
	struct family *family;

	if (name == 0 || name >= length)
		return;
	family = find(merge, line, family_length(merge, line, name));
	append(&family->samples, &family->samples_bytes, line, length);
}

void metrics_merge_add(struct metrics_merge *merge, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");

		if (text[0] == '#')
			add_comment(merge, text, length);
		else if (length > 0)
			add_sample(merge, text, length);
		text += length + (text[length] == '\n');
	}
}

char *metrics_merge_text(const struct metrics_merge *merge, size_t max)
{
	char *text = hs_zalloc(max + 1);
	size_t used = 0;

	for (const struct family *family = merge->first; family; family = family->next) {
		if (family->samples_bytes == 0)
			continue;
		if (used + family->head_bytes + family->samples_bytes > max)
			break;
		if (family->head)
			memcpy(text + used, family->head, family->head_bytes);
		used += family->head_bytes;
		memcpy(text + used, family->samples, family->samples_bytes);
		used += family->samples_bytes;
	}
	return text;
}

void metrics_merge_destroy(struct metrics_merge *merge)
{
	if (!merge)
		return;
	while (merge->first) {
		struct family *next = merge->first->next;

		free(merge->first->head);
		free(merge->first->samples);
		free(merge->first);
		merge->first = next;
	}
	hs_table_destroy(merge->names);
	free(merge);
}
