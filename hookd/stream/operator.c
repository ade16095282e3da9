#include "operator.h"
#include "audio.h"
#include "backoff.h"
#include "cleanup.h"
#include "clock.h"
#include "fsm.h"
#include "log.h"
#include "metrics.h"
#include "talk.h"
#include "trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CONNECT_MS 10000    /* TCP, TLS and handshake */
#define MESSAGE_BYTES 65536 /* longest the operator may send */
#define SNDBUF_BYTES 16384  /* what the kernel keeps for a slow operator: two seconds */
#define ATTACH_MS 1000      /* for mediad's word */
#define AGAIN_MS 200        /* between tries to get audio */
#define TRIES 10            /* with a grant; then another one is asked for */
#define STEADY_MS 5000      /* a connection that lived so long begins the back-off anew */

enum state {
	WAITING, /* for the back-off's end */
	RESOLVING,
	CONNECTING,
	ASKING,    /* the WebSocket is open; apid makes a grant */
	ATTACHING, /* mediad was told of it */
	UP,        /* audio flows */
	LOST,      /* the WebSocket is open, audio is not: tried again */
	ENDED,
	STATES,
};

enum event {
	DUE, /* the timer */
	RESOLVED,
	UNREACHABLE,
	OPENED,
	CLOSED,
	GRANTED,
	DENIED,
	ATTACHED,
	REFUSED,
	MEDIAD_CAME,
	MEDIAD_WENT,
	STOP,
	EVENTS,
};

static const char *const state_names[] = {"waiting",   "resolving", "connecting", "asking",
					  "attaching", "up",        "lost",       "ended"};
static const char *const event_names[] = {"due",    "resolved", "unreachable", "opened",      "closed",      "granted",
					  "denied", "attached", "refused",     "mediad_came", "mediad_went", "stop"};

struct operator_link {
	int state;
	struct stream *stream;
	char *line;
	struct egress_url url;
	struct resolve_question *question;
	struct egress_address addresses[EGRESS_MAX_ADDRESSES];
	size_t addresses_count, addresses_tried;
	struct hs_ws *ws;
	struct talk *talk; /* while ws is open */
	int64_t opened_at_ms;
	int failures;  /* in a row */
	char why[200]; /* of the last failure, as apid was told */
	char grant[65], call[65];
	enum hs_line_state line_state;
	uint64_t ticket;
	int tries;
	uint32_t sequence, timestamp; /* of frames to mediad */
	uv_timer_t timer;
};

static void step(struct operator_link *link, enum event event, const void *argument);

static void on_timer(uv_timer_t *timer)
{
	step(timer->data, DUE, NULL);
}

static void start_timer(struct operator_link *link, int64_t ms)
{
	uv_update_time(link->stream->house->loop);
	uv_timer_start(&link->timer, on_timer, (uint64_t)ms, 0);
}

static void trace(const struct operator_link *link, const char *what)
{
	hs_trace_add(HS_TRACE_KIND_HTTP, *link->call ? link->call : NULL, NULL, "hook-stream", link->url.host,
		     "WebSocket of %s: %s", link->line, what);
}

/* ---- Dialling ---- */

static void on_resolved(void *context, const struct egress_address *addresses, size_t count, const char *why)
{
	struct operator_link *link = context;
	char sentence[EGRESS_WHY];

	link->question = NULL;
	if (!count) {
		step(link, UNREACHABLE, why);
	} else if (egress_check(&link->stream->rules, &link->url, addresses, count, sentence) < 0) {
		step(link, UNREACHABLE, sentence);
	} else {
		memcpy(link->addresses, addresses, count * sizeof(*addresses));
		link->addresses_count = count;
		link->addresses_tried = 0;
		step(link, RESOLVED, NULL);
	}
}

static void do_resolve(void *object, const void *argument)
{
	struct operator_link *link = object;

	link->question = resolve_ask(link->stream->resolve, link->url.host, on_resolved, link);
}

static const struct hs_ws_events ws_events;

static void do_connect(void *object, const void *argument)
{
	struct operator_link *link = object;
	const struct egress_url *url = &link->url;
	char address[EGRESS_ADDRESS_TEXT], host[EGRESS_HOST_BYTES + 16];
	bool brackets = url->numeric && url->address.is_v6, usual = url->port == (url->tls ? 443 : 80);
	struct hs_ws_connect connect = {
		.address = address,
		.port = url->port,
		.tls = url->tls,
		.host = host,
		.path = url->text + url->path_at,
		.token = link->stream->token,
		.max_message = MESSAGE_BYTES,
		.timeout_ms = CONNECT_MS,
		.events = &ws_events,
		.context = link,
	};

	egress_format_address(&link->addresses[link->addresses_tried++], address);
	snprintf(host, sizeof(host), "%s%s%s", brackets ? "[" : "", url->host, brackets ? "]" : "");
	if (!usual)
		snprintf(host + strlen(host), sizeof(host) - strlen(host), ":%u", url->port);
	link->ws = hs_ws_connect(link->stream->lwsio, &connect);
	if (link->ws)
		link->stream->open++;
	else
		step(link, CLOSED, "the connection could not be begun");
}

static bool has_more_addresses(const void *object, const void *argument)
{
	const struct operator_link *link = object;

	return link->addresses_tried < link->addresses_count;
}

/* Back-off, and apid's word: when the operator was lost, and when the reason it cannot be reached is a new one. */
static void do_wait(void *object, const void *argument)
{
	struct operator_link *link = object;
	const char *why = argument;
	bool is_news = *link->grant || strcmp(link->why, why) != 0;
	uint32_t random = 0;
	int64_t delay_ms;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)hs_clock_us();
	link->failures++;
	delay_ms = backoff_ms(link->failures, random);
	hs_metric_add(link->stream->failures, 1);
	hs_log(WARN, "operator.away", LOG_LINE(link->line), LOG_INT("failures", link->failures),
	       LOG_INT("retry_in_ms", delay_ms), LOG_WHY(why));
	trace(link, why);
	if (is_news)
		ask_close(link->stream, link->line, link->grant, why, delay_ms);
	link->grant[0] = '\0';
	hs_copy(link->why, sizeof(link->why), why);
	start_timer(link, delay_ms);
}

/* ---- The grant ---- */

static void on_grant(void *context, const struct hs_answer *answer)
{
	struct operator_link *link = context;

	link->ticket = 0;
	if (answer->error)
		step(link, DENIED, answer->detail ? answer->detail : hs_errors[answer->error].name);
	else
		step(link, GRANTED, answer->body);
}

static void drop_grant(struct operator_link *link)
{
	struct hs_frame detach = {.kind = HS_FRAME_DETACH};

	if (!*link->grant)
		return;
	hs_copy(detach.grant, sizeof(detach.grant), link->grant);
	audio_send(link->stream->audio, &detach);
	audio_drop(link->stream->audio, link->grant);
}

/* A grant that mediad does not take is given back before the next one is asked for. */
static void do_ask(void *object, const void *argument)
{
	struct operator_link *link = object;

	if (*link->grant) {
		drop_grant(link);
		ask_close(link->stream, link->line, link->grant, "mediad does not know the grant", -1);
		link->grant[0] = '\0';
	}
	link->ticket = ask_open(link->stream, link->line, on_grant, link);
}

static void do_attach(void *object, const void *argument)
{
	struct operator_link *link = object;
	struct hs_frame attach = {.kind = HS_FRAME_ATTACH};

	hs_copy(attach.grant, sizeof(attach.grant), link->grant);
	link->sequence = 0;
	audio_send(link->stream->audio, &attach);
	start_timer(link, ATTACH_MS);
}

static void do_take_grant(void *object, const void *argument)
{
	struct operator_link *link = object;
	const struct hs_stream_open_answer *open = argument;

	hs_copy(link->grant, sizeof(link->grant), open->stream);
	hs_copy(link->call, sizeof(link->call), open->call_id);
	link->line_state = open->state;
	link->tries = 0;
	audio_hold(link->stream->audio, link->grant, link);
	do_attach(link, NULL);
}

static void do_greet(void *object, const void *argument)
{
	struct operator_link *link = object;
	const struct hs_frame *frame = argument;

	uv_timer_stop(&link->timer);
	link->tries = 0;
	link->why[0] = '\0';
	talk_hello(link->talk, link->line_state, *link->call ? link->call : NULL, frame->codec);
	hs_ws_want_write(link->ws);
}

static void do_try_later(void *object, const void *argument)
{
	start_timer(object, AGAIN_MS);
}

/* With mediad there and tries left the same grant is used: apid keeps it over mediad's restart. */
static bool may_attach(const void *object, const void *argument)
{
	const struct operator_link *link = object;

	return *link->grant && link->tries < TRIES && audio_is_up(link->stream->audio);
}

static bool mediad_is_away(const void *object, const void *argument)
{
	const struct operator_link *link = object;

	return !audio_is_up(link->stream->audio);
}

static void do_attach_again(void *object, const void *argument)
{
	struct operator_link *link = object;

	link->tries++;
	do_attach(link, NULL);
}

/* ---- The WebSocket ---- */

static void do_open(void *object, const void *argument)
{
	struct operator_link *link = object;

	hs_log(INFO, "operator.opened", LOG_LINE(link->line), LOG_TEXT("host", link->url.host));
	trace(link, "open");
	link->opened_at_ms = hs_clock_ms();
	link->talk = talk_create(link->line);
	hs_ws_set_sndbuf(link->ws, SNDBUF_BYTES);
	hs_metric_add(link->stream->connected, 1);
	do_ask(link, NULL);
}

static void leave_talk(struct operator_link *link)
{
	hs_metric_add(link->stream->connected, -1);
	talk_destroy(link->talk);
	link->talk = NULL;
	uv_timer_stop(&link->timer);
	hs_bus_forget(link->stream->house->bus, link->ticket);
	link->ticket = 0;
	drop_grant(link);
}

static void do_hang_up(void *object, const void *argument)
{
	struct operator_link *link = object;

	leave_talk(link);
	if (hs_clock_ms() - link->opened_at_ms >= STEADY_MS)
		link->failures = 0;
	link->why[0] = '\0';
	do_wait(link, argument);
}

static void do_end(void *object, const void *argument)
{
	struct operator_link *link = object;

	uv_timer_stop(&link->timer);
	resolve_forget(TAKE(link->question));
	if (link->talk) {
		leave_talk(link);
		ask_close(link->stream, link->line, link->grant, "the suite stops", -1);
		link->grant[0] = '\0';
	}
	if (link->ws)
		hs_ws_close(link->ws, HS_WS_GOING_AWAY, "the suite stops");
}

static const struct hs_fsm_rule rules[] = {
	{WAITING, DUE, NULL, do_resolve, RESOLVING},
	{RESOLVING, RESOLVED, NULL, do_connect, CONNECTING},
	{RESOLVING, UNREACHABLE, NULL, do_wait, WAITING},
	{CONNECTING, OPENED, NULL, do_open, ASKING},
	{CONNECTING, CLOSED, has_more_addresses, do_connect, CONNECTING},
	{CONNECTING, CLOSED, NULL, do_wait, WAITING},
	{ASKING, GRANTED, NULL, do_take_grant, ATTACHING},
	{ASKING, DENIED, NULL, do_try_later, LOST},
	{ASKING, CLOSED, NULL, do_hang_up, WAITING},
	{ATTACHING, ATTACHED, NULL, do_greet, UP},
	{ATTACHING, REFUSED, NULL, do_try_later, LOST},
	{ATTACHING, MEDIAD_WENT, NULL, do_try_later, LOST},
	{ATTACHING, DUE, NULL, do_try_later, LOST},
	{ATTACHING, CLOSED, NULL, do_hang_up, WAITING},
	{UP, REFUSED, NULL, do_try_later, LOST},
	{UP, MEDIAD_WENT, NULL, do_try_later, LOST},
	{UP, CLOSED, NULL, do_hang_up, WAITING},
	{LOST, DUE, may_attach, do_attach_again, ATTACHING},
	{LOST, DUE, mediad_is_away, do_try_later, LOST},
	{LOST, DUE, NULL, do_ask, ASKING},
	{LOST, MEDIAD_CAME, may_attach, do_attach_again, ATTACHING},
	{LOST, CLOSED, NULL, do_hang_up, WAITING},
	{WAITING, STOP, NULL, do_end, ENDED},
	{RESOLVING, STOP, NULL, do_end, ENDED},
	{CONNECTING, STOP, NULL, do_end, ENDED},
	{ASKING, STOP, NULL, do_end, ENDED},
	{ATTACHING, STOP, NULL, do_end, ENDED},
	{UP, STOP, NULL, do_end, ENDED},
	{LOST, STOP, NULL, do_end, ENDED},
	{ENDED, CLOSED, NULL, NULL, ENDED},
};

static const char *id_of(const void *object)
{
	const struct operator_link *link = object;

	return link->line;
}

static const struct hs_fsm fsm = {
	.name = "operator",
	.states = state_names,
	.events = event_names,
	.states_count = STATES,
	.events_count = EVENTS,
	.rules = rules,
	.rules_count = HS_COUNT(rules),
	.state_offset = offsetof(struct operator_link, state),
	.id = id_of,
};

static void step(struct operator_link *link, enum event event, const void *argument)
{
	hs_fsm_step(&fsm, link, event, argument);
}

/* ---- What lwsio tells ---- */

static void on_opened(void *context, struct hs_ws *ws)
{
	step(context, OPENED, NULL);
}

static void send_to_mediad(struct operator_link *link, enum hs_frame_kind kind, const uint8_t *data, size_t bytes)
{
	struct hs_frame frame = {
		.kind = kind,
		.codec = kind == HS_FRAME_AUDIO ? talk_codec(link->talk) : 0,
		.sequence = link->sequence++,
		.timestamp = link->timestamp,
		.payload = data,
		.payload_bytes = bytes,
	};

	link->timestamp += (uint32_t)bytes; /* G.711: a byte a sample */
	hs_copy(frame.grant, sizeof(frame.grant), link->grant);
	if (link->state == UP && audio_send(link->stream->audio, &frame) == 0)
		return;
	talk_lost(link->talk);
	hs_metric_add(link->stream->lost_from, 1);
}

static void on_received(void *context, struct hs_ws *ws, bool text, const uint8_t *data, size_t bytes)
{
	struct operator_link *link = context;

	if (!link->talk)
		return;
	if (text && talk_read(data, bytes) == TALK_CLEAR)
		send_to_mediad(link, HS_FRAME_CLEAR, NULL, 0);
	while (!text && bytes) {
		size_t part = bytes < HS_FRAME_MAX_PAYLOAD ? bytes : HS_FRAME_MAX_PAYLOAD;

		send_to_mediad(link, HS_FRAME_AUDIO, data, part);
		data += part;
		bytes -= part;
	}
}

static void on_writable(void *context, struct hs_ws *ws)
{
	struct operator_link *link = context;
	const void *data;
	size_t bytes;
	bool text;

	while (link->talk && talk_next(link->talk, hs_clock_ms(), &text, &data, &bytes)) {
		if (hs_ws_send(ws, text, data, bytes) < 0)
			return;
		talk_sent(link->talk);
	}
}

static void on_closed(void *context, struct hs_ws *ws, int code, const char *why)
{
	struct operator_link *link = context;
	char sentence[160];

	link->ws = NULL;
	link->stream->open--;
	if (link->talk)
		snprintf(sentence, sizeof(sentence), "closed with %d%s%s", code, *why ? ": " : "", why);
	else if (code)
		snprintf(sentence, sizeof(sentence), "the handshake was answered with %d%s%s", code, *why ? ": " : "",
			 why);
	else
		snprintf(sentence, sizeof(sentence), "cannot be reached%s%s", *why ? ": " : "", why);
	step(link, CLOSED, sentence);
	if (link->stream->ending && !link->stream->open)
		hs_daemon_stopped(link->stream->house);
}

static const struct hs_ws_events ws_events = {
	.opened = on_opened,
	.received = on_received,
	.writable = on_writable,
	.closed = on_closed,
};

/* ---- What mediad and the log tell ---- */

static void keep_audio(struct operator_link *link, const struct hs_frame *frame)
{
	if (link->state != UP)
		return;
	if (!talk_audio(link->talk, frame->codec, frame->payload, frame->payload_bytes))
		hs_metric_add(link->stream->lost_to, 1);
	hs_ws_want_write(link->ws);
}

void operator_heard(struct operator_link *link, const struct hs_frame *frame)
{
	bool attaching = link->state == ATTACHING;

	if (frame->kind == HS_FRAME_AUDIO)
		keep_audio(link, frame);
	else if (frame->kind == HS_FRAME_ATTACHED && attaching)
		step(link, ATTACHED, frame);
	else if ((frame->kind == HS_FRAME_REFUSED || frame->kind == HS_FRAME_DETACH) &&
		 (attaching || link->state == UP))
		step(link, REFUSED, NULL);
}

void operator_audio_changed(struct operator_link *link, bool up)
{
	link->tries = 0;
	if (up && link->state == LOST && *link->grant)
		step(link, MEDIAD_CAME, NULL);
	else if (!up && (link->state == ATTACHING || link->state == UP))
		step(link, MEDIAD_WENT, NULL);
}

void operator_event(struct operator_link *link, const struct hs_event_head *head, const struct hs_json *event)
{
	if (!link->talk)
		return;
	talk_event(link->talk, head, event);
	if (talk_is_stuck(link->talk))
		hs_ws_close(link->ws, HS_WS_POLICY, "too slow");
	else
		hs_ws_want_write(link->ws);
}

/* ---- Life ---- */

/* The URL with {line} replaced; ids need no escape. The caller frees it. */
static char *fill_in(const char *url, const char *line)
{
	static const char mark[] = "{line}";
	char *filled = hs_strdup(url), *at;

	while ((at = strstr(filled, mark))) {
		AUTO(free) char *before = filled;

		*at = '\0';
		filled = hs_printf("%s%s%s", before, line, at + sizeof(mark) - 1);
	}
	return filled;
}

struct operator_link *operator_create(struct stream *stream, const char *line, const char *url)
{
	struct operator_link *link = hs_zalloc(sizeof(*link));
	AUTO(free) char *filled = fill_in(url, line);
	char why[EGRESS_WHY];

	if (egress_parse_url(filled, EGRESS_WEBSOCKET, &link->url, why) < 0) {
		hs_log(ERROR, "operator.bad_url", LOG_LINE(line), LOG_WHY(why));
		free(link);
		return NULL;
	}
	link->stream = stream;
	link->line = hs_strdup(line);
	uv_timer_init(stream->house->loop, &link->timer);
	link->timer.data = link;
	return link;
}

void operator_start(struct operator_link *link)
{
	step(link, DUE, NULL);
}

const struct egress_url *operator_url(const struct operator_link *link)
{
	return &link->url;
}

void operator_stop(struct operator_link *link)
{
	step(link, STOP, NULL);
}

static void free_operator(uv_handle_t *handle)
{
	struct operator_link *link = handle->data;

	free(link->line);
	free(link);
}

void operator_destroy(struct operator_link *link)
{
	if (!link)
		return;
	resolve_forget(link->question);
	talk_destroy(link->talk);
	uv_close((uv_handle_t *)&link->timer, free_operator);
}
