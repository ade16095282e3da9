#include "exchange.h"
#include "ask.h"
#include "channel.h"
#include "cleanup.h"
#include "clock.h"
#include "dahdid.h"
#include "find.h"
#include "frames.h"
#include "id.h"
#include "identity.h"
#include "ladder.h"
#include "log.h"
#include "progress.h"
#include "tell.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY_MS 4500   /* after the first burst: then the second one would have begun */
#define RING_PAUSE_MS 7000 /* a caller who rings no longer is gone */
#define TONE_WAIT_MS 3000  /* some exchanges have no dial tone */
#define DIAL_WAIT_MS 10000 /* and for each digit, which may be one of ten pulses: */
#define DIGIT_WAIT_MS 2000
#define GUARD_MS 1500 /* on hook for less than that an exchange takes for a flash, or a pulse of a dial */
#define NUMBER_BYTES 65

struct exchange {
	struct progress progress;
	struct identity *identity;
	enum progress_sound heard; /* to be acted on */
	char number[NUMBER_BYTES]; /* to be dialled; "": none */
	int rings;
	int64_t answer_until_ms;
	int64_t rests_until_ms; /* hs_clock_ms: not seized before */
};

void exchange_create(struct port *port)
{
	if (settings_is_exchange(port->settings.signalling))
		port->exchange = hs_zalloc(sizeof(*port->exchange));
}

void exchange_destroy(struct exchange *exchange)
{
	if (exchange)
		identity_destroy(exchange->identity);
	free(exchange);
}

/* ---- what is heard ---- */

void exchange_hear(struct port *port, const uint8_t *block, size_t bytes)
{
	struct exchange *exchange = port->exchange;
	enum progress_sound sound = PROGRESS_NOTHING;

	if (exchange->identity)
		identity_hear(exchange->identity, port->facts.law, block, bytes);
	else
		sound = progress_hear(&exchange->progress, port->facts.law, block, bytes);
	if (sound)
		exchange->heard = sound;
}

void exchange_act(struct port *port)
{
	struct exchange *exchange = port->exchange;
	enum progress_sound sound = exchange->heard;

	exchange->heard = PROGRESS_NOTHING;
	if (port->r.state == PORT_RUNG && identity_is_complete(exchange->identity))
		port_step(port, PORT_TIMEOUT, NULL);
	else if (sound && hs_fsm_allows(port->life, port->r.state, PORT_HEARD))
		port_step(port, PORT_HEARD, &sound);
}

static void listen_anew(struct exchange *exchange)
{
	exchange->progress = (struct progress){0};
	exchange->heard = PROGRESS_NOTHING;
}

bool exchange_heard_busy(const void *object, const void *sound)
{
	enum progress_sound heard = *(const enum progress_sound *)sound;

	return heard == PROGRESS_BUSY || heard == PROGRESS_FAST;
}

bool exchange_heard_tone(const void *object, const void *sound)
{
	return *(const enum progress_sound *)sound == PROGRESS_TONE;
}

bool exchange_answers_by_voice(const void *object, const void *sound)
{
	return ((const struct port *)object)->settings.answer == HS_ANSWER_BY_VOICE &&
	       *(const enum progress_sound *)sound == PROGRESS_VOICE;
}

bool exchange_answers_by_polarity(const void *object, const void *argument)
{
	return ((const struct port *)object)->settings.answer == HS_ANSWER_BY_POLARITY;
}

bool exchange_answers_at_once(const void *object, const void *argument)
{
	const struct port *port = object;

	return port->settings.answer == HS_ANSWER_BY_DIALLED || !port->exchange->number[0];
}

bool exchange_has_number(const void *object, const void *argument)
{
	return ((const struct port *)object)->exchange->number[0] != 0;
}

/* ---- common ---- */

static void due(uv_timer_t *timer)
{
	port_step(timer->data, PORT_TIMEOUT, NULL);
}

static void stop_listening(struct port *port)
{
	identity_destroy(TAKE(port->exchange->identity));
	listen_anew(port->exchange);
}

/* The loop is opened, and nothing is heard any more. */
static void let_go(struct port *port)
{
	uv_timer_stop(&port->timer);
	frames_end(port);
	frames_detach(port);
	stop_listening(port);
	ladder_hook(port, CHAN_HANG_UP);
	port->exchange->rests_until_ms = hs_clock_ms() + GUARD_MS;
}

static void end(struct port *port, enum hs_cause cause, bool by_far_end, const char *why)
{
	let_go(port);
	tell_ended(port, cause, by_far_end, why);
	port_save(port);
}

void exchange_ready(void *object, const void *argument)
{
	struct port *port = object;

	stop_listening(port);
	port->exchange->rests_until_ms = hs_clock_ms() + GUARD_MS; /* who had the line before may just have let it go */
	find_ready(port, NULL);
}

/* ---- a call from the exchange ---- */

void exchange_rung(void *object, const void *argument)
{
	struct port *port = object;

	port->exchange->rings = 1;
	port->counts.rung++;
	identity_destroy(port->exchange->identity);
	port->exchange->identity = identity_create(port->settings.caller_id);
	if (port->exchange->identity)
		frames_listen(port);
	port_wait(port, port->exchange->identity ? IDENTITY_MS : 0, due);
}

/* A caller from the exchange has dialled us, and no more: where he goes is configured. */
static const char *reached(const struct port *port)
{
	return port->line->incoming ? port->line->incoming : port->dahdid->house->config->calls->operator_number;
}

void exchange_offer(void *object, const void *argument)
{
	struct port *port = object;
	char leg[HS_ID_BYTES], call[HS_ID_BYTES];
	struct hs_leg_incoming fact = {.leg = leg, .call = call, .line = port->r.line, .measured = true};

	frames_end(port);
	fact.dialled = reached(port);
	fact.caller_number = identity_number(port->exchange->identity);
	fact.caller_name = identity_name(port->exchange->identity);
	hs_id_make('l', port->dahdid->house->config->node, leg);
	hs_id_make('c', port->dahdid->house->config->node, call);
	port_take_leg(port, leg, call, false);
	hs_log(INFO, "leg.incoming", LOG_LINE(port->r.line), LOG_CALL(call), LOG_LEG(leg),
	       LOG_INT("channel", port->chan.number), LOG_NUMBER("caller", fact.caller_number));
	if (!tell_has_room(port->dahdid) || port_save(port) || tell_fact(port->dahdid, HS_LEG_INCOMING, &fact)) {
		port_drop_leg(port);
		port_step(port, PORT_UNHEARD, NULL);
		return;
	}
	stop_listening(port);
	ask_describe_offer(port, frames_attach);
	port_wait(port, RING_PAUSE_MS, due);
}

void exchange_rings_on(void *object, const void *argument)
{
	port_wait(object, RING_PAUSE_MS, due);
}

void exchange_caller_gone(void *object, const void *argument)
{
	struct port *port = object;

	uv_timer_stop(&port->timer);
	frames_end(port);
	frames_detach(port);
	stop_listening(port);
	tell_ended(port, HS_CAUSE_CANCELLED, true, "the caller gave up");
	port_save(port);
}

/* An exchange cannot be told: it rings until its caller gives up. */
void exchange_refuse(void *object, const void *argument)
{
	struct port *port = object;
	const struct port_end *why = argument;

	frames_detach(port);
	tell_ended(port, why->cause, false, why->why);
	port_wait(port, RING_PAUSE_MS, due);
	port_save(port);
}

void exchange_unheard(void *object, const void *argument)
{
	static const struct port_end overloaded = {HS_CAUSE_OVERLOADED, "call control did not decide in time"};

	frames_end(object);
	exchange_refuse(object, &overloaded);
}

void exchange_answer(void *object, const void *argument)
{
	struct port *port = object;
	struct hs_leg_answered fact = {.leg = port->r.leg, .measured = true};

	uv_timer_stop(&port->timer);
	port->wants_answer = false;
	ladder_hook(port, CHAN_ENGAGE);
	port->counts.lifted++;
	if (tell_fact(port->dahdid, HS_LEG_ANSWERED, &fact) == 0)
		port->r.answered = true;
	port_save(port);
	listen_anew(port->exchange);
	frames_begin(port);
}

/* ---- a call to the exchange ---- */

static int copy_number(const char *number, char ret_number[NUMBER_BYTES])
{
	size_t used = 0;

	for (; number && *number; number++) {
		if (strchr(" -().", *number))
			continue;
		if (!strchr("0123456789*#ABCDW", toupper((unsigned char)*number)) || used == NUMBER_BYTES - 1)
			return -EINVAL;
		ret_number[used++] = *number;
	}
	ret_number[used] = 0;
	return 0;
}

int exchange_begin(struct port *port, const struct hs_leg_originate *request)
{
	char number[NUMBER_BYTES];
	struct hs_channel channel;
	const char *why;
	int result;

	if (hs_channel_read(request->description, &channel, &why) < 0 || !channel.grant[0] ||
	    copy_number(request->number, number) < 0)
		return -EINVAL;
	port_take_leg(port, request->leg, request->call, true);
	port_take_grant(port, channel.grant);
	result = port_save(port);
	if (result < 0) {
		port_take_grant(port, "");
		port_drop_leg(port);
		return result;
	}
	hs_copy(port->exchange->number, sizeof(port->exchange->number), number);
	port->exchange->answer_until_ms = hs_clock_ms() + request->ring_timeout_ms;
	hs_log(INFO, "leg.outgoing", LOG_LINE(port->r.line), LOG_CALL(port->r.call), LOG_LEG(port->r.leg),
	       LOG_NUMBER("number", number), LOG_TEXT("request", port->chan.request));
	frames_attach(port);
	return port_step(port, PORT_ORIGINATE, request);
}

static void seize(uv_timer_t *timer)
{
	struct port *port = timer->data;
	struct port_end failed = {HS_CAUSE_FAILED, "the line could not be seized"};

	listen_anew(port->exchange);
	if (ladder_hook(port, CHAN_ENGAGE) < 0) {
		port_step(port, PORT_MEDIA_FAILED, &failed);
		return;
	}
	port->counts.lifted++;
	ask_describe_answer(port);
	frames_begin(port);
	port_wait(port, port->exchange->number[0] ? TONE_WAIT_MS : 0, due);
}

void exchange_seize(void *object, const void *argument)
{
	struct port *port = object;
	int64_t rests_ms = port->exchange->rests_until_ms - hs_clock_ms();

	port_save(port);
	if (rests_ms > 0)
		port_wait(port, rests_ms, seize);
	else
		seize(&port->timer);
}

void exchange_collided(void *object, const void *argument)
{
	end(object, HS_CAUSE_BUSY, true, "the exchange called in the same moment");
	exchange_rung(object, NULL);
}

void exchange_dial(void *object, const void *argument)
{
	struct port *port = object;
	struct port_end failed = {HS_CAUSE_FAILED, "the driver refused to dial: is a tone zone loaded?"};

	ladder_sent(port, "dial");
	frames_mute(port, true);
	if (chan_dial(&port->chan, port->exchange->number, port->settings.pulse_dialling) < 0) {
		port_step(port, PORT_MEDIA_FAILED, &failed);
		return;
	}
	port_save(port);
	port_wait(port, DIAL_WAIT_MS + DIGIT_WAIT_MS * (int64_t)strlen(port->exchange->number), due);
}

void exchange_dialled(void *object, const void *argument)
{
	struct port *port = object;
	struct hs_leg_progressing fact = {.leg = port->r.leg, .early_media = true};

	frames_mute(port, false);
	listen_anew(port->exchange);
	tell_fact(port->dahdid, HS_LEG_PROGRESSING, &fact);
	port_save(port);
	port_wait(port, port->exchange->answer_until_ms - hs_clock_ms(), due);
}

void exchange_answered(void *object, const void *argument)
{
	struct port *port = object;
	struct hs_leg_answered fact = {.leg = port->r.leg, .measured = exchange_answers_by_polarity(port, NULL)};

	uv_timer_stop(&port->timer);
	frames_mute(port, false);
	listen_anew(port->exchange);
	if (tell_fact(port->dahdid, HS_LEG_ANSWERED, &fact) == 0)
		port->r.answered = true;
	port_save(port);
}

/* What the exchange lets hear from now on, dial tone perhaps, has nothing to do with what it let hear before. */
int exchange_recall(struct port *port)
{
	int result = -EPROTO;

	if (port->r.state == PORT_UP || port->r.state == PORT_CALLING)
		result = ladder_hook(port, CHAN_RECALL);
	if (result == 0)
		listen_anew(port->exchange);
	return result;
}

/* ---- the end ---- */

void exchange_busy(void *object, const void *argument)
{
	const enum progress_sound *sound = argument;
	struct port *port = object;

	if (port->r.answered)
		end(port, HS_CAUSE_NORMAL, true, "busy tone: the other side hung up");
	else if (*sound == PROGRESS_FAST)
		end(port, HS_CAUSE_FAILED, true, "fast busy tone: no way through, or no such number");
	else
		end(port, HS_CAUSE_BUSY, true, "busy tone");
}

void exchange_undialled(void *object, const void *argument)
{
	end(object, HS_CAUSE_FAILED, false, "the driver did not say that the number was dialled");
}

void exchange_no_answer(void *object, const void *argument)
{
	end(object, HS_CAUSE_NO_ANSWER, false, "nobody answered in time");
}

void exchange_dropped(void *object, const void *argument)
{
	const struct port *port = object;

	if (port->r.answered)
		end(object, HS_CAUSE_NORMAL, true, "the exchange dropped the battery");
	else
		end(object, HS_CAUSE_FAILED, true, "the exchange dropped the battery before anybody answered");
}

void exchange_turned_back(void *object, const void *argument)
{
	end(object, HS_CAUSE_NORMAL, true, "the exchange turned the polarity back");
}

void exchange_hang_up(void *object, const void *argument)
{
	const struct port_end *why = argument;

	end(object, why->cause, false, why->why);
}

void exchange_restore(struct port *port)
{
	if (port->r.state == PORT_UP && port->r.answered) {
		listen_anew(port->exchange);
		frames_begin(port);
		return;
	}
	if (port->r.leg[0])
		end(port, HS_CAUSE_DRIVER_RESTARTED, false, "dahdid died before the call was answered");
	port->r.state = PORT_IDLE;
	exchange_ready(port, NULL);
}
