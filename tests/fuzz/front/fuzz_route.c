/* Method, target and body of a request, as a client sends them: found, typed, merged, decoded. One line each. */
#include "cleanup.h"
#include "log.h"
#include "route.h"
#include "subscription.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct routes *routes;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	routes = routes_create();
	return 0;
}

static void merge(const struct route_match *match, const char *query, const char *text, size_t bytes)
{
	struct hs_wire_fault fault;
	const struct hs_shape *shape = hs_messages[match->message].body;
	struct hs_arena *arena = hs_arena_create();
	void *body = hs_arena_alloc(arena, shape->size);
	const struct hs_json *json = NULL;
	struct route_body made;
	if (bytes > 0 && hs_wire_parse(text, bytes, arena, &json, &fault))
		json = NULL;
	route_body_begin(&made, json);
	if (route_add_params(match, &made, &fault) == 0 && route_add_query(shape, query, &made, &fault) == 0) {
		/* What is put together of good parts can be read. */
		if (route_body_read(&made, arena, &json, &fault) != 0)
			abort();
		if (hs_wire_decode(shape, json, true, arena, body, &fault) == 0)
			free(hs_wire_text(shape, body, &bytes));
	}
	route_body_end(&made);
	hs_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = hs_zalloc(size + 1);
	struct subscription_query query;
	struct hs_wire_fault fault;
	struct route_match match;
	memcpy(text, data, size);
	char *end = text + size;
	char *target = strchr(text, '\n');
	if (!target)
		return 0;
	*target++ = '\0';
	char *body = strchr(target, '\n');
	if (body)
		*body++ = '\0';
	char *question = strchr(target, '?');
	if (question)
		*question++ = '\0';
	subscription_read(question ? question : "", &query, &fault);
	if (routes_find(routes, text, target, &match) == 0)
		merge(&match, question ? question : "", body ? body : "", body ? (size_t)(end - body) : 0);
	return 0;
}
