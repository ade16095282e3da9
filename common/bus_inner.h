/* What the files of bus share: sockets on the loop, connections, envelopes, refusals.
 * Called by bus*.c only. bus.c builds and ends; bus_loop.c turns; bus_zap.c says who may connect; bus_peer.c connects;
 * bus_envelope.c reads (pure); bus_serve.c, bus_ask.c, bus_tell.c, bus_hear.c, bus_pub.c, bus_sub.c, bus_audio.c do the
 * header's work, each with a part of its own in struct hs_bus.
 */
#ifndef HS_BUS_INNER_H
#define HS_BUS_INNER_H

#include "bus.h"
#include "metrics.h"
#include "wire_inner.h"
#include <zmq.h>

#define BUS_FRAMES_MAX 65     /* head and 64 facts */
#define BUS_FACTS_BATCH 64    /* facts a message */
#define BUS_FACTS_BYTES 65536 /* bytes of facts a message, one fact always fits */
#define BUS_PARTS_MAX 6
#define BUS_ROUTE_BYTES 5 /* of the ids that ROUTER makes */
#define BUS_KEY_BYTES 80  /* role/id of a question */
#define BUS_RESEND_MS 500 /* without an answer; later longer */
#define BUS_RESEND_MAX_MS 4000

/* ---- A socket on the loop ---- */

struct bus_route {
	uint8_t bytes[BUS_ROUTE_BYTES];
};

/* A message on its way out: posted in a turn, sent at its end. */
struct bus_posted {
	bool is_routed;
	struct bus_route route;
	zmq_msg_t frame;
};

struct bus_socket {
	struct hs_bus *bus;
	void *zmq;
	uv_poll_t poll;
	bool touched;                            /* it was sent or read since it was last seen empty */
	bool (*take)(struct bus_socket *socket); /* takes and handles one message; false: there is none */
	struct bus_posted *posted;
	size_t posted_count, posted_size;
	struct bus_socket *next;
};

struct bus_message {
	zmq_msg_t frames[BUS_FRAMES_MAX];
	int count;   /* frames kept; the route is not one of them */
	bool is_odd; /* too many frames, or a route that is not ROUTER's own: to be dropped */
	struct bus_route route;
};

struct bus_part {
	const void *data;
	size_t bytes;
};

/* ---- A connection to (binder, edge) ---- */

struct bus_peer {
	struct bus_socket socket, monitor;
	enum hs_role binder;
	enum hs_edge edge;
	char *endpoint;
	bool is_up, must_redial, has_ping, has_dialled;
	void (*changed)(struct bus_peer *peer);
	void (*configure)(struct bus_socket *socket); /* before it connects; NULL: nothing more to set */
	struct bus_peer *next;
};

/* Memory that holds libuv handles: freed when the last of them is closed. */
struct bus_memory {
	struct bus_memory *next;
	_Alignas(max_align_t) unsigned char bytes[];
};

/* ---- Refusals: one word each, for figures and logs ---- */

enum bus_why {
	BUS_WHY_ENVELOPE,   /* cannot be read at all */
	BUS_WHY_SOURCE,     /* says it is somebody else */
	BUS_WHY_STRANGER,   /* wrong uid at the door */
	BUS_WHY_UNKNOWN,    /* no such message */
	BUS_WHY_PERMISSION, /* this sender may not send this here */
	BUS_WHY_INVALID,    /* a field is out of range */
	BUS_WHY_EXPIRED,    /* nobody waits for the answer any more */
	BUS_WHY_OVERLOAD,   /* too much in progress */
	BUS_WHY_GAP,        /* facts before it are missing */
	BUS_WHY_ANSWER,     /* an answer that is none */
	BUS_WHY_UNREACHED,  /* the answer found nobody */
	BUS_WHYS,
};

struct bus_ask_room;
struct bus_serve_room;
struct bus_tell_room;
struct bus_hear_room;
struct bus_pub_room;
struct bus_sub_room;
struct bus_audio_room;
struct bus_link;

struct hs_bus {
	uv_loop_t *loop;
	enum hs_role role;
	char *home, *incarnation;
	struct hs_journal *journal;
	void *zmq;
	int handles; /* libuv handles not yet closed; the last one frees the bus */
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	bool is_settling, is_awake;
	bool must_send; /* something posted does not wait for company */
	uv_timer_t company;
	uv_timer_t redial;
	struct bus_memory *memory;
	struct bus_message incoming; /* being handled: one at a time */
	struct hs_wire_out out;      /* being written */
	struct bus_socket *sockets;
	struct bus_peer *peers;
	struct bus_socket zap;
	struct bus_link *links[HS_ROLES];
	const struct hs_field *call_field[HS_MESSAGES], *leg_field[HS_MESSAGES]; /* for traces; NULL: has none */
	struct bus_ask_room *ask;
	struct bus_serve_room *serve;
	struct bus_tell_room *tell;
	struct bus_hear_room *hear;
	struct bus_pub_room *pub;
	struct bus_sub_room *sub;
	struct bus_audio_room *audio;
	struct hs_metric *refused[BUS_WHYS];
	int64_t refused_logged_at[BUS_WHYS];
	int64_t refused_unlogged[BUS_WHYS];
};

/* ---- bus_loop.c ---- */

/* Starts what turns with the loop. */
void bus_loop_start(struct hs_bus *bus);
void bus_loop_stop(struct hs_bus *bus);

/* The loop must not sleep before it has looked at everything once more. */
void bus_wake(struct hs_bus *bus);

/* Zeroed memory that lives until the bus and all its handles are closed. */
void *bus_alloc(struct hs_bus *bus, size_t bytes);

/* Counts a libuv handle in, and closes one: the last close frees the bus. */
void bus_handle_opened(struct hs_bus *bus, uv_handle_t *handle);
void bus_handle_close(struct hs_bus *bus, uv_handle_t *handle);

/* Makes a socket of a ZeroMQ type with our limits and puts it on the loop when take is not NULL. -errno. */
int bus_socket_open(struct hs_bus *bus, struct bus_socket *socket, int type, bool (*take)(struct bus_socket *socket));
void bus_socket_set(struct bus_socket *socket, int option, int value);
void bus_socket_close(struct bus_socket *socket); /* one that was never opened is fine */

/* Binds run/<our role>/<edge>/socket behind ZAP and checks mode and owner. -errno with a log line. */
int bus_socket_bind(struct bus_socket *socket, enum hs_edge edge);

/* Path of an edge's socket as ipc:// endpoint, or NULL when it is too long for a Unix socket. The caller frees it. */
char *bus_endpoint(struct hs_bus *bus, enum hs_role binder, enum hs_edge edge);

/* Takes one whole message; NULL: there is none. Close it before the next one. routed: its first frame is ROUTER's. */
struct bus_message *bus_message_take(struct bus_socket *socket, bool routed);
void bus_message_close(struct bus_message *message);

/* The bus's one writing place, empty. */
struct hs_wire_out *bus_write(struct hs_bus *bus);

/* A frame of these bytes, or of what was written. */
void bus_frame_make(const void *data, size_t bytes, zmq_msg_t *ret_frame);
void bus_frame_written(const struct hs_wire_out *out, zmq_msg_t *ret_frame);

/* Sends all frames as one message and closes them, never blocks. route NULL: none. -EAGAIN: queue full or nobody there;
 * -EHOSTUNREACH: no such route. */
int bus_send_frames(struct bus_socket *socket, const struct bus_route *route, zmq_msg_t *frames, int count);

/* The same with copies of at most BUS_PARTS_MAX parts. */
int bus_send(struct bus_socket *socket, const struct bus_part *parts, int count);
int bus_send_routed(struct bus_socket *socket, const struct bus_route *route, const void *data, size_t bytes);

/* Sends one frame at the end of the turn, so that all messages of a turn wake the I/O thread once. It is taken over; or
 * shared, and stays the caller's. What cannot go out then is counted and lost: the asker asks again. */
void bus_post(struct bus_socket *socket, const struct bus_route *route, zmq_msg_t *frame);
void bus_post_shared(struct bus_socket *socket, const struct bus_route *route, zmq_msg_t *frame);

/* The same, with the next message that goes out anyway, or alone after some milliseconds. */
void bus_post_patiently(struct bus_socket *socket, const struct bus_route *route, zmq_msg_t *frame);

/* ---- bus_zap.c ---- */

int bus_zap_open(struct hs_bus *bus);

/* Sets the domain that tells the handler which of our edges a connection is for. */
void bus_zap_guard(struct bus_socket *socket, enum hs_edge edge);

/* Role that ZAP stamped on a frame; HS_ROLES: ours, the envelope says which; HS_ROLE_NONE: nobody. */
enum hs_role bus_zap_stamped(zmq_msg_t *frame);

/* ---- bus_peer.c ---- */

/* Opens a socket and begins to connect. changed is called when is_up has changed. -errno. */
int bus_peer_open(struct hs_bus *bus, struct bus_peer *peer, int type, enum hs_role binder, enum hs_edge edge,
		  bool (*take)(struct bus_socket *socket), void (*changed)(struct bus_peer *peer));
void bus_peer_close(struct bus_peer *peer);

/* From now on silence is noticed too (DEALER only). */
void bus_peer_ping(struct bus_peer *peer);

/* ---- bus_link.c: the connection to a role's request edge ---- */

/* Makes it when there is none. NULL: that role has no request edge, or not for us. must_ping: a stopped peer matters.
 */
struct bus_link *bus_link_get(struct hs_bus *bus, enum hs_role role, bool must_ping);
bool bus_link_is_up(const struct bus_link *link);

/* True while the first connection may still come at once. */
bool bus_link_is_new(const struct bus_link *link);
int64_t bus_link_new_until(const struct bus_link *link);
int bus_link_send(struct bus_link *link, zmq_msg_t *frames, int count);
void bus_link_post_shared(struct bus_link *link, zmq_msg_t *frame);
void bus_link_close(struct bus_link *link);

/* ---- bus_envelope.c: pure ---- */

/* JSON of a frame, which must live as long; NULL with the fault filled. */
const struct hs_json *bus_envelope_parse(const void *data, size_t bytes, struct hs_arena *arena,
					 struct hs_wire_fault *ret_fault);

/* Whether "kind" is this word. */
bool bus_envelope_is(const struct hs_json *json, const char *kind);

/* The sender: what was stamped, and source agrees. HS_ROLE_NONE: it does not. */
enum hs_role bus_envelope_from(enum hs_role stamped, const char *source);

/* How a question is known: its asker or its answerer, and its id. */
void bus_key_make(enum hs_role role, const char *id, char ret_key[BUS_KEY_BYTES]);

enum hs_role bus_envelope_role(const char *name);
enum hs_error bus_envelope_error(const char *name);

/* What a request turned out to be. */
struct bus_incoming {
	struct hs_envelope_request head;
	enum hs_role from;
	int message;
	void *body;
	enum bus_why why;    /* when refused */
	enum hs_error error; /* HS_OK: head.id may not be answered to */
	struct hs_wire_fault fault;
};

/* Reads a request for self: 0; or -EBADMSG: drop it; or -EPERM: answer it with error and fault. */
int bus_envelope_request(enum hs_role self, enum hs_role stamped, const struct hs_json *json, struct hs_arena *arena,
			 struct bus_incoming *ret_incoming);

/* Reads a fact's frame: 0; -EBADMSG: not even its number; -EINVAL: seq is valid, the rest is not for us. */
int bus_envelope_fact(enum hs_role self, enum hs_role from, const void *data, size_t bytes, struct hs_arena *arena,
		      struct hs_fact *ret_fact, struct hs_wire_fault *ret_fault);

/* Head and body of a published copy: 0 or -EBADMSG. body is copied into the arena with NUL, and read there. */
int bus_envelope_published(const struct bus_part parts[3], struct hs_arena *arena,
			   struct hs_envelope_published *ret_head, struct hs_published *ret_event);

/* Writes an envelope with body as its last member; NULL: an empty one. Or with a body that is text already. */
void bus_envelope_write(struct hs_wire_out *out, const struct hs_shape *shape, const void *head,
			const struct hs_shape *body_shape, const void *body);
void bus_envelope_write_text(struct hs_wire_out *out, const struct hs_shape *shape, const void *head, const char *body,
			     size_t body_bytes);

/* ---- bus.c ---- */

/* Counts a refusal, and logs it at most once a second a reason. detail may be NULL. */
void bus_refused(struct hs_bus *bus, enum bus_why why, const char *from, const char *detail);

/* Adds a trace record when the body names a call or leg. */
void bus_trace(struct hs_bus *bus, int message, const void *body, const char *from, const char *to);

/* One line at level debug: who asks for what, with the id that follows a client's request through all logs. */
void bus_log_request(const struct hs_bus *bus, const struct hs_request *request);

/* ---- The rooms, in the order of their files ---- */

void bus_serve_create(struct hs_bus *bus);
int bus_serve_bind(struct hs_bus *bus);
void bus_serve_destroy(struct hs_bus *bus);

void bus_ask_create(struct hs_bus *bus);
void bus_ask_flush(struct hs_bus *bus); /* what is due */
void bus_ask_link_up(struct hs_bus *bus, enum hs_role role);
void bus_ask_answered(struct hs_bus *bus, enum hs_role from, const struct hs_json *json, struct hs_arena *arena);
void bus_ask_destroy(struct hs_bus *bus);

void bus_tell_create(struct hs_bus *bus);
bool bus_tell_flush(struct hs_bus *bus); /* pushes what the window allows; false: there was nothing */
void bus_tell_link_up(struct hs_bus *bus, bool is_up);
void bus_tell_acknowledged(struct hs_bus *bus, const struct hs_json *json, struct hs_arena *arena);
void bus_tell_destroy(struct hs_bus *bus);

void bus_hear_create(struct hs_bus *bus);
void bus_hear_batch(struct hs_bus *bus, struct bus_message *message, enum hs_role stamped, const struct hs_json *head,
		    struct hs_arena *arena);

/* Posts to a connection of our request edge. */
void bus_serve_post(struct hs_bus *bus, const struct bus_route *route, zmq_msg_t *frame);

int bus_pub_create(struct hs_bus *bus);
void bus_pub_destroy(struct hs_bus *bus);

void bus_sub_destroy(struct hs_bus *bus);
void bus_audio_destroy(struct hs_bus *bus);

#endif
