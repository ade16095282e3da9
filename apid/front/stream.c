#include "stream.h"
#include "audio.h"
#include "cleanup.h"
#include "clock.h"
#include "feed.h"
#include "log.h"
#include "metrics.h"
#include "wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES 160
#define FRAMES 50          /* that wait for a slow client: 1 s */
#define NOTES 16           /* texts that wait */
#define SNDBUF_BYTES 16384 /* what the kernel keeps beyond that */
#define ATTACH_MS 1000     /* for mediad's word */
#define AGAIN_MS 200       /* between tries */
#define TRIES 10           /* with a grant; then another one is asked for */
#define TELL_MS 1000       /* between two "dropped" */

enum place {
	PLACE_ASKED,     /* apid makes a grant */
	PLACE_ATTACHING, /* mediad has been told of it */
	PLACE_UP,        /* audio may flow */
	PLACE_LOST,      /* mediad is away, or did not know the grant: tried again */
	PLACE_CLOSED,    /* the client is gone, or going */
};

struct kept_frame {
	enum hs_codec codec;
	uint16_t bytes;
	uint8_t data[FRAME_BYTES];
};

struct stream {
	struct ws_client client; /* first */
	struct audio_holder holder;
	struct feed_listener listener;
	enum place place;
	bool is_accepted, was_greeted, was_listening, is_gone;
	char line[65], call[65], grant[65];
	enum hs_line_state state;
	enum hs_codec codec, told_codec; /* of the newest frame; what the client believes */
	char *token;
	uint64_t ticket;
	uv_timer_t *timer;
	int tries;
	uint32_t sequence, timestamp; /* of frames to mediad */
	struct kept_frame frames[FRAMES];
	size_t frames_first, frames_count;
	char *notes[NOTES];
	size_t notes_count;
	int64_t dropped_out, dropped_in, told_out, told_in, told_at_ms;
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
	for (size_t i = 0; i < stream->notes_count; i++)
		free(stream->notes[i]);
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
	struct hs_stream_close close = {.stream = stream->grant, .line = stream->line, .via = "websocket", .why = why};
	struct caller caller = caller_of(stream);
	if (!stream->grant[0])
		return;
	front_ask(stream->client.front, HS_STREAM_CLOSE, &close, &caller, NULL, NULL);
	stream->grant[0] = '\0';
}

/* ---- Notes: texts to the client ---- */

static void add_note(struct stream *stream, char *note)
{
	if (stream->notes_count == NOTES) {
		free(note);
		hs_ws_close(stream->client.ws, HS_WS_POLICY, "too slow");
		return;
	}
	stream->notes[stream->notes_count++] = note;
	hs_ws_want_write(stream->client.ws);
}

static const char *word_or_null(const struct hs_enum *words, int word)
{
	return word > 0 && word < words->count ? words->names[word] : NULL;
}

static char *hello(const struct stream *stream)
{
	const struct {
		const char *name, *value;
	} members[] = {
		{"type", "hello"},
		{"line", stream->line},
		{"codec", word_or_null(&hs_enum_codec, (int)stream->codec)},
		{"state", word_or_null(&hs_enum_line_state, (int)stream->state)},
		{"call_id", stream->call[0] ? stream->call : NULL},
	};
	struct hs_wire_out text = {0};
	for (size_t i = 0; i < HS_COUNT(members); i++) {
		hs_wire_put_name(&text, members[i].name);
		hs_wire_put_text(&text, members[i].value);
	}
	hs_wire_put(&text, "}", 2); /* with its NUL */
	return text.bytes;
}

static void note_dropped(struct stream *stream)
{
	int64_t out = stream->dropped_out - stream->told_out, in = stream->dropped_in - stream->told_in;
	int64_t now = hs_clock_ms();
	if ((!out && !in) || now - stream->told_at_ms < TELL_MS || stream->notes_count == NOTES)
		return;
	stream->told_at_ms = now;
	stream->told_out = stream->dropped_out;
	stream->told_in = stream->dropped_in;
	add_note(stream,
		 hs_printf("{\"type\":\"dropped\",\"to_you\":%lld,\"from_you\":%lld}", (long long)out, (long long)in));
}

/* ---- To the client ---- */

static void keep_frame(struct stream *stream, const struct hs_frame *frame)
{
	struct streams *streams = stream->client.front->streams;
	if (frame->payload_bytes == 0 || frame->payload_bytes > FRAME_BYTES) {
		stream->dropped_out++;
		hs_metric_add(streams->dropped_out, 1);
		return;
	}
	if (stream->frames_count == FRAMES) {
		stream->frames_first = (stream->frames_first + 1) % FRAMES;
		stream->frames_count--;
		stream->dropped_out++;
		hs_metric_add(streams->dropped_out, 1);
	}
	struct kept_frame *kept = &stream->frames[(stream->frames_first + stream->frames_count++) % FRAMES];
	kept->codec = frame->codec;
	kept->bytes = (uint16_t)frame->payload_bytes;
	memcpy(kept->data, frame->payload, frame->payload_bytes);
	hs_ws_want_write(stream->client.ws);
}

static int send_note(struct stream *stream)
{
	int error = hs_ws_send(stream->client.ws, true, stream->notes[0], strlen(stream->notes[0]));
	if (error)
		return error;
	free(stream->notes[0]);
	memmove(stream->notes, stream->notes + 1, --stream->notes_count * sizeof(stream->notes[0]));
	return 0;
}

/* The codec is told before the first frame that has it. */
static int send_frame(struct stream *stream)
{
	const struct kept_frame *frame = &stream->frames[stream->frames_first];
	if (frame->codec != stream->told_codec) {
		AUTO(free)
		char *text = hs_printf("{\"type\":\"codec\",\"codec\":\"%s\"}",
				       frame->codec ? hs_enum_codec.names[frame->codec] : "pcmu");
		int error = hs_ws_send(stream->client.ws, true, text, strlen(text));
		if (error)
			return error;
		stream->told_codec = frame->codec;
	}
	int error = hs_ws_send(stream->client.ws, false, frame->data, frame->bytes);
	if (error)
		return error;
	stream->frames_first = (stream->frames_first + 1) % FRAMES;
	stream->frames_count--;
	return 0;
}

static void on_writable(struct ws_client *client)
{
	struct stream *stream = (struct stream *)client;
	if (!stream->was_greeted) {
		AUTO(free) char *text = hello(stream);
		if (hs_ws_send(client->ws, true, text, strlen(text)))
			return;
		stream->was_greeted = true;
		stream->told_codec = stream->codec;
	}
	note_dropped(stream);
	while (stream->notes_count > 0)
		if (send_note(stream))
			return;
	while (stream->frames_count > 0)
		if (send_frame(stream))
			return;
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
	stream->place = PLACE_ATTACHING;
	stream->sequence = 0;
	audio_send(front->audio, &stream->holder, &(struct hs_frame){.kind = HS_FRAME_ATTACH});
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
	struct hs_stream_open open = {.line = stream->line, .via = "websocket"};
	struct caller caller = caller_of(stream);
	caller.client = hs_ws_peer(stream->client.ws);
	give_back(stream, "mediad did not know the grant");
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
	if (frame->codec)
		stream->codec = frame->codec;
	if (stream->is_accepted)
		return;
	stream->is_accepted = true;
	hs_ws_accept(stream->client.ws);
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
	case HS_FRAME_AUDIO:
		if (frame->codec)
			stream->codec = frame->codec;
		if (stream->place == PLACE_UP && stream->is_accepted)
			keep_frame(stream, frame);
		break;
	default:
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

enum stream_command stream_command(const char *text, size_t bytes)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *json;
	struct hs_wire_fault fault;
	bool is_clear = hs_wire_parse(text, bytes, arena, &json, &fault) == 0 &&
			hs_json_is(hs_json_member(json, "type"), "clear");
	hs_arena_destroy(arena);
	return is_clear ? STREAM_CLEAR : STREAM_UNKNOWN;
}

static void send_to_mediad(struct stream *stream, enum hs_frame_kind kind, const uint8_t *data, size_t bytes)
{
	struct front *front = stream->client.front;
	struct hs_frame frame = {
		.kind = kind,
		.codec = kind == HS_FRAME_AUDIO ? (stream->told_codec ? stream->told_codec : HS_CODEC_PCMU) : 0,
		.sequence = stream->sequence++,
		.timestamp = stream->timestamp,
		.payload = data,
		.payload_bytes = bytes,
	};
	stream->timestamp += (uint32_t)bytes; /* G.711: a byte a sample */
	if (stream->place == PLACE_UP && audio_send(front->audio, &stream->holder, &frame) == 0)
		return;
	stream->dropped_in++;
	hs_metric_add(front->streams->dropped_in, 1);
	hs_ws_want_write(stream->client.ws);
}

static void on_received(struct ws_client *client, bool text, const uint8_t *data, size_t bytes)
{
	struct stream *stream = (struct stream *)client;
	if (text && stream_command((const char *)data, bytes) == STREAM_CLEAR)
		send_to_mediad(stream, HS_FRAME_CLEAR, NULL, 0);
	else if (text)
		hs_metric_add(client->front->streams->ignored, 1);
	while (!text && bytes > 0) {
		size_t part = bytes < HS_FRAME_MAX_PAYLOAD ? bytes : HS_FRAME_MAX_PAYLOAD;
		send_to_mediad(stream, HS_FRAME_AUDIO, data, part);
		data += part;
		bytes -= part;
	}
}

/* ---- From the feed ---- */

static void on_added(struct feed_listener *listener, const struct ring_event *event)
{
	struct stream *stream = (struct stream *)((char *)listener - offsetof(struct stream, listener));
	bool is_start = event->message == HS_CALL_ANSWERED, is_end = event->message == HS_CALL_ENDED;
	if ((!is_start && !is_end) || strcmp(event->line, stream->line) != 0)
		return;
	hs_copy(stream->call, sizeof(stream->call), is_start ? event->call : "");
	add_note(stream, hs_printf("{\"type\":\"%s\",\"line\":\"%s\",\"call_id\":\"%s\",\"cursor\":\"%s\"}",
				   is_start ? "call_started" : "call_ended", event->line, event->call, event->cursor));
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
	uv_timer_stop(stream->timer);
	AUTO(free) char *reason = hs_printf("code %d%s%s", code, *why ? ": " : "", why);
	give_back(stream, reason);
	if (!stream->ticket)
		stream_free(stream);
}

static int refuse_pair(void *context, const char *name, const char *value)
{
	hs_copy(context, ROUTE_VALUE, name);
	return -EINVAL;
}

static void on_asked(const struct ws_request *request)
{
	struct front *front = request->front;
	char field[ROUTE_VALUE] = "";
	if (route_each(request->head->query, refuse_pair, field)) {
		struct problem problem = {
			.error = HS_ERROR_INVALID, .field = field, .detail = "There is no such parameter."};
		ws_refuse(front, request->ws, request->request_id, &problem);
		return;
	}
	struct stream *stream = hs_zalloc(sizeof(*stream));
	ws_client_begin(&stream->client, &stream_kind, request);
	TAILQ_INSERT_TAIL(&front->streams->all, stream, link);
	stream->token = hs_strdup(request->token);
	stream->timer = hs_zalloc(sizeof(*stream->timer));
	uv_timer_init(front->house->loop, stream->timer);
	stream->timer->data = stream;
	stream->holder.heard = on_heard;
	stream->holder.changed = on_changed;
	stream->listener.added = on_added;
	stream->listener.broken = on_broken;
	hs_copy(stream->line, sizeof(stream->line), request->line);
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
