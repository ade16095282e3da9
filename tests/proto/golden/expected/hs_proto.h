/* made by proto/generate.py; change the tables in proto/ instead */
#ifndef HS_PROTO_H
#define HS_PROTO_H
#include "contract.h"

#define HS_PROTO_VERSION 1

enum hs_role {
	HS_ROLE_NONE,
	HS_ROLE_MASTER,
	HS_ROLE_BELL_RINGER,
	HS_ROLES,
};

enum hs_edge {
	HS_EDGE_REQUESTS,
	HS_EDGE_NEWS,
	HS_EDGES,
};

enum hs_error {
	HS_OK,
	HS_ERROR_BAD_REQUEST,
	HS_ERROR_UNAUTHORIZED,
	HS_ERROR_FORBIDDEN,
	HS_ERROR_INVALID,
	HS_ERROR_RATE_LIMITED,
	HS_ERRORS,
};

/* How large a bell is. */
enum hs_bell_size {
	HS_BELL_SIZE_SMALL = 1,
	HS_BELL_SIZE_LARGE,
	HS_BELL_SIZE_COUNT,
};
extern const struct hs_enum hs_enum_bell_size;

/* One sound of a bell. */
struct hs_tone {
	int64_t at;
	int64_t hz;
	bool has_loud;
	bool loud;
};

extern const struct hs_shape hs_shape_tone;

/* A bell. */
struct hs_bell {
	const char *id;
	enum hs_bell_size size;
	bool has_count;
	int64_t count;
	const char *maker;
	const char *motto;
	const char *page;
	const char *code;
	struct hs_tone *last;
	size_t tones_count;
	struct hs_tone *tones;
	size_t names_count;
	const char **names;
	const struct hs_json *notes;
};

extern const struct hs_shape hs_shape_bell;

/* What every event begins with. */
struct hs_event_head {
	int64_t seq;
};

extern const struct hs_shape hs_shape_event_head;

/* The configuration. */
struct hs_config {
	struct hs_bell *bell;
};

extern const struct hs_shape hs_shape_config;

/* What stands around a message. */
struct hs_envelope_ring {
	int64_t v;
};

extern const struct hs_shape hs_shape_envelope_ring;

enum hs_message_id {
	HS_BELL_RING,
	HS_BELL_RANG,
	HS_RANG,
	HS_PAGE_GET,
	HS_MESSAGES,
};

/* Ring a bell. */
struct hs_bell_ring {
	const char *bell;
	bool has_times;
	int64_t times;
};

/* answer */
struct hs_bell_ring_answer {
	struct hs_bell *bell;
};

/* A bell rang. */
struct hs_bell_rang {
	const char *bell;
};

/* A bell was heard. */
struct hs_rang {
	const char *bell;
};

/* A page. */
struct hs_page_get {
	char nothing;
};

/* answer */
struct hs_page_get_answer {
	const char *text;
};

/* Audio frames: offsets of the header's fields, network byte order. */
#define HS_FRAME_AT_VERSION 0 /* 1 bytes: 1 */
#define HS_FRAME_AT_GRANT 1 /* 8 bytes: id */
#define HS_FRAME_HEADER_BYTES 9
#define HS_FRAME_GRANT_BYTES 8
#define HS_FRAME_VERSION 1
#define HS_FRAME_MAX_PAYLOAD 64
enum hs_frame_kind {
	HS_FRAME_AUDIO = 1, /* audio */
};

#endif
