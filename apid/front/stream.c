#include "stream.h"
#include "audio.h"
#include "cleanup.h"
#include "clock.h"
#include "feed.h"
#include "metrics.h"
#include "route.h"
#include "talk.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SNDBUF_BYTES 16384 /* what the kernel keeps beyond that */
#define ATTACH_MS 1000     /* for mediad's word */
#define AGAIN_MS 200       /* between tries */
#define TRIES 10           /* with a grant; then another one is asked for */

enum place {
	PLACE_ASKED,     /* apid makes a grant */
	PLACE_ATTACHING, /* mediad has been told of it */
	PLACE_UP,        /* audio may flow */
	PLACE_LOST,      /* mediad is away, or did not know the grant: tried again */
	PLACE_CLOSED,    /* the client is gone, or going */
};

struct stream {
	struct ws_client client; /* first */
	struct audio_holder holder;
	struct feed_listener listener;
	enum place place;
	bool is_accepted, was_greeted, was_listening, is_gone;
	char line[65], call[65], grant[65];
	enum hs_line_state state;
	struct hs_talk *talk;
	char *token;
	const char *via; /* as apid is told */
	uint64_t ticket, call_ticket;
	uv_timer_t *timer;
	int tries;
	TAILQ_ENTRY(stream) link;
};

struct streams {
	struct front *front;
	TAILQ_HEAD(, stream) all;
	struct hs_metric *dropped_out, *dropped_in, *ignored;
};

/* ---- Life ---- */

static void free_timer(uv_handle_t *timer)
{
	free(timer);
}

static void stream_free(struct stream *stream)
{
	TAILQ_REMOVE(&stream->client.front->streams->all, stream, link);
	hs_talk_destroy(stream->talk);
	explicit_bzero(stream->token, strlen(stream->token));
	free(stream->token);
	uv_close((uv_handle_t *)stream->timer, free_timer);
	free(stream);
}

static struct caller caller_of(const struct stream *stream)
{
	return (struct caller){.token = stream->token, .request_id = stream->client.request_id};
}

/* apid is told that the grant is not needed any more. */
static void give_back(struct stream *stream, const char *why)
{
	struct hs_stream_close close = {.stream = stream->grant, .line = stream->line, .via = stream->via, .why = why};
	struct caller caller = caller_of(stream);
	if (!stream->grant[0])
		return;
	front_ask(stream->client.front, HS_STREAM_CLOSE, &close, &caller, NULL, NULL);
	stream->grant[0] = '\0';
}

/* ---- To the client ---- */

static void on_writable(struct ws_client *client)
{
	struct stream *stream = (struct stream *)client;
	const void *data;
	size_t bytes;
	bool text;
	while (hs_talk_next(stream->talk, hs_clock_ms(), &text, &data, &bytes)) {
		if (hs_ws_send(client->ws, text, data, bytes))
			return;
		hs_talk_sent(stream->talk);
	}
	if (hs_talk_is_over(stream->talk))
		hs_ws_close(client->ws, HS_WS_NORMAL, "the call is over");
}

/* There is something to say, or too much of it. */
static void speak(struct stream *stream)
{
	if (!stream->is_accepted)
		return;
	if (hs_talk_is_stuck(stream->talk))
		hs_ws_close(stream->client.ws, HS_WS_POLICY, "too slow");
	else
		hs_ws_want_write(stream->client.ws);
}

/* ---- The call, for who is told of each by itself ---- */

static void on_call(void *context, const struct hs_answer *answer)
{
	struct stream *stream = context;
	stream->call_ticket = 0;
	if (answer->error == HS_OK)
		hs_talk_call(stream->talk, answer->body);
	speak(stream);
}

static void ask_call(struct stream *stream)
{
	struct hs_stream_call call = {.line = stream->line};
	struct caller caller = caller_of(stream);
	if (!hs_talk_wants_call(stream->talk) || stream->call_ticket)
		return;
	caller.client = hs_ws_peer(stream->client.ws);
	stream->call_ticket = front_ask(stream->client.front, HS_STREAM_CALL, &call, &caller, on_call, stream);
}

/* ---- The grant ---- */

static void open_again(struct stream *stream);

static void fail(struct stream *stream, enum hs_error error, const char *why)
{
	stream->place = PLACE_CLOSED;
	give_back(stream, why);
	if (stream->is_accepted)
		hs_ws_close(stream->client.ws,
			    error == HS_ERROR_UNAUTHORIZED                               ? HS_WS_UNAUTHORIZED
			    : error == HS_ERROR_NOT_FOUND || error == HS_ERROR_FORBIDDEN ? HS_WS_POLICY
											 : HS_WS_TRY_AGAIN,
			    why);
	else
		ws_refuse(stream->client.front, stream->client.ws, stream->client.request_id,
			  &(struct problem){.error = error, .detail = why});
}

static void on_timer(uv_timer_t *timer);

static void attach(struct stream *stream)
{
	struct front *front = stream->client.front;
	uint8_t tracks = hs_talk_tracks(stream->talk);
	struct hs_frame frame = {.kind = HS_FRAME_ATTACH, .payload = &tracks, .payload_bytes = 1};
	stream->place = PLACE_ATTACHING;
	audio_send(front->audio, &stream->holder, &frame);
	uv_timer_start(stream->timer, on_timer, ATTACH_MS, 0);
}

static void try_later(struct stream *stream)
{
	stream->place = PLACE_LOST;
	uv_timer_start(stream->timer, on_timer, AGAIN_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct stream *stream = timer->data;
	if (stream->place == PLACE_ATTACHING && !stream->is_accepted)
		fail(stream, HS_ERROR_TIMEOUT, "mediad did not take the stream in time.");
	else if (stream->place == PLACE_ATTACHING)
		try_later(stream);
	else if (stream->place == PLACE_LOST && !audio_is_up(stream->client.front->audio))
		try_later(stream);
	else if (stream->place == PLACE_LOST && stream->tries++ < TRIES && stream->grant[0])
		attach(stream);
	else if (stream->place == PLACE_LOST)
		open_again(stream);
}

static void take_grant(struct stream *stream, const struct hs_stream_open_answer *open)
{
	hs_copy(stream->grant, sizeof(stream->grant), open->stream);
	hs_copy(stream->call, sizeof(stream->call), open->call_id);
	stream->state = open->state;
	stream->tries = 0;
	hs_talk_allow_digits(stream->talk, open->digits);
	if (audio_hold(stream->client.front->audio, &stream->holder, stream->grant))
		fail(stream, HS_ERROR_INTERNAL, "apid gave a grant that does not fit a frame.");
	else if (!audio_is_up(stream->client.front->audio) && !stream->is_accepted)
		fail(stream, HS_ERROR_UNAVAILABLE, "mediad is away; try again.");
	else
		attach(stream);
}

static void on_grant(void *context, const struct hs_answer *answer)
{
	struct stream *stream = context;
	stream->ticket = 0;
	if (stream->is_gone) {
		if (answer->error == HS_OK)
			hs_copy(stream->grant, sizeof(stream->grant),
				((const struct hs_stream_open_answer *)answer->body)->stream);
		give_back(stream, "the client left before it was open");
		stream_free(stream);
	} else if (answer->error == HS_OK) {
		take_grant(stream, answer->body);
	} else if (!stream->is_accepted) {
		stream->place = PLACE_CLOSED;
		ws_refuse_answer(&stream->client, hs_messages[HS_STREAM_OPEN].scope, answer);
	} else if (answer->error == HS_ERROR_UNAUTHORIZED || answer->error == HS_ERROR_FORBIDDEN ||
		   answer->error == HS_ERROR_NOT_FOUND) {
		fail(stream, answer->error, hs_errors[answer->error].title);
	} else {
		try_later(stream);
	}
}

static void open_again(struct stream *stream)
{
	struct hs_stream_open open = {.line = stream->line, .via = stream->via};
	struct caller caller = caller_of(stream);
	caller.client = hs_ws_peer(stream->client.ws);
	give_back(stream, "mediad did not know the grant");
	hs_talk_forgotten(stream->talk);
	stream->place = PLACE_ASKED;
	stream->ticket = front_ask(stream->client.front, HS_STREAM_OPEN, &open, &caller, on_grant, stream);
}

/* ---- From mediad ---- */

static struct stream *of_holder(struct audio_holder *holder)
{
	return (struct stream *)((char *)holder - offsetof(struct stream, holder));
}

static void on_attached(struct stream *stream, const struct hs_frame *frame)
{
	stream->place = PLACE_UP;
	stream->tries = 0;
	uv_timer_stop(stream->timer);
	hs_talk_hello(stream->talk, stream->state, stream->call[0] ? stream->call : NULL, frame->codec);
	if (stream->is_accepted)
		return;
	stream->is_accepted = true;
	hs_ws_accept(stream->client.ws);
}

static void tell(struct stream *stream, const struct hs_frame *frame)
{
	if (stream->place != PLACE_UP || !stream->is_accepted)
		return;
	if (!hs_talk_heard(stream->talk, frame))
		hs_metric_add(stream->client.front->streams->dropped_out, 1);
	speak(stream);
}

static void on_heard(struct audio_holder *holder, const struct hs_frame *frame)
{
	struct stream *stream = of_holder(holder);
	switch (frame->kind) {
	case HS_FRAME_ATTACHED:
		if (stream->place == PLACE_ATTACHING)
			on_attached(stream, frame);
		break;
	case HS_FRAME_REFUSED:
		if (!stream->is_accepted)
			fail(stream, HS_ERROR_UNAVAILABLE, "mediad refused the stream; try again.");
		else if (stream->place != PLACE_CLOSED)
			try_later(stream);
		break;
	case HS_FRAME_DETACH:
		if (stream->place == PLACE_UP)
			try_later(stream);
		break;
	default:
		tell(stream, frame);
		break;
	}
}

static void on_changed(struct audio_holder *holder, bool up)
{
	struct stream *stream = of_holder(holder);
	if (stream->place != PLACE_UP && stream->place != PLACE_ATTACHING && stream->place != PLACE_LOST)
		return;
	stream->tries = 0;
	if (up && stream->place != PLACE_UP)
		attach(stream);
	else if (!up && stream->is_accepted)
		try_later(stream);
	else if (!up)
		fail(stream, HS_ERROR_UNAVAILABLE, "mediad went away; try again.");
}

/* ---- From the client ---- */

static int send_to_mediad(void *context, struct hs_frame *frame)
{
	struct stream *stream = context;
	struct front *front = stream->client.front;
	if (stream->place == PLACE_UP && audio_send(front->audio, &stream->holder, frame) == 0)
		return 0;
	hs_metric_add(front->streams->dropped_in, 1);
	return -EHOSTUNREACH;
}

static void on_received(struct ws_client *client, bool text, const uint8_t *data, size_t bytes)
{
	struct stream *stream = (struct stream *)client;
	if (!hs_talk_read(stream->talk, text, data, bytes))
		hs_metric_add(client->front->streams->ignored, 1);
	speak(stream);
}

/* ---- From the feed ---- */

static void on_added(struct feed_listener *listener, const struct ring_event *event)
{
	struct stream *stream = (struct stream *)((char *)listener - offsetof(struct stream, listener));
	if (event->message < 0 || strcmp(event->line, stream->line) != 0)
		return;
	struct hs_event_head head = {.type = hs_messages[event->message].name,
				     .line = event->line,
				     .call_id = event->call,
				     .cursor = event->cursor};
	hs_talk_event(stream->talk, &head, event->text, event->bytes);
	if (event->message == HS_CALL_ANSWERED)
		ask_call(stream);
	speak(stream);
}

static void on_broken(struct feed_listener *listener)
{
	(void)listener; /* calls that began or ended meanwhile are not told; the audio says enough */
}

/* ---- Coming and going ---- */

static void on_opened(struct ws_client *client)
{
	struct stream *stream = (struct stream *)client;
	feed_listen(client->front->feed, &stream->listener);
	stream->was_listening = true;
	hs_ws_set_sndbuf(client->ws, SNDBUF_BYTES);
	hs_ws_want_write(client->ws);
	ask_call(stream);
}

static void on_closed(struct ws_client *client, int code, const char *why)
{
	struct stream *stream = (struct stream *)client;
	if (stream->was_listening)
		feed_leave(client->front->feed, &stream->listener);
	audio_send(client->front->audio, &stream->holder, &(struct hs_frame){.kind = HS_FRAME_DETACH});
	audio_drop(client->front->audio, &stream->holder);
	stream->place = PLACE_CLOSED;
	stream->is_gone = true;
	stream->client.ws = NULL;
	hs_bus_forget(client->front->house->bus, stream->call_ticket);
	stream->call_ticket = 0;
	uv_timer_stop(stream->timer);
	AUTO(free) char *reason = hs_printf("code %d%s%s", code, *why ? ": " : "", why);
	give_back(stream, reason);
	if (!stream->ticket)
		stream_free(stream);
}

/* ---- What he wants ---- */

/* The query as options; texts need no arena that lives on. False: the handshake was refused. */
static bool read_options(const struct ws_request *request, struct hs_stream_options *ret_options)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *json;
	struct hs_wire_fault fault = {"", ""};
	struct route_body body;
	struct problem problem = {.error = HS_ERROR_INVALID, .field = fault.field, .detail = fault.why};
	route_body_begin(&body, NULL);
	bool is_read = !route_add_query(&hs_shape_stream_options, request->head->query, &body, &fault) &&
		       !route_body_read(&body, arena, &json, &fault) &&
		       !hs_wire_decode(&hs_shape_stream_options, json, true, arena, ret_options, &fault);
	if (is_read)
		problem.detail = hs_talk_fault(ret_options, &problem.field);
	if (problem.detail)
		ws_refuse(request->front, request->ws, request->request_id, &problem);
	route_body_end(&body);
	hs_arena_destroy(arena);
	return !problem.detail;
}

static struct hs_talk *make_talk(struct stream *stream, const struct hs_stream_options *options)
{
	const struct hs_talk_setup setup = {
		.line = stream->line,
		.node = stream->client.front->house->config->node,
		.options = *options,
		.send = send_to_mediad,
		.context = stream,
	};
	return hs_talk_create(&setup);
}

static void on_asked(const struct ws_request *request)
{
	struct front *front = request->front;
	struct hs_stream_options options = {0};
	if (!read_options(request, &options))
		return;
	struct stream *stream = hs_zalloc(sizeof(*stream));
	ws_client_begin(&stream->client, &stream_kind, request);
	TAILQ_INSERT_TAIL(&front->streams->all, stream, link);
	stream->token = hs_strdup(request->token);
	stream->via = options.direction == HS_STREAM_DIRECTION_LISTEN ? "listening" : "websocket";
	stream->timer = hs_zalloc(sizeof(*stream->timer));
	uv_timer_init(front->house->loop, stream->timer);
	stream->timer->data = stream;
	stream->holder.heard = on_heard;
	stream->holder.changed = on_changed;
	stream->listener.added = on_added;
	stream->listener.broken = on_broken;
	hs_copy(stream->line, sizeof(stream->line), request->line);
	stream->talk = make_talk(stream, &options);
	open_again(stream);
}

const struct ws_kind stream_kind = {
	.name = "audio",
	.before = "/api/v1/lines/",
	.after = "/audio",
	.asked = on_asked,
	.opened = on_opened,
	.received = on_received,
	.writable = on_writable,
	.closed = on_closed,
};

/* ---- All of them ---- */

struct streams *streams_create(struct front *front)
{
	struct streams *streams = hs_zalloc(sizeof(*streams));
	const char *name = "hookswitch_front_audio_frames_dropped_total";
	const char *help = "Audio frames dropped between client and mediad.";
	streams->front = front;
	TAILQ_INIT(&streams->all);
	streams->dropped_out = hs_metric_counter(name, "direction=\"to_client\"", help);
	streams->dropped_in = hs_metric_counter(name, "direction=\"from_client\"", help);
	streams->ignored = hs_metric_counter("hookswitch_ws_ignored_total", "kind=\"audio\"",
					     "Messages of clients that mean nothing to us.");
	return streams;
}

void streams_destroy(struct streams *streams)
{
	if (!streams)
		return;
	while (!TAILQ_EMPTY(&streams->all)) {
		struct stream *stream = TAILQ_FIRST(&streams->all);
		hs_bus_forget(streams->front->house->bus, stream->ticket); /* NOLINT(clang-analyzer-unix.Malloc) */
		stream_free(stream); /* takes it off the list, which the analyzer cannot see */
	}
	free(streams);
}
