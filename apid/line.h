/* Lines: what a person can pick up, and its public state.
 * Called by calls (legs lift and release), hear (reachable), streams and serve; calls the store. Owns the lines, which
 * live as long as the daemon, and their state machine.
 */
#ifndef LINE_H
#define LINE_H

#include "eventlog.h"
#include "table.h"

enum line_event {
	LINE_REACHABLE,
	LINE_UNREACHABLE,
	LINE_RINGS,    /* its bell rings */
	LINE_LIFTED,   /* its handset was lifted */
	LINE_RELEASED, /* its last leg ended */
	LINE_EVENTS,
};

struct lines;

/* An operator's audio stream at a line; owned by streams, linked here for who joins calls to it. */
struct grant {
	char id[65];
	struct line *line;
	enum hs_role front; /* that asked for it */
	char via[17];
	struct grant *next; /* of the line */
};

/* When a line hands its calls on. */
enum line_forward { LINE_FORWARD_ALWAYS, LINE_FORWARD_BUSY, LINE_FORWARD_NO_ANSWER, LINE_FORWARDS };

#define LINE_FORWARD_AFTER_S 20

struct line {
	const struct hs_config_line *config;
	struct lines *lines;
	int state; /* enum hs_line_state */
	enum hs_state_source source;
	int64_t since; /* when it entered its state */
	bool reachable;
	int64_t contacts;
	char *address, *device;
	char call[65];           /* call of its newest leg that lives, or "" */
	int legs;                /* that live */
	int64_t messages;        /* that wait for it */
	bool has_messages;       /* somebody has said how many: its driver is told, 0 too */
	enum hs_trouble trouble; /* with its port; 0: none */
	bool do_not_disturb;
	bool call_waiting;             /* it is rung in a call, too */
	char *forwards[LINE_FORWARDS]; /* numbers that get its calls; NULL: none */
	int64_t forward_after_s;       /* it rings so long before nobody answers */
	char *why;                     /* the same as a sentence; NULL: none */
	struct grant *grants;
	struct line *next_changed;
	bool is_changed;
};

extern const struct hs_fsm line_fsm;

struct lines *lines_create(const struct hs_config *config, struct store *store, struct eventlog *log);

/* A line by id, or NULL. */
struct line *lines_find(const struct lines *lines, const char *id);

/* The line of /api/v1/phone, or NULL when none is configured. */
struct line *lines_default(const struct lines *lines);

/* The i-th line in the order of the configuration, or NULL past the end. */
struct line *lines_at(const struct lines *lines, size_t i);

/* True when it can be rung: on hook and nobody is about to ring it. */
bool line_is_free(const struct line *line);

/* True when it is in one call, and may be rung for another one. */
bool line_may_wait(const struct line *line);

/* True for a line to an exchange: it is called out on, and nobody can be rung at it. */
bool line_is_exchange(const struct line *line);

/* Role of its driver on the bus. */
enum hs_role line_driver(const struct line *line);

/* What mediad makes of the audio of its legs. */
enum hs_media_kind line_media(const struct line *line);

/* Lets something happen to a line. at_ms: when. call: the call concerned. */
void line_step(struct line *line, enum line_event event, int64_t at_ms, const char *call);

/* What a driver says of its line: reachability, contacts, address. Tells line.registered and line.unregistered. */
void line_heard(struct line *line, const struct hs_line_changed *change, int64_t at_ms);

/* A leg of the call begins at the line; it ends. */
void line_engage(struct line *line, const char *call);
void line_disengage(struct line *line, const char *call, int64_t at_ms);

/* So many messages wait for it from now on; kept. */
void line_set_messages(struct line *line, int64_t waiting);

/* What it does with its calls, from now on; kept. number NULL or "": none. */
void line_set_undisturbed(struct line *line, bool do_not_disturb);
void line_set_call_waiting(struct line *line, bool call_waiting);
void line_set_forward(struct line *line, enum line_forward forward, const char *number);
void line_set_forward_after(struct line *line, int64_t seconds);

/* Whether its driver has a telephone of its own there, with a port and perhaps a lamp. */
bool line_has_port(const struct line *line);

/* Fills the public form; texts are borrowed from the line. */
void line_describe(const struct line *line, struct hs_line *ret_line);

/* Adds the changed lines to this turn's transaction. */
void lines_save(struct lines *lines);

void lines_destroy(struct lines *lines); /* NULL is fine */

#endif
