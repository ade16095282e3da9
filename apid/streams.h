/* Streams: grants under which an operator has a line's audio. A grant outlives calls and is joined to each of them.
 * Called by serve (open, close), hear (detached, mediad restarted) and watch (a front is gone); calls lines, calls,
 * eventlog, the store, and asks mediad. Owns the grants; each line links its own.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include "calls.h"

struct streams;

struct streams_setup {
	struct store *store;
	struct eventlog *log;
	struct lines *lines;
	struct calls *calls;
	void (*ask)(void *context, const struct calls_ask *ask);
	void (*forget)(void *context, enum hs_role to, const char *leg);
	void *context;
};

/* Restores the grants. */
struct streams *streams_create(const struct streams_setup *setup);

/* Puts a grant that mediad has opened into force: told, stored, joined to the call the line is in. */
void streams_add(struct streams *streams, const char *id, struct line *line, enum hs_role front, const char *via);

/* A front says that an operator is gone or could not be reached. An unknown grant says nothing new. */
void streams_close(struct streams *streams, const struct hs_stream_close *request, struct line *line);

/* mediad lost the front that held the stream, or the stream. Unknown: nothing happens. */
void streams_lost(struct streams *streams, const char *id, const char *why);

/* A front is gone, and all its operators with it. */
void streams_front_gone(struct streams *streams, enum hs_role front);

/* mediad began anew: every grant is opened and joined again; its front attaches again. */
void streams_media_restarted(struct streams *streams);

/* True when an operator has the line's audio. */
bool streams_has(const struct line *line);

void streams_destroy(struct streams *streams); /* NULL is fine */

#endif
