/* What the files of bus share: connections, sockets on the loop, envelopes, refusals.
 * Called by bus*.c only. bus.c builds and ends; bus_loop.c turns; bus_wire.c is one connection: it reads, bus_out.c
 * writes; bus_socket.c listens and sends; bus_peer.c connects; bus_tcp.c, bus_veil.c and bus_keys.c do both between
 * hosts; bus_envelope.c reads what was said (pure); bus_serve.c,
 * bus_ask.c, bus_tell.c, bus_hear.c, bus_pub.c, bus_sub.c, bus_audio.c do the header's work, each with a part of its
 * own in struct hs_bus.
 */
#ifndef HS_BUS_INNER_H
#define HS_BUS_INNER_H

#include "bus.h"
#include "curve.h"
#include "keys.h"
#include "metrics.h"
#include "wire_inner.h"
#include "zmtp.h"
#include <sys/socket.h>

#define BUS_FRAMES_MAX ZMTP_FRAMES_MAX /* head and 64 facts */
#define BUS_FACTS_BATCH 64             /* facts a message */
#define BUS_FACTS_BYTES 65536          /* bytes of facts a message, one fact always fits */
#define BUS_INBOX_BYTES 65536
#define BUS_LAST_WORDS_MS 1000 /* of a peer that reads no more */
#define BUS_SPARE 8            /* pieces of memory that wait for use */
#define BUS_KEY_BYTES 80       /* role/id of a question */
#define BUS_RESEND_MS 500      /* without an answer; later longer */
#define BUS_RESEND_MAX_MS 4000

struct bus_part {
	const void *data;
	size_t bytes;
};

/* ---- What goes out: whole messages, as they are on the wire ---- */

/* One message that several hold: subscribers, or who may send it again. Or bytes of a connection's own, several
 * messages behind one another. */
struct bus_parcel {
	unsigned holders;
	unsigned messages;
	size_t bytes, size;
	uint8_t data[];
};

struct bus_out {
	struct bus_parcel **queue; /* a ring */
	size_t first, count, size;
	size_t written; /* bytes of the first one */
	size_t messages, bytes;
	bool is_open; /* the last one is the connection's own, and may grow */
};

/* ---- A connection ---- */

/* Names a connection, for ever: never 0, never given again. */
struct bus_route {
	uint64_t number;
};

enum bus_stage { BUS_GREETING, BUS_HANDSHAKE, BUS_UP, BUS_CLOSED };

#define BUS_PREFIXES_MAX 64 /* subscriptions of a connection */
#define BUS_PREFIX_BYTES 64 /* that can match: no topic is longer */

struct bus_prefix {
	uint8_t bytes[BUS_PREFIX_BYTES];
	uint8_t length; /* BUS_PREFIX_BYTES + 1: longer than any topic */
};

struct bus_socket;

#define BUS_ADDRESS_BYTES 64

/* What a connection between hosts wears: CURVE, and what is sealed, on its way in and out. */
struct bus_veil {
	struct curve *curve;
	char address[BUS_ADDRESS_BYTES]; /* of the other end */
	bool is_heard;                   /* something came, so it is there */
	uint8_t *in;                     /* sealed, behind what is open and being handled */
	size_t in_used, in_size;
	uint8_t *out;
	size_t out_at, out_used, out_size;
};

struct bus_wire {
	struct bus_socket *socket;
	uv_poll_t poll;
	int fd;
	struct bus_route route;
	enum bus_stage stage;
	enum hs_role role;          /* whose it is, from the kernel; HS_ROLES: ours, all have one user */
	enum hs_role said;          /* then what it said it was, if anything */
	int minor;                  /* of the peer's ZMTP 3 */
	bool is_dirty;              /* something is to be written at the end of the turn */
	bool is_blocked;            /* the kernel has no room */
	bool is_deaf;               /* the peer reads no more: what it said may still be read */
	bool must_ping, has_pinged; /* and waits for an answer; in the handshake: it was late once */
	int64_t began_at, heard_at, sent_at, ping_at, pinged_at, ttl_ms; /* of the loop's clock */
	struct zmtp_decoder decoder;
	uint8_t *in; /* begins with what is not handled yet; NULL: there is nothing */
	size_t in_at, in_used, in_size;
	bool has_more; /* whole messages are in it: the turn's budget was spent */
	struct bus_out out;
	struct bus_veil *veil;       /* NULL: it is one of this host */
	struct bus_prefix *prefixes; /* of a subscriber */
	int prefixes_count;
	struct bus_wire *next, *next_dirty;
};

struct bus_message {
	struct bus_part frames[BUS_FRAMES_MAX]; /* valid while it is handled */
	int count;
	struct bus_route route;
	enum hs_role role, said; /* of the connection */
};

/* ---- A socket: connections of one kind, at one edge ---- */

struct bus_socket {
	struct hs_bus *bus;
	enum zmtp_type type; /* ZMTP_NO_TYPE: it was never opened */
	enum hs_role binder; /* of the edge: we, or who we connect to */
	enum hs_edge edge;
	void (*heard)(struct bus_socket *socket, struct bus_message *message);
	void (*came)(struct bus_wire *wire);                   /* from now on it takes messages; or NULL */
	void (*went)(struct bus_wire *wire);                   /* or NULL */
	void (*drained)(struct bus_wire *wire);                /* what the kernel had no room for is written; or NULL */
	void (*subscribed)(struct bus_wire *wire, bool is_on); /* PUB: it has or has not one subscription more */
	struct zmtp_limits limits;
	size_t most_messages, most_bytes; /* that wait for a connection */
	bool brings_role;                 /* says which role it is when it connects */
	struct bus_listener *listener, *far_listener;
	struct bus_caller *caller; /* that brings it to another host */
	struct bus_wire *wires;
	struct bus_socket *next;
};

/* Accepts connections of one address. */
struct bus_listener {
	uv_poll_t poll;
	int fd;
	struct bus_socket *socket;
	void (*come)(struct bus_socket *socket, int fd, const struct sockaddr *address); /* fd is its own */
	int64_t again_at;                                                                /* 0: it listens */
};

/* ---- A connection to (binder, edge) that is made again and again ---- */

struct bus_peer {
	struct bus_socket socket; /* first */
	char *path;               /* NULL: it is on another host */
	bool is_up, must_ping;
	int64_t dial_at, wait_ms; /* 0: it is connected or connecting */
	void (*changed)(struct bus_peer *peer);
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

struct bus_keys_room;
struct bus_caller;
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
	const struct hs_config_bus *far;
	struct hs_keep *keep;
	struct bus_keys_room *keys; /* NULL: nothing reaches other hosts */
	int handles;                /* libuv handles not yet closed; the last one frees the bus */
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	bool is_settling, is_awake, has_more, must_reckon;
	uv_timer_t company; /* what is patient waits for it no longer */
	uv_timer_t due;     /* pings, silence, handshakes, connecting again */
	int64_t due_at;     /* when it fires; INT64_MAX: not started */
	struct bus_memory *memory;
	struct bus_message incoming; /* being handled: one at a time */
	struct hs_wire_out out;      /* being written */
	uint8_t *inbox;              /* being read */
	struct bus_socket *sockets;
	struct bus_peer *peers;
	struct bus_wire **wires; /* by the upper half of their number */
	size_t wires_size;
	uint32_t wires_made;
	struct bus_wire *dirty;
	struct bus_parcel *spare[BUS_SPARE]; /* for connections' own bytes */
	int spare_count;
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

/* At this time of the loop's clock, or before, all connections are looked at. */
void bus_due(struct hs_bus *bus, int64_t at);

/* What is patient goes out after some milliseconds, with or without company. */
void bus_expect_company(struct hs_bus *bus);

/* Zeroed memory that lives until the bus and all its handles are closed. */
void *bus_alloc(struct hs_bus *bus, size_t bytes);

/* Counts a libuv handle in, and closes one: the last close frees the bus. closed (may be NULL) frees what it is in. */
void bus_handle_opened(struct hs_bus *bus, uv_handle_t *handle);
void bus_handle_close(struct hs_bus *bus, uv_handle_t *handle);
void bus_handle_closed(struct hs_bus *bus);

/* The bus's one writing place, empty. */
struct hs_wire_out *bus_write(struct hs_bus *bus);

/* What was written, as a part: valid until the next bus_write. */
struct bus_part bus_written(const struct hs_wire_out *out);

/* ---- bus_out.c ---- */

/* A message of these frames, held once. */
struct bus_parcel *bus_parcel_make(const struct bus_part *parts, int count);
struct bus_parcel *bus_parcel_hold(struct bus_parcel *parcel);
void bus_parcel_drop(struct bus_parcel *parcel); /* NULL is fine */

/* Puts a message at the end of what waits for a connection, which writes it at the end of the turn; one that is patient
 * goes with the next that is not, or after some milliseconds. The parcel is held, parts are copied. 0; -EAGAIN: too
 * much waits; -EHOSTUNREACH: nobody reads it. */
int bus_out_parcel(struct bus_wire *wire, struct bus_parcel *parcel, bool is_patient);
int bus_out_parts(struct bus_wire *wire, const struct bus_part *parts, int count);

/* The same for bytes that are no message: greeting and commands. */
int bus_out_bytes(struct bus_wire *wire, const uint8_t *data, size_t bytes);

/* It is written at the end of the turn. */
void bus_out_wake(struct bus_wire *wire);

/* Whether something waits, sealed or not. */
bool bus_out_waits(const struct bus_wire *wire);

/* The parcel that goes out first, or NULL; and takes so many bytes off the queue. */
struct bus_parcel *bus_out_first(const struct bus_wire *wire);
void bus_out_pass(struct bus_wire *wire, size_t bytes);

/* Writes what waits, as far as the kernel takes it. */
void bus_out_flush(struct bus_wire *wire);

void bus_out_finish(struct bus_wire *wire);

/* ---- bus_wire.c ---- */

/* Begins to speak on a descriptor that is connected, or connecting, and becomes ours, as the veil does (NULL: none; a
 * veil must be begun then). NULL: it cannot be watched, and both are gone. */
struct bus_wire *bus_wire_open(struct bus_socket *socket, int fd, enum hs_role role, struct bus_veil *veil);

/* Reads and handles what was left over when the turn's budget was spent. */
void bus_wire_go_on(struct bus_wire *wire);

/* What time asks for: ends a connection that is silent, pings. When it is to be looked at again. */
int64_t bus_wire_tick(struct bus_wire *wire, int64_t now);

/* The kernel has no room: waits until it has. */
void bus_wire_block(struct bus_wire *wire);

/* From now on silence is noticed. */
void bus_wire_ping(struct bus_wire *wire);

/* The connection of a number, or NULL. */
struct bus_wire *bus_wire_find(struct hs_bus *bus, struct bus_route route);

/* Whether a published topic is for it. */
bool bus_wire_wants(const struct bus_wire *wire, const char *topic);

/* Ends it; its memory lives to the end of the turn. */
void bus_wire_close(struct bus_wire *wire);

/* ---- bus_socket.c ---- */

/* Readies a socket with our limits. It neither listens nor connects. */
void bus_socket_open(struct hs_bus *bus, struct bus_socket *socket, enum zmtp_type type, enum hs_role binder,
		     enum hs_edge edge, void (*heard)(struct bus_socket *socket, struct bus_message *message));
void bus_socket_close(struct bus_socket *socket); /* one that was never opened is fine */

/* Whether a role may be at the other end, and whether it has as many connections as it may. */
bool bus_socket_admits(const struct bus_socket *socket, enum hs_role role);
bool bus_socket_is_crowded(const struct bus_socket *socket, enum hs_role role);

/* Accepts on a descriptor that listens, which becomes ours. NULL: it cannot be watched, and is closed. */
struct bus_listener *bus_socket_listen(struct bus_socket *socket, int fd,
				       void (*come)(struct bus_socket *socket, int fd, const struct sockaddr *address));

/* Listens at run/<our role>/<edge>/socket, in the place of a dead predecessor, and checks mode and owner. -errno with a
 * log line. */
int bus_socket_bind(struct bus_socket *socket);

/* Listens again after there were no descriptors, when it is time to: when it is to be looked at again. */
int64_t bus_socket_tick(struct bus_socket *socket, int64_t now);

/* Path of an edge's socket, or NULL when it is too long for one. The caller frees it. */
char *bus_socket_path(struct hs_bus *bus, enum hs_role binder, enum hs_edge edge);

/* Role of who is at the other end, from the kernel: HS_ROLES: ours, the envelope says which; HS_ROLE_NONE: a stranger.
 */
enum hs_role bus_socket_role(int fd);

/* The connection of a route that is up; route NULL: the only one. NULL: there is none. */
struct bus_wire *bus_socket_wire(struct bus_socket *socket, const struct bus_route *route);

/* Sends one message; see bus_out_parcel. -EAGAIN also when nobody is there; -EHOSTUNREACH: no such route. */
int bus_send(struct bus_socket *socket, const struct bus_route *route, const struct bus_part *parts, int count);
int bus_send_parcel(struct bus_socket *socket, const struct bus_route *route, struct bus_parcel *parcel,
		    bool is_patient);

/* The same; what cannot go out is counted and lost: the asker asks again. */
void bus_post(struct bus_socket *socket, const struct bus_route *route, const struct bus_part *parts, int count);
void bus_post_parcel(struct bus_socket *socket, const struct bus_route *route, struct bus_parcel *parcel,
		     bool is_patient);

/* Lets what waits in all connections go out: at most so long. */
void bus_socket_drain(struct hs_bus *bus, int most_ms);

/* ---- bus_peer.c ---- */

/* Begins to connect a socket that was readied for it. changed is called when is_up has changed. -errno. */
int bus_peer_open(struct hs_bus *bus, struct bus_peer *peer, enum zmtp_type type, enum hs_role binder,
		  enum hs_edge edge, void (*heard)(struct bus_socket *socket, struct bus_message *message),
		  void (*changed)(struct bus_peer *peer));
void bus_peer_close(struct bus_peer *peer);

/* Connects when it is time to: when it is to be looked at again. */
int64_t bus_peer_tick(struct bus_peer *peer, int64_t now);

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
int bus_link_send(struct bus_link *link, const struct bus_part *parts, int count);

/* Once there was no room there is none for anything, until all that waits is written: so the order is kept. */
int bus_link_post(struct bus_link *link, struct bus_parcel *parcel);
void bus_link_close(struct bus_link *link);

/* ---- bus_tcp.c: edges between hosts ---- */

/* Whether an edge reaches another host from here. */
bool bus_tcp_is_far(const struct hs_bus *bus, enum hs_role binder, enum hs_edge edge);

/* Listens for a socket's other ends, or connects to apid of another host, again and again. -errno with a log line. */
int bus_tcp_open(struct bus_socket *socket);

/* Connects when it is time to: when it is to be looked at again. */
int64_t bus_tcp_tick(struct bus_socket *socket, int64_t now);

/* A connection has ended, after its stage was set: one that we made is made again. */
void bus_tcp_lost(struct bus_wire *wire);

/* Who is at a connection has proved his key, so his role is known: false when he has too many connections. */
bool bus_tcp_admit(struct bus_wire *wire);

/* Keys have changed: ends connections whose key counts no more. */
void bus_tcp_review(struct hs_bus *bus);

/* ---- bus_veil.c: CURVE around a connection ---- */

/* For a connection that is opened next, with whom is at this address. */
struct bus_veil *bus_veil_create(const char *address);

/* Says the greeting. server: the key that the other end must have; NULL: we are the server. */
void bus_veil_begin(struct bus_wire *wire, const struct curve_pair *own, size_t own_count, const uint8_t *server);

/* Reads once, and opens what is whole: 1, and in ret_plain what a peer without security would have sent, until
 * bus_veil_pass; 0: there was nothing; -ENOTCONN: it is over; -EUSERS: he has too many; -errno of curve_hear. */
int bus_veil_read(struct bus_wire *wire, struct zmtp_part *ret_plain);
void bus_veil_pass(struct bus_wire *wire, size_t plain_bytes);

/* Seals what waits, as far as one write goes: bytes that are ready to be written. */
size_t bus_veil_seal(struct bus_wire *wire);
void bus_veil_destroy(struct bus_veil *veil); /* NULL is fine */

/* ---- bus_keys.c: who is known on other hosts ---- */

/* Reads keys/<role>.curve.key and keys/peers/<node>.<role>.pub, and again each second: a change counts from then on. */
void bus_keys_create(struct hs_bus *bus);
void bus_keys_destroy(struct hs_bus *bus);

/* Reads them now. */
void bus_keys_look(struct hs_bus *bus);

/* Our pairs, newest first: how many there are. */
size_t bus_keys_own(const struct hs_bus *bus, const struct curve_pair **ret_own);

/* The keys of a role: the one of this number, those of a file newest first; or NULL. */
const uint8_t *bus_keys_of(const struct hs_bus *bus, enum hs_role role, size_t number);

/* Whose key it is; HS_ROLE_NONE: a stranger's. */
enum hs_role bus_keys_role(const struct hs_bus *bus, const uint8_t key[CURVE_KEY_BYTES]);

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
void bus_ask_link_roomy(struct hs_bus *bus, enum hs_role role); /* after there was no room */
void bus_ask_answered(struct hs_bus *bus, enum hs_role from, const struct hs_json *json, struct hs_arena *arena);
void bus_ask_destroy(struct hs_bus *bus);

void bus_tell_create(struct hs_bus *bus);
bool bus_tell_flush(struct hs_bus *bus); /* pushes what the window allows; false: there was nothing */
void bus_tell_link_up(struct hs_bus *bus, bool is_up);
void bus_tell_acknowledged(struct hs_bus *bus, const struct hs_json *json, struct hs_arena *arena);
void bus_tell_destroy(struct hs_bus *bus);

void bus_hear_create(struct hs_bus *bus);
void bus_hear_batch(struct hs_bus *bus, struct bus_message *message, const struct hs_json *head,
		    struct hs_arena *arena);

/* Posts what was written to a connection of our request edge. */
void bus_serve_post(struct hs_bus *bus, const struct bus_route *route, const struct hs_wire_out *text);

int bus_pub_create(struct hs_bus *bus);
void bus_pub_destroy(struct hs_bus *bus);

void bus_sub_destroy(struct hs_bus *bus);
void bus_audio_destroy(struct hs_bus *bus);

#endif
