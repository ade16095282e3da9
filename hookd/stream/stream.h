/* hook-stream: what its rooms share.
 * Made by main; used by operator, audio, hear and ask. Owns every room of the daemon.
 */
#ifndef STREAM_H
#define STREAM_H

#include "daemon.h"
#include "egress.h"
#include "follow.h"
#include "frame.h"
#include "lwsio.h"
#include "resolve.h"

struct operator_link;
struct audio;
struct hs_table;

/* An application that operators' WebSockets lead to. */
struct application {
	const char *url; /* with {line} */
	char *token;     /* what it wants to see; NULL: nothing */
	struct hs_metric *reachable;
};

struct stream {
	struct hs_house *house;
	struct egress_rules rules;
	struct hs_ceiling *ceiling;
	struct resolve *resolve;
	struct hs_lwsio *lwsio;
	struct audio *audio;
	struct follow *follow;
	struct operator_link **operators;
	size_t count;
	struct application *applications; /* operator.websocket_url and its backups, in order */
	size_t applications_count;
	size_t open; /* WebSockets that are not closed yet */
	bool ending;
	struct hs_metric *connected, *failures, *lost_to, *lost_from;
};

/* ---- ask.c: requests to apid ---- */

/* Asks for a grant; answered is called once. */
uint64_t ask_open(struct stream *stream, const char *line,
		  void (*answered)(void *context, const struct hs_answer *answer), void *context);

/* Asks which call the line is in; answered is called once. Waits for apid when it is away. */
uint64_t ask_present_call(struct stream *stream, const char *line,
			  void (*answered)(void *context, const struct hs_answer *answer), void *context);

/* Gives a grant back, or tells that there was none (grant NULL or ""). call: ends with it; or NULL or "". Waits for
 * apid when it is away. */
void ask_close(struct stream *stream, const char *line, const char *grant, const char *why, int64_t retry_in_ms,
	       const char *call);

/* ---- hear.c: events of the log, for every operator ---- */

void hear_start(struct stream *stream);

#endif
