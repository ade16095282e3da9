/* The bus: requests, facts, published events and audio between the daemons, over ZeroMQ's protocol. No broker.
 * Called by the doors of every daemon (serve, ask, tell, hear, feed) and by hookctl. Speaks ZMTP itself, on the
 * daemon's loop and without threads: a message is one write there and one read here. Owns sockets, questions in flight
 * and recent answers.
 *
 * Identity comes from the kernel: each end of a connection takes the uid of the other from its socket (SO_PEERCRED); a
 * stranger is left before a word is said. Each message is looked up in the contract: known, this sender may send
 * this here, every field in range; else it is refused and counted. Where the suite runs under one uid (degraded) the
 * role is what the envelope's source says. Edges between hosts go over TCP, where a key of CURVE takes the uid's place.
 * A handler gets a filled struct, never JSON. All calls are made on the loop's thread; no callback runs before the call
 * that caused it has returned.
 */
#ifndef HS_BUS_H
#define HS_BUS_H

#include "hs_proto.h"
#include "journal.h"
#include "keeper.h"
#include <uv.h>

struct hs_bus;

struct hs_bus_setup {
	uv_loop_t *loop;
	enum hs_role role;
	const char *home;                /* HOOKSWITCH_HOME; sockets are in home/run */
	const char *incarnation;         /* of this process */
	struct hs_journal *journal;      /* for facts; NULL: this daemon tells none */
	const struct hs_config_bus *far; /* edges to other hosts, borrowed; NULL: none */
	struct hs_keep *keep;            /* has what hs_bus_listen opened */
};

/* Whether edges of the role reach other hosts. */
bool hs_bus_is_far(const struct hs_config_bus *far, enum hs_role role);

/* The keeper, before its wall: opens what the role is to listen at by TCP and holds it for the child, but for what is
 * bound there by the keeper before it. -errno with a log line. */
int hs_bus_listen(const struct hs_config_bus *far, enum hs_role role,
		  bool (*is_bound)(const char *name, const struct sockaddr *address, socklen_t length),
		  int (*hold)(const char *name, int fd));

/* Binds the role's edges (folders must exist). NULL with a log line on failure. */
struct hs_bus *hs_bus_create(const struct hs_bus_setup *setup);

/* ---- Requests we answer ---- */

struct hs_request {
	enum hs_message_id message;
	enum hs_role from;
	const void *body;            /* struct hs_<message> */
	const char *id;              /* the asker's: the same when it asks again */
	const char *request_id;      /* follows a client's request through all logs; never NULL */
	const char *token;           /* client operations: the bearer token; else NULL */
	const char *idempotency_key; /* or NULL */
	const char *client;          /* client operations: address the client came from; else NULL */
	int64_t deadline_at;         /* hs_clock_ms when the asker gives up: work not begun by then is for nobody */
};

struct hs_door {
	enum hs_message_id message;
	void (*serve)(void *context, struct hs_request *request);
};

/* Opens doors (const table, kept). Each request handed to serve must be answered or refused exactly once, then or
 * later; it stays valid until then. A repeated id gets the first answer again without reaching serve. Expired ones
 * never reach it, nor those of a peer that has too many in progress already. */
void hs_bus_serve(struct hs_bus *bus, const struct hs_door *doors, size_t count, void *context);

/* answer: struct hs_<message>_answer, or NULL where it has no members. Frees the request. */
void hs_bus_answer(struct hs_request *request, const void *answer);

/* field and state may be NULL; the format makes "detail": what is wrong and the mend. Frees the request. */
void hs_bus_refuse(struct hs_request *request, enum hs_error error, const char *field, const char *state,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- Requests we make ---- */

struct hs_answer {
	enum hs_error error;                /* HS_OK */
	const void *body;                   /* struct hs_<message>_answer; NULL on error */
	const struct hs_json *json;         /* same, as it came; valid for the call */
	const char *detail, *field, *state; /* on error, or NULL */
};

struct hs_ask {
	enum hs_role to;
	enum hs_message_id message;
	const void *body;       /* struct hs_<message>; or NULL and body_text */
	const char *body_text;  /* a JSON object, already checked; NULL too: an empty one */
	const char *call, *leg; /* with body_text: whom it is about, for the trace; or NULL */
	int deadline_ms;        /* 0: the message's, or 2000. Then the answer is HS_ERROR_TIMEOUT */
	bool patient;           /* wait for an absent peer until the deadline; else HS_ERROR_UNAVAILABLE at once */
	const char *id;         /* NULL: made. Give one (an intent's) so that a repetition after our death is known */
	const char *request_id, *token, *idempotency_key, *client;       /* or NULL; passed on */
	void (*answered)(void *context, const struct hs_answer *answer); /* once, later; NULL: nobody cares */
	void *context;
};

/* Asks; repeats safely (same id) while the peer reconnects. Returns a ticket > 0. Nothing asked is copied lazily: body
 * may go. */
uint64_t hs_bus_ask(struct hs_bus *bus, const struct hs_ask *ask);

/* answered will not be called. Unknown tickets are fine. */
void hs_bus_forget(struct hs_bus *bus, uint64_t ticket);

/* Whether the role's request edge is connected now. Asking begins to connect. */
bool hs_bus_is_up(struct hs_bus *bus, enum hs_role to);

/* Begins to connect, and tells each coming and going (kill -9 at once, a stopped peer within 3 s). */
void hs_bus_watch(struct hs_bus *bus, enum hs_role to, void (*changed)(void *context, enum hs_role to, bool up),
		  void *context);

/* ---- Facts: pushed in order, kept in the journal until acknowledged ---- */

/* Appends to the journal and pushes to apid. 0, or -ENOSPC: refuse new work, nothing was told. */
int hs_bus_tell(struct hs_bus *bus, enum hs_message_id fact, const void *body);

struct hs_fact {
	enum hs_message_id message;
	enum hs_role from;
	uint64_t epoch, seq;
	int64_t at_ms;    /* wall clock when it was told */
	const void *body; /* struct hs_<message>, valid for the call */
};

/* apid: hear is called for each new fact, in order, once; after a batch done is called with the last (source, epoch,
 * seq). When its transaction is committed, apid calls hs_bus_acknowledge. */
void hs_bus_hear(struct hs_bus *bus, void (*hear)(void *context, const struct hs_fact *fact),
		 void (*done)(void *context, enum hs_role from, uint64_t epoch, uint64_t seq), void *context);
void hs_bus_acknowledge(struct hs_bus *bus, enum hs_role from, uint64_t epoch, uint64_t seq);

/* apid at start, before hs_bus_hear: what was committed by its predecessor. */
void hs_bus_heard(struct hs_bus *bus, enum hs_role from, uint64_t epoch, uint64_t seq);

/* ---- Published copies: three frames: topic, head (JSON: v source epoch seq at), body (JSON) ---- */

/* Publishes on an edge we bind; seq is counted per edge and a heartbeat names the last one. Never blocks. */
void hs_bus_publish(struct hs_bus *bus, enum hs_edge edge, const char *topic, const char *body, size_t bytes);

/* Whether somebody subscribes now: if not, a body that is costly to make need not be made. */
bool hs_bus_is_heard(struct hs_bus *bus, enum hs_edge edge);

struct hs_published {
	enum hs_role from;
	enum hs_edge edge;
	const char *topic;
	uint64_t epoch, seq;
	const char *body; /* NUL-terminated JSON */
	size_t bytes;
	const struct hs_json *json; /* same, read; valid for the call */
};

/* Subscribes to a whole edge. missed (may be NULL) is called when seq shows a gap or the publisher restarted, and once
 * when the subscription has come into force: fetch what is missing by cursor. */
void hs_bus_subscribe(struct hs_bus *bus, enum hs_role binder, enum hs_edge edge,
		      void (*published)(void *context, const struct hs_published *event), void (*missed)(void *context),
		      void *context);

/* ---- Audio edge: binary frames (frame.h) ---- */

struct hs_audio;

/* mediad: binds. heard gets each frame; peer names its connection for hs_audio_send. */
struct hs_audio *hs_audio_bind(struct hs_bus *bus,
			       void (*heard)(void *context, uint64_t peer, enum hs_role role, const uint8_t *data,
					     size_t bytes),
			       void *context);

/* A front or dahdid: connects to mediad; peer is 0 in heard. changed tells connection and loss. */
struct hs_audio *hs_audio_connect(struct hs_bus *bus,
				  void (*heard)(void *context, uint64_t peer, enum hs_role role, const uint8_t *data,
						size_t bytes),
				  void (*changed)(void *context, bool up), void *context);

/* 0, -EAGAIN: queue full, drop it; -EHOSTUNREACH: the peer is gone. */
int hs_audio_send(struct hs_audio *audio, uint64_t peer, const uint8_t *data, size_t bytes);

/* What is sent to this peer from now on is gathered, and goes out in as few messages as can be. What answers a bundle
 * is gathered likewise, by itself. */
void hs_audio_gather(struct hs_audio *audio, uint64_t peer);

/* Sends what was gathered. How many frames were lost: the queue is full, or the peer is gone. */
int hs_audio_release(struct hs_audio *audio);

/* Reads keys that have changed. How many connections between hosts stood on an older key of ours. They are ended, and
 * begun anew by whom they were, with the newest keys that both know. */
int hs_bus_renew(struct hs_bus *bus);

/* Lets queued messages go out (at most 1 s), closes everything. NULL is fine. The loop must turn once more
 * (uv_run until nothing is left) before uv_loop_close, which frees the rest. */
void hs_bus_destroy(struct hs_bus *bus);

#endif
