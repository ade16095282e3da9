#include "wire_inner.h"
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

int hs_wire_parse(const char *text, size_t length, struct json_object **ret_json, struct hs_wire_fault *ret_fault)
{
	struct json_tokener *tokener;
	struct json_object *json;

	if (length > HS_WIRE_MAX_BYTES) {
		hs_wire_refuse(ret_fault, NULL, "has %zu bytes, at most %d are taken", length, HS_WIRE_MAX_BYTES);
		return -EMSGSIZE;
	}
	if (hs_wire_scan(text, length, ret_fault) < 0)
		return -EINVAL;
	tokener = json_tokener_new_ex(HS_WIRE_MAX_DEPTH + 2);
	if (!tokener)
		return hs_wire_refuse(ret_fault, NULL, "cannot be read: no memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json = json_tokener_parse_ex(tokener, text, (int)length);
	if (!json)
		hs_wire_refuse(ret_fault, NULL, "is not JSON: %s",
			       json_tokener_error_desc(json_tokener_get_error(tokener)));
	json_tokener_free(tokener);
	if (!json)
		return -EINVAL;
	*ret_json = json;
	return 0;
}

int hs_wire_find(const char *name)
{
	for (int i = 0; i < HS_MESSAGES; i++)
		if (hs_messages[i].name && strcmp(hs_messages[i].name, name) == 0)
			return i;
	return -ENOENT;
}

int hs_wire_word(const struct hs_enum *words, const char *word)
{
	for (int i = 1; word && i < words->count; i++)
		if (strcmp(words->names[i], word) == 0)
			return i;
	return 0;
}
