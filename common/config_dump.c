/* The schema walked once more: a comment, a key, a value. Texts are in double quotes with JSON's escapes, which YAML
 * understands. */
#include "config.h"
#include <inttypes.h>
#include <string.h>

struct dump {
	FILE *out;
	int indent;
};

static void dump_struct(const struct dump *dump, const struct hs_shape *shape, const char *base);

static void begin(const struct dump *dump)
{
	fprintf(dump->out, "%*s", dump->indent, "");
}

static void dump_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void dump_scalar(const struct dump *dump, const struct hs_field *field, const void *slot)
{
	switch (field->type) {
	case HS_TYPE_INT:
		fprintf(dump->out, "%" PRId64, *(const int64_t *)slot);
		break;
	case HS_TYPE_BOOL:
		fputs(*(const bool *)slot ? "true" : "false", dump->out);
		break;
	case HS_TYPE_ENUM:
		fputs(field->values->names[*(const unsigned int *)slot], dump->out);
		break;
	default:
		dump_text(dump->out, *(const char *const *)slot);
		break;
	}
}

/* What may stand here, behind the sentence of the schema. */
static void dump_limits(const struct dump *dump, const struct hs_field *field)
{
	if (field->type == HS_TYPE_ENUM) {
		fputs(" (", dump->out);
		for (int i = 1; i < field->values->count; i++)
			fprintf(dump->out, "%s%s", i > 1 ? ", " : "", field->values->names[i]);
		fputc(')', dump->out);
	} else if (field->type == HS_TYPE_INT) {
		fprintf(dump->out, " (%" PRId64 " to %" PRId64 "%s%s)", field->min, field->max, field->unit ? " " : "",
			field->unit ? field->unit : "");
	}
}

static bool is_set(const struct hs_field *field, const char *base)
{
	const void *slot = base + field->offset;

	if (field->list)
		return *(const size_t *)(base + field->mark_offset) > 0;
	if (field->type == HS_TYPE_INT || field->type == HS_TYPE_BOOL)
		return !field->marked || *(const bool *)(base + field->mark_offset);
	if (field->type == HS_TYPE_ENUM)
		return *(const unsigned int *)slot != 0;
	return *(const void *const *)slot != NULL;
}

static size_t scalar_size(enum hs_type type)
{
	return type == HS_TYPE_ENUM   ? sizeof(unsigned int)
	       : type == HS_TYPE_INT  ? sizeof(int64_t)
	       : type == HS_TYPE_BOOL ? sizeof(bool)
				      : sizeof(char *);
}

static void dump_list(const struct dump *dump, const struct hs_field *field, const char *base)
{
	const char *items = *(const char *const *)(base + field->offset);
	size_t count = *(const size_t *)(base + field->mark_offset);
	struct dump inner = {dump->out, dump->indent + 4};

	fputc('\n', dump->out);
	for (size_t i = 0; i < count; i++) {
		fprintf(dump->out, "%*s-", dump->indent + 2, "");
		if (field->type == HS_TYPE_STRUCT) {
			fputc('\n', dump->out);
			dump_struct(&inner, field->shape, items + i * field->shape->size);
			continue;
		}
		fputc(' ', dump->out);
		dump_scalar(dump, field, items + i * scalar_size(field->type));
		fputc('\n', dump->out);
	}
}

static void dump_field(const struct dump *dump, const struct hs_field *field, const char *base)
{
	struct dump inner = {dump->out, dump->indent + 2};
	bool secret = field->only && field->type == HS_TYPE_TEXT;

	begin(dump);
	fprintf(dump->out, "# %s", field->doc);
	dump_limits(dump, field);
	fputc('\n', dump->out);
	begin(dump);
	if (!is_set(field, base)) {
		fprintf(dump->out, "# %s:\n", field->name);
	} else if (secret) {
		fprintf(dump->out, "# %s: # set, not shown\n", field->name);
	} else if (field->list) {
		fprintf(dump->out, "%s:", field->name);
		dump_list(dump, field, base);
	} else if (field->type == HS_TYPE_STRUCT) {
		fprintf(dump->out, "%s:\n", field->name);
		dump_struct(&inner, field->shape, *(const char *const *)(base + field->offset));
	} else {
		fprintf(dump->out, "%s: ", field->name);
		dump_scalar(dump, field, base + field->offset);
		fputc('\n', dump->out);
	}
}

static void dump_struct(const struct dump *dump, const struct hs_shape *shape, const char *base)
{
	for (size_t i = 0; i < shape->fields_count; i++)
		dump_field(dump, &shape->fields[i], base);
}

void hs_config_dump(const struct hs_config *config, FILE *out)
{
	struct dump dump = {out, 0};

	fputs("# hookswitch.yaml: the configuration in force. Each value can also be set from the environment:\n"
	      "# HOOKSWITCH_ and its path in capitals, such as HOOKSWITCH_SERVER_REST_PORT.\n",
	      out);
	dump_struct(&dump, &hs_shape_config, (const char *)config);
}
