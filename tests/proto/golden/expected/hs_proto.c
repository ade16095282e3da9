/* made by proto/generate.py; change the tables in proto/ instead */
#include "hs_proto.h"
#include <stddef.h>

static const char *const names_bell_size[] = {NULL, "small", "large"};
static const char *const docs_bell_size[] = {NULL, "a hand bell", "a church bell"};
const struct hs_enum hs_enum_bell_size = {"bell_size", names_bell_size, docs_bell_size, 3};

static const struct hs_field fields_tone[] = {
	{.name = "at", .name_bytes = 2, .type = HS_TYPE_TIME, .offset = offsetof(struct hs_tone, at), .doc = "when"},
	{.name = "hz", .name_bytes = 2, .type = HS_TYPE_INT, .offset = offsetof(struct hs_tone, hz), .min = INT64_C(20), .max = INT64_C(20000), .unit = "Hz", .doc = "how high"},
	{.name = "loud", .name_bytes = 4, .type = HS_TYPE_BOOL, .offset = offsetof(struct hs_tone, loud), .marked = true, .mark_offset = offsetof(struct hs_tone, has_loud), .optional = true, .doc = "how loud"},
};
const struct hs_shape hs_shape_tone = {"tone", sizeof(struct hs_tone), fields_tone, 3};

static const struct hs_field fields_bell[] = {
	{.name = "id", .name_bytes = 2, .type = HS_TYPE_ID, .offset = offsetof(struct hs_bell, id), .max_bytes = 64, .doc = "bell"},
	{.name = "size", .name_bytes = 4, .type = HS_TYPE_ENUM, .offset = offsetof(struct hs_bell, size), .values = &hs_enum_bell_size, .fallback = "\"small\"", .doc = "how large"},
	{.name = "count", .name_bytes = 5, .type = HS_TYPE_INT, .offset = offsetof(struct hs_bell, count), .marked = true, .mark_offset = offsetof(struct hs_bell, has_count), .optional = true, .min = INT64_C(-9007199254740992), .max = INT64_C(9007199254740992), .doc = "how often it rang"},
	{.name = "maker", .name_bytes = 5, .type = HS_TYPE_TEXT, .offset = offsetof(struct hs_bell, maker), .optional = true, .max_bytes = 32, .only = 1u << HS_ROLE_MASTER, .doc = "who cast it"},
	{.name = "motto", .name_bytes = 5, .type = HS_TYPE_LABEL, .offset = offsetof(struct hs_bell, motto), .optional = true, .max_bytes = 40, .doc = "what is cast into it"},
	{.name = "page", .name_bytes = 4, .type = HS_TYPE_URL, .offset = offsetof(struct hs_bell, page), .optional = true, .max_bytes = 2048, .doc = "more about it"},
	{.name = "code", .name_bytes = 4, .type = HS_TYPE_DIGITS, .offset = offsetof(struct hs_bell, code), .optional = true, .max_bytes = 4, .doc = "its code"},
	{.name = "last", .name_bytes = 4, .type = HS_TYPE_STRUCT, .offset = offsetof(struct hs_bell, last), .optional = true, .shape = &hs_shape_tone, .doc = "last sound"},
	{.name = "tones", .name_bytes = 5, .type = HS_TYPE_STRUCT, .offset = offsetof(struct hs_bell, tones), .list = true, .max_items = 8, .marked = true, .mark_offset = offsetof(struct hs_bell, tones_count), .shape = &hs_shape_tone, .doc = "all sounds"},
	{.name = "names", .name_bytes = 5, .type = HS_TYPE_TEXT, .offset = offsetof(struct hs_bell, names), .list = true, .max_items = 4, .marked = true, .mark_offset = offsetof(struct hs_bell, names_count), .optional = true, .max_bytes = 16, .doc = "names"},
	{.name = "notes", .name_bytes = 5, .type = HS_TYPE_JSON, .offset = offsetof(struct hs_bell, notes), .optional = true, .doc = "anything"},
};
const struct hs_shape hs_shape_bell = {"bell", sizeof(struct hs_bell), fields_bell, 11};

static const struct hs_field fields_event_head[] = {
	{.name = "seq", .name_bytes = 3, .type = HS_TYPE_INT, .offset = offsetof(struct hs_event_head, seq), .min = INT64_C(1), .max = INT64_C(9007199254740992), .doc = "number"},
};
const struct hs_shape hs_shape_event_head = {"event_head", sizeof(struct hs_event_head), fields_event_head, 1};

static const struct hs_field fields_config[] = {
	{.name = "bell", .name_bytes = 4, .type = HS_TYPE_STRUCT, .offset = offsetof(struct hs_config, bell), .shape = &hs_shape_bell, .fallback = "{}", .doc = "the bell"},
};
const struct hs_shape hs_shape_config = {"config", sizeof(struct hs_config), fields_config, 1};

static const struct hs_field fields_envelope_ring[] = {
	{.name = "v", .name_bytes = 1, .type = HS_TYPE_INT, .offset = offsetof(struct hs_envelope_ring, v), .min = INT64_C(1), .max = INT64_C(1), .doc = "version"},
};
const struct hs_shape hs_shape_envelope_ring = {"envelope_ring", sizeof(struct hs_envelope_ring), fields_envelope_ring, 1};

static const struct hs_field fields_bell_ring[] = {
	{.name = "bell", .name_bytes = 4, .type = HS_TYPE_ID, .offset = offsetof(struct hs_bell_ring, bell), .max_bytes = 64, .doc = "which"},
	{.name = "times", .name_bytes = 5, .type = HS_TYPE_INT, .offset = offsetof(struct hs_bell_ring, times), .marked = true, .mark_offset = offsetof(struct hs_bell_ring, has_times), .optional = true, .min = INT64_C(1), .max = INT64_C(12), .doc = "how often"},
};
static const struct hs_shape body_bell_ring = {"bell.ring", sizeof(struct hs_bell_ring), fields_bell_ring, 2};
static const struct hs_field fields_bell_ring_answer[] = {
	{.name = "bell", .name_bytes = 4, .type = HS_TYPE_STRUCT, .offset = offsetof(struct hs_bell_ring_answer, bell), .shape = &hs_shape_bell, .doc = "the bell"},
};
static const struct hs_shape answer_bell_ring = {"bell.ring.answer", sizeof(struct hs_bell_ring_answer), fields_bell_ring_answer, 1};
static const struct hs_field fields_bell_rang[] = {
	{.name = "bell", .name_bytes = 4, .type = HS_TYPE_ID, .offset = offsetof(struct hs_bell_rang, bell), .max_bytes = 64, .doc = "which"},
};
static const struct hs_shape body_bell_rang = {"bell.rang", sizeof(struct hs_bell_rang), fields_bell_rang, 1};
static const struct hs_field fields_rang[] = {
	{.name = "bell", .name_bytes = 4, .type = HS_TYPE_ID, .offset = offsetof(struct hs_rang, bell), .max_bytes = 64, .doc = "which"},
};
static const struct hs_shape body_rang = {"rang", sizeof(struct hs_rang), fields_rang, 1};
static const struct hs_shape body_page_get = {"page.get", sizeof(struct hs_page_get), NULL, 0};
static const struct hs_field fields_page_get_answer[] = {
	{.name = "text", .name_bytes = 4, .type = HS_TYPE_TEXT, .offset = offsetof(struct hs_page_get_answer, text), .max_bytes = 100, .doc = "text"},
};
static const struct hs_shape answer_page_get = {"page.get.answer", sizeof(struct hs_page_get_answer), fields_page_get_answer, 1};

const struct hs_message hs_messages[HS_MESSAGES] = {
	[HS_BELL_RING] = {.name = "bell.ring", .kind = HS_REQUEST, .body = &body_bell_ring, .answer = &answer_bell_ring, .from = 1u << HS_ROLE_MASTER, .to = 1u << HS_ROLE_BELL_RINGER, .doc = "Ring a bell.", .method = "POST", .path = "/api/v1/bells/{bell}/ring", .status = 202, .scope = "bells"},
	[HS_BELL_RANG] = {.name = "bell.rang", .kind = HS_FACT, .body = &body_bell_rang, .answer = NULL, .from = 1u << HS_ROLE_MASTER | 1u << HS_ROLE_BELL_RINGER, .to = 1u << HS_ROLE_MASTER, .doc = "A bell rang."},
	[HS_RANG] = {.name = "rang", .kind = HS_EVENT, .body = &body_rang, .answer = NULL, .from = 0, .to = 0, .doc = "A bell was heard.", .audience = HS_EDGE_NEWS},
	[HS_PAGE_GET] = {.name = "page.get", .kind = HS_REQUEST, .body = &body_page_get, .answer = &answer_page_get, .from = 1u << HS_ROLE_MASTER, .to = 1u << HS_ROLE_BELL_RINGER, .doc = "A page.", .method = "GET", .path = "/api/v1/page", .status = 200, .raw = "text/plain", .is_public = true},
};

const struct hs_error_row hs_errors[HS_ERRORS] = {
	[HS_OK] = {"ok", 200, "It worked", 0},
	[HS_ERROR_BAD_REQUEST] = {"bad_request", 400, "The request cannot be understood", 0},
	[HS_ERROR_UNAUTHORIZED] = {"unauthorized", 401, "A token is needed", 0},
	[HS_ERROR_FORBIDDEN] = {"forbidden", 403, "The token lacks the scope", 0},
	[HS_ERROR_INVALID] = {"invalid", 422, "A field is not possible", 0},
	[HS_ERROR_RATE_LIMITED] = {"rate_limited", 429, "Too many requests", 1},
};

const char *const hs_role_names[HS_ROLES] = {NULL, "master", "bell-ringer"};

const struct hs_edge_row hs_edges[HS_EDGES] = {
	[HS_EDGE_REQUESTS] = {"requests", {[HS_ROLE_BELL_RINGER] = 1u << HS_ROLE_MASTER}},
	[HS_EDGE_NEWS] = {"news", {[HS_ROLE_BELL_RINGER] = 1u << HS_ROLE_MASTER}},
};
