#include "operator.h"
#include "audio.h"
#include "backoff.h"
#include "cleanup.h"
#include "clock.h"
#include "fsm.h"
#include "goal.h"
#include "log.h"
#include "metrics.h"
#include "talk.h"
#include "trace.h"
#include "wire.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CONNECT_MS 10000     /* TCP, TLS and handshake */
#define MESSAGE_BYTES 262144 /* longest the operator may send */
#define SNDBUF_BYTES 16384   /* what the kernel keeps for a slow operator: two seconds */
#define ATTACH_MS 1000       /* for mediad's word */
#define AGAIN_MS 200         /* between tries to get audio */
#define TRIES 10             /* with a grant; then another one is asked for */
#define STEADY_MS 5000       /* a connection that lived so long begins the back-off anew */

enum state {
	IDLE,    /* a connection for each call, and there is none */
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
	DUE,       /* the timer */
	CALLED,    /* a connection for each call: there is one */
	CALL_OVER, /* and it is over */
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

static const char *const state_names[] = {"idle",      "waiting", "resolving", "connecting", "asking",
					  "attaching", "up",      "lost",      "ended"};
static const char *const event_names[] = {"due",     "called",      "call_over",   "resolved", "unreachable",
					  "opened",  "closed",      "granted",     "denied",   "attached",
					  "refused", "mediad_came", "mediad_went", "stop"};

struct operator_link {
	int state;
	struct stream *stream;
	char *line;
	struct egress_url *urls; /* of the stream's applications, for this line */
	struct goal *goals;      /* how each of them did */
	size_t count, at;        /* at: the one that is dialled */
	struct resolve_question *question;
	struct egress_address addresses[EGRESS_MAX_ADDRESSES];
	size_t addresses_count, addresses_tried;
	struct hs_ws *ws;
	struct hs_talk *talk; /* while ws is open */
	bool is_per_call;
	char wanted[65]; /* call that a connection is for; "": none */
	uint64_t call_ticket;
	int64_t opened_at_ms;
	int failures;  /* in a row */
	char why[200]; /* of the last failure, as apid was told */
	char grant[65], call[65];
	enum hs_line_state line_state;
	uint64_t ticket;
	int tries;
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

static const struct egress_url *url_of(const struct operator_link *link)
{
	return &link->urls[link->at];
}

static void trace(const struct operator_link *link, const char *what)
{
	hs_trace_add(HS_TRACE_KIND_HTTP, *link->call ? link->call : NULL, NULL, "hook-stream", url_of(link)->host,
		     "WebSocket of %s: %s", link->line, what);
}

/* There is something to say, or too much of it. */
static void speak(struct operator_link *link)
{
	if (hs_talk_is_stuck(link->talk))
		hs_ws_close(link->ws, HS_WS_POLICY, "too slow");
	else
		hs_ws_want_write(link->ws);
}

/* ---- The call that a connection is for ---- */

/* It is told to a bot that is connected, or one is dialled for it. */
static void on_call(void *context, const struct hs_answer *answer)
{
	struct operator_link *link = context;
	const struct hs_stream_call_answer *call = answer->body;

	link->call_ticket = 0;
	if (answer->error || !call->call_id)
		return;
	if (link->state == IDLE) {
		step(link, CALLED, call->call_id);
	} else if (link->talk && strcmp(call->call_id, link->wanted) == 0) {
		hs_talk_call(link->talk, call);
		speak(link);
	}
}

static void ask_call(struct operator_link *link)
{
	if (link->is_per_call && !link->call_ticket)
		link->call_ticket = ask_present_call(link->stream, link->line, on_call, link);
}

/* ---- Dialling ---- */

static void on_resolved(void *context, const struct egress_address *addresses, size_t count, const char *why)
{
	struct operator_link *link = context;
	char sentence[EGRESS_WHY];

	link->question = NULL;
	if (!count) {
		step(link, UNREACHABLE, why);
	} else if (egress_check(&link->stream->rules, url_of(link), addresses, count, sentence) < 0) {
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

	link->question = resolve_ask(link->stream->resolve, url_of(link)->host, on_resolved, link);
}

static void do_dial_for_call(void *object, const void *argument)
{
	struct operator_link *link = object;

	hs_copy(link->wanted, sizeof(link->wanted), argument);
	link->failures = 0;
	link->at = goal_next(link->goals, link->count, hs_clock_ms());
	do_resolve(link, NULL);
}

static bool has_no_call(const void *object, const void *argument)
{
	const struct operator_link *link = object;

	return link->is_per_call && !*link->wanted;
}

/* Whatever was under way: nobody needs it any more. The next call may have begun meanwhile. */
static void do_rest(void *object, const void *argument)
{
	struct operator_link *link = object;

	uv_timer_stop(&link->timer);
	resolve_forget(TAKE(link->question));
	link->wanted[0] = '\0';
	ask_call(link);
}

static void do_give_up(void *object, const void *argument)
{
	struct operator_link *link = object;

	link->wanted[0] = '\0';
	hs_ws_close(link->ws, HS_WS_NORMAL, "the call is over");
}

static const struct hs_ws_events ws_events;
static struct hs_talk *make_talk(struct operator_link *link);

static void do_connect(void *object, const void *argument)
{
	struct operator_link *link = object;
	const struct egress_url *url = url_of(link);
	char address[EGRESS_ADDRESS_TEXT], host[EGRESS_HOST_BYTES + 16];
	bool brackets = url->numeric && url->address.is_v6, usual = url->port == (url->tls ? 443 : 80);
	struct hs_ws_connect connect = {
		.address = address,
		.port = url->port,
		.tls = url->tls,
		.host = host,
		.path = url->text + url->path_at,
		.token = link->stream->applications[link->at].token,
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

/* The next application; how long to wait for it: not at all where it has not failed of late. */
static int64_t turn_to_next(struct operator_link *link)
{
	int64_t now_ms = hs_clock_ms();
	uint32_t random = 0;

	goal_failed(&link->goals[link->at], now_ms);
	hs_metric_set(link->stream->applications[link->at].reachable, 0);
	link->at = goal_next(link->goals, link->count, now_ms);
	if (link->goals[link->at].rests_until_ms <= now_ms)
		return 0;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)hs_clock_us();
	return backoff_ms(link->failures, random);
}

/* Back-off, and apid's word: when the operator was lost, and when the reason it cannot be reached is a new one. */
static void do_wait(void *object, const void *argument)
{
	struct operator_link *link = object;
	const char *why = argument;
	bool is_news = *link->grant || strcmp(link->why, why) != 0;
	const char *host = url_of(link)->host;
	int64_t delay_ms;

	link->failures++;
	trace(link, why);
	delay_ms = turn_to_next(link);
	hs_metric_add(link->stream->failures, 1);
	hs_log(WARN, "operator.away", LOG_LINE(link->line), LOG_TEXT("host", host), LOG_INT("failures", link->failures),
	       LOG_INT("retry_in_ms", delay_ms), LOG_WHY(why));
	if (is_news)
		ask_close(link->stream, link->line, link->grant, why, delay_ms, NULL);
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
		ask_close(link->stream, link->line, link->grant, "mediad does not know the grant", -1, NULL);
		link->grant[0] = '\0';
		hs_talk_forgotten(link->talk);
	}
	link->ticket = ask_open(link->stream, link->line, on_grant, link);
}

static void do_attach(void *object, const void *argument)
{
	struct operator_link *link = object;
	uint8_t tracks = hs_talk_tracks(link->talk);
	struct hs_frame attach = {.kind = HS_FRAME_ATTACH, .payload = &tracks, .payload_bytes = 1};

	hs_copy(attach.grant, sizeof(attach.grant), link->grant);
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
	hs_talk_hello(link->talk, link->line_state, *link->call ? link->call : NULL, frame->codec);
	ask_call(link);
	speak(link);
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

/* Whether some line is served by a backup, as health tells it. */
static void tell_backup(struct stream *stream)
{
	bool backed = false;

	for (size_t i = 0; i < stream->count; i++)
		backed |= stream->operators[i]->talk && stream->operators[i]->at > 0;
	hs_daemon_degraded(stream->house, "operator-backup",
			   backed ? "a backup of the operator serves: operator.websocket_url could not be reached; the "
				    "log says which line"
				  : NULL);
}

static void do_open(void *object, const void *argument)
{
	struct operator_link *link = object;

	hs_log(INFO, "operator.opened", LOG_LINE(link->line), LOG_TEXT("host", url_of(link)->host));
	trace(link, "open");
	link->goals[link->at].rests_until_ms = 0;
	hs_metric_set(link->stream->applications[link->at].reachable, 1);
	link->opened_at_ms = hs_clock_ms();
	link->talk = make_talk(link);
	tell_backup(link->stream);
	hs_ws_set_sndbuf(link->ws, SNDBUF_BYTES);
	hs_metric_add(link->stream->connected, 1);
	do_ask(link, NULL);
}

static void leave_talk(struct operator_link *link)
{
	hs_metric_add(link->stream->connected, -1);
	hs_talk_destroy(link->talk);
	link->talk = NULL;
	uv_timer_stop(&link->timer);
	hs_bus_forget(link->stream->house->bus, link->ticket);
	hs_bus_forget(link->stream->house->bus, link->call_ticket);
	link->ticket = link->call_ticket = 0;
	drop_grant(link);
}

/* The call is over, or it is with this: a bot that closes its connection has hung up. */
static void do_end_session(void *object, const void *argument)
{
	struct operator_link *link = object;

	leave_talk(link);
	ask_close(link->stream, link->line, link->grant, argument, -1, link->wanted);
	link->grant[0] = '\0';
	do_rest(link, NULL);
}

/* stop was said, and the connection is closed when it is out. */
static void do_say_bye(void *object, const void *argument)
{
	struct operator_link *link = object;

	link->wanted[0] = '\0';
	speak(link);
}

static bool is_per_call(const void *object, const void *argument)
{
	const struct operator_link *link = object;

	return link->is_per_call;
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
		ask_close(link->stream, link->line, link->grant, "the suite stops", -1, NULL);
		link->grant[0] = '\0';
	}
	if (link->ws)
		hs_ws_close(link->ws, HS_WS_GOING_AWAY, "the suite stops");
}

static const struct hs_fsm_rule rules[] = {
	{IDLE, CALLED, NULL, do_dial_for_call, RESOLVING},
	{WAITING, DUE, NULL, do_resolve, RESOLVING},
	{WAITING, CALL_OVER, NULL, do_rest, IDLE},
	{RESOLVING, CALL_OVER, NULL, do_rest, IDLE},
	{CONNECTING, CALL_OVER, NULL, do_give_up, CONNECTING},
	{CONNECTING, CLOSED, has_no_call, do_rest, IDLE},
	{ASKING, CALL_OVER, NULL, do_give_up, ASKING},
	{ATTACHING, CALL_OVER, NULL, do_give_up, ATTACHING},
	{LOST, CALL_OVER, NULL, do_give_up, LOST},
	{UP, CALL_OVER, NULL, do_say_bye, UP},
	{ASKING, CLOSED, is_per_call, do_end_session, IDLE},
	{ATTACHING, CLOSED, is_per_call, do_end_session, IDLE},
	{UP, CLOSED, is_per_call, do_end_session, IDLE},
	{LOST, CLOSED, is_per_call, do_end_session, IDLE},
	{IDLE, STOP, NULL, do_end, ENDED},
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

static int send_to_mediad(void *context, struct hs_frame *frame)
{
	struct operator_link *link = context;

	hs_copy(frame->grant, sizeof(frame->grant), link->grant);
	if (link->state == UP && audio_send(link->stream->audio, frame) == 0)
		return 0;
	hs_metric_add(link->stream->lost_from, 1);
	return -EHOSTUNREACH;
}

static struct hs_talk *make_talk(struct operator_link *link)
{
	const struct hs_config *config = link->stream->house->config;
	const struct hs_config_operator *operator= config->operator;
	const struct hs_talk_setup setup = {
		.line = link->line,
		.node = config->node,
		.options = {.dialect = operator->dialect,
			    .format = operator->format,
			    .rate = operator->rate,
			    .track = operator->track,
			    .direction = HS_STREAM_DIRECTION_BOTH},
		.tells_events = true,
		.send = send_to_mediad,
		.context = link,
	};
	struct hs_talk *talk = hs_talk_create(&setup);

	hs_talk_allow_digits(talk, true);
	return talk;
}

static void on_received(void *context, struct hs_ws *ws, bool text, const uint8_t *data, size_t bytes)
{
	struct operator_link *link = context;

	if (!link->talk)
		return;
	hs_talk_read(link->talk, text, data, bytes);
	speak(link);
}

static void on_writable(void *context, struct hs_ws *ws)
{
	struct operator_link *link = context;
	const void *data;
	size_t bytes;
	bool text;

	while (link->talk && hs_talk_next(link->talk, hs_clock_ms(), &text, &data, &bytes)) {
		if (hs_ws_send(ws, text, data, bytes) < 0)
			return;
		hs_talk_sent(link->talk);
	}
	if (link->talk && hs_talk_is_over(link->talk))
		hs_ws_close(ws, HS_WS_NORMAL, "the call is over");
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

void operator_heard(struct operator_link *link, const struct hs_frame *frame)
{
	bool attaching = link->state == ATTACHING;

	if (frame->kind == HS_FRAME_ATTACHED && attaching) {
		step(link, ATTACHED, frame);
	} else if (frame->kind == HS_FRAME_REFUSED || frame->kind == HS_FRAME_DETACH) {
		if (attaching || link->state == UP)
			step(link, REFUSED, NULL);
	} else if (link->state == UP) {
		if (!hs_talk_heard(link->talk, frame))
			hs_metric_add(link->stream->lost_to, 1);
		speak(link);
	}
}

void operator_audio_changed(struct operator_link *link, bool up)
{
	link->tries = 0;
	if (up && link->state == LOST && *link->grant)
		step(link, MEDIAD_CAME, NULL);
	else if (!up && (link->state == ATTACHING || link->state == UP))
		step(link, MEDIAD_WENT, NULL);
}

static void note_call(struct operator_link *link, const struct hs_event_head *head)
{
	if (!head->line || strcmp(head->line, link->line) != 0)
		return;
	if (!strcmp(head->type, "call.answered"))
		ask_call(link);
	else if (!strcmp(head->type, "call.ended") && *link->wanted && head->call_id &&
		 strcmp(head->call_id, link->wanted) == 0)
		step(link, CALL_OVER, NULL);
}

void operator_event(struct operator_link *link, const struct hs_event_head *head, const struct hs_json *event)
{
	if (link->talk) {
		hs_talk_event(link->talk, head, event->text, event->bytes);
		speak(link);
	}
	if (link->is_per_call)
		note_call(link, head);
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

/* Up to the first that cannot be read, with a log line: the order is kept. */
static void read_urls(struct operator_link *link, const struct stream *stream, const char *line)
{
	link->urls = hs_zalloc(stream->applications_count * sizeof(*link->urls));
	link->goals = hs_zalloc(stream->applications_count * sizeof(*link->goals));
	for (size_t i = 0; i < stream->applications_count; i++) {
		AUTO(free) char *filled = fill_in(stream->applications[i].url, line);
		char why[EGRESS_WHY];

		if (egress_parse_url(filled, EGRESS_WEBSOCKET, &link->urls[i], why) < 0) {
			hs_log(ERROR, "operator.bad_url", LOG_LINE(line), LOG_WHY(why));
			return;
		}
		link->count++;
	}
}

static void free_link(struct operator_link *link)
{
	free(link->urls);
	free(link->goals);
	free(link->line);
	free(link);
}

struct operator_link *operator_create(struct stream *stream, const char *line)
{
	struct operator_link *link = hs_zalloc(sizeof(*link));

	read_urls(link, stream, line);
	if (!link->count) {
		free_link(link);
		return NULL;
	}
	for (size_t i = 0; i < link->count; i++)
		egress_rules_add_port(&stream->rules, link->urls[i].port);
	link->stream = stream;
	link->line = hs_strdup(line);
	link->is_per_call = stream->house->config->operator->dialect == HS_STREAM_DIALECT_TWILIO;
	link->state = link->is_per_call ? IDLE : WAITING;
	uv_timer_init(stream->house->loop, &link->timer);
	link->timer.data = link;
	return link;
}

void operator_start(struct operator_link *link)
{
	if (link->is_per_call)
		ask_call(link);
	else
		step(link, DUE, NULL);
}

void operator_stop(struct operator_link *link)
{
	step(link, STOP, NULL);
}

static void free_operator(uv_handle_t *handle)
{
	free_link(handle->data);
}

void operator_destroy(struct operator_link *link)
{
	if (!link)
		return;
	resolve_forget(link->question);
	hs_bus_forget(link->stream->house->bus, link->call_ticket);
	hs_talk_destroy(link->talk);
	uv_close((uv_handle_t *)&link->timer, free_operator);
}
