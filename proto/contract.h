/* The shape of the contract: what the tables made from the TOML files are made of.
 * Included by the generated hs_proto.h; walked by common/wire.c. Holds no logic.
 */
#ifndef HS_CONTRACT_H
#define HS_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hs_json; /* common/wire.h */

/* Words of an enumeration. Index 0 means "absent"; names[0] is NULL. */
struct hs_enum {
	const char *name;
	const char *const *names;
	const char *const *docs;
	int count; /* words + 1 */
};

enum hs_type {
	HS_TYPE_TEXT,   /* const char *, UTF-8 without control characters but tab, CR, LF */
	HS_TYPE_LABEL,  /* const char *, one line: UTF-8 without any control character */
	HS_TYPE_ID,     /* const char *, [A-Za-z0-9_.~-]+ */
	HS_TYPE_DIGITS, /* const char *, [0-9*#A-D]+ */
	HS_TYPE_URL,    /* const char *, printable ASCII */
	HS_TYPE_INT,    /* int64_t */
	HS_TYPE_BOOL,   /* bool */
	HS_TYPE_TIME,   /* int64_t, ms since 1970; 0: absent. RFC 3339 on the wire */
	HS_TYPE_ENUM,   /* enum; 0: absent. A word on the wire */
	HS_TYPE_STRUCT, /* pointer to the struct */
	HS_TYPE_JSON,   /* const struct hs_json *, any object */
};

struct hs_shape;

/* A member of a struct: where it is in C and what may stand in it. */
struct hs_field {
	const char *name;
	uint32_t name_bytes;
	enum hs_type type;
	bool list;     /* offset holds a pointer to items, mark_offset a size_t count */
	bool optional; /* may be absent: NULL, 0, or has_x false */
	bool marked;   /* mark_offset is valid: has_x of an optional int or bool, or a list's count */
	size_t offset;
	size_t mark_offset;
	int64_t min, max;   /* int */
	uint32_t max_bytes; /* texts */
	uint32_t max_items; /* list */
	const struct hs_enum *values;
	const struct hs_shape *shape;
	const char *fallback; /* default as JSON, or NULL */
	uint32_t only;        /* roles that keep the value (configuration); 0: all */
	const char *unit;
	const char *doc;
};

struct hs_shape {
	const char *name;
	size_t size; /* of the C struct */
	const struct hs_field *fields;
	size_t fields_count;
};

enum hs_kind {
	HS_REQUEST,
	HS_FACT,  /* pushed to apid, acknowledged after its commit */
	HS_EVENT, /* in the public log */
};

/* A message: who may send it to whom, its body, and its HTTP face where it is public. */
struct hs_message {
	const char *name;
	enum hs_kind kind;
	const struct hs_shape *body;
	const struct hs_shape *answer; /* NULL unless a request */
	uint32_t from, to;             /* bit 1 << enum hs_role */
	const char *method, *path;     /* HTTP; NULL: not public */
	int status;                    /* HTTP status of success */
	const char *scope;             /* a token needs it; NULL: none */
	const char *raw;               /* content type when the answer's text goes out as it is */
	bool is_upload;                /* body of the HTTP request is audio */
	bool is_form;                  /* as Twilio has it: form, basic authentication, its own errors */
	bool is_public;                /* no token needed */
	bool is_signed;                /* instead: headers and body as they came are in the message */
	bool is_patient;               /* nobody waits to hear that it is done */
	int deadline_ms;               /* for the answer; 0: the usual one */
	int audience;                  /* enum hs_edge an event's copy is published on */
	const char *doc;
};

/* An error a client can see. */
struct hs_error_row {
	const char *name;
	int status; /* HTTP */
	const char *title;
	int retry_after_s; /* 0: say nothing */
};

#define HS_ROLES_MAX 16

/* A socket directory run/<binder>/<name>: who may connect, by binder. */
struct hs_edge_row {
	const char *name;
	uint32_t connect[HS_ROLES_MAX]; /* by enum hs_role of the binder; 0: it binds no such edge */
};

extern const struct hs_message hs_messages[];
extern const struct hs_error_row hs_errors[];
extern const char *const hs_role_names[];
extern const struct hs_edge_row hs_edges[];
extern const unsigned char hs_openapi[]; /* the OpenAPI document, JSON */
extern const size_t hs_openapi_bytes;

#endif
