#include "explain.h"
#include "cleanup.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEARD_MS 3000     /* a party that is up longer has said something */
#define LOSS_PER_MILLE 10 /* noticed by ears */
#define JITTER_US 30000   /* more than half of what phones usually hold back */
#define REFUSED_PER_MILLE 10
#define PACKETS 50 /* fewer say nothing about shares */
#define SLOTS 5    /* of 20 ms; fewer are heard by nobody */

static void find(struct explanation *ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void find(struct explanation *ret, const char *format, ...)
{
	va_list arguments;

	if (ret->count == EXPLAIN_FINDINGS)
		return;
	va_start(arguments, format);
	vsnprintf(ret->findings[ret->count++], EXPLAIN_TEXT, format, arguments);
	va_end(arguments);
}

/* ---- who ---- */

static const char *name_of(const struct hs_leg *leg)
{
	return leg->number ? leg->number : leg->line ? leg->line : "the operator";
}

/* The party whose end ended the call; or the one that was called last. */
static const struct hs_leg *party_of(const struct hs_call *call)
{
	for (size_t i = call->legs_count; i-- > 0;)
		if (call->legs[i].cause == call->cause && call->cause)
			return &call->legs[i];
	return call->legs_count > 0 ? &call->legs[call->legs_count - 1] : NULL;
}

/* ---- the sentence ---- */

struct reason {
	const char *text; /* after the name of the party */
	bool is_of_party;
};

static const struct reason reasons[HS_CAUSE_COUNT] = {
	[HS_CAUSE_BUSY] = {"was busy", true},
	[HS_CAUSE_DECLINED] = {"declined it", true},
	[HS_CAUSE_NO_ANSWER] = {"did not answer in time", true},
	[HS_CAUSE_UNREACHABLE] =
		{"could not be reached: no phone is registered there, its port does not work, or nobody has "
		 "this number",
		 true},
	[HS_CAUSE_REJECTED] = {"It was not permitted, or leads nowhere by this configuration", false},
	[HS_CAUSE_FAILED] = {"failed: its network or device", true},
	[HS_CAUSE_MEDIA_FAILED] = {"The audio engine lost it", false},
	[HS_CAUSE_DRIVER_RESTARTED] = {"was lost by a restart of its driver", true},
	[HS_CAUSE_TIME_LIMIT] = {"It reached the longest duration it may have", false},
	[HS_CAUSE_OVERLOADED] = {"It was refused: the suite, or a ceiling, was at its limit", false},
	[HS_CAUSE_LOST] = {"is gone: its phone answers no more", true},
};

/* The party that was over first. */
static const char *first_over(const struct hs_call *call)
{
	const struct hs_leg *first = NULL;

	for (size_t i = 0; i < call->legs_count; i++)
		if (call->legs[i].ended_at && (!first || call->legs[i].ended_at < first->ended_at))
			first = &call->legs[i];
	return first ? name_of(first) : "a party";
}

static const char *who_ended(const struct hs_call *call)
{
	if (call->ended_by && !strcmp(call->ended_by, "api"))
		return "a request of the API";
	if (call->ended_by && !strcmp(call->ended_by, "line"))
		return first_over(call);
	return "the suite";
}

static void say_over(const struct hs_call *call, struct explanation *ret)
{
	const struct hs_leg *party = party_of(call);
	const struct reason *reason = call->cause ? &reasons[call->cause] : NULL;
	char after[64] = "", status[32] = "";

	if (call->answered_at)
		snprintf(after, sizeof(after), " after %.1f s of conversation", (double)call->duration_ms / 1000);
	if (party && party->has_sip_status && party->sip_status >= 300)
		snprintf(status, sizeof(status), " (SIP %" PRId64 ")", party->sip_status);
	if (call->cause == HS_CAUSE_CANCELLED)
		snprintf(ret->sentence, EXPLAIN_TEXT, "It was given up by %s before anybody answered.",
			 who_ended(call));
	else if (reason && reason->text && reason->is_of_party)
		snprintf(ret->sentence, EXPLAIN_TEXT, "%s %s%s%s.", party ? name_of(party) : "A party", reason->text,
			 status, after);
	else if (reason && reason->text)
		snprintf(ret->sentence, EXPLAIN_TEXT, "%s%s%s.", reason->text, status, after);
	else
		snprintf(ret->sentence, EXPLAIN_TEXT, "It was hung up by %s%s.", who_ended(call), after);
}

static void say_alive(const struct hs_call *call, int64_t now_ms, struct explanation *ret)
{
	const struct hs_leg *party = party_of(call);
	double seconds = (double)(now_ms - (call->answered_at ? call->answered_at : call->created_at)) / 1000;

	switch (call->state) {
	case HS_CALL_STATE_UP:
		snprintf(ret->sentence, EXPLAIN_TEXT, "It is up, for %.1f s.", seconds);
		break;
	case HS_CALL_STATE_RINGING:
		snprintf(ret->sentence, EXPLAIN_TEXT, "It rings at %s, for %.1f s.",
			 party ? name_of(party) : call->line, seconds);
		break;
	case HS_CALL_STATE_DIALLING:
		snprintf(ret->sentence, EXPLAIN_TEXT, "%s is off hook for %.1f s, and has dialled %" PRId64 " digits.",
			 call->line, seconds, call->digits);
		break;
	default:
		snprintf(ret->sentence, EXPLAIN_TEXT, "It is being placed, for %.1f s.", seconds);
	}
}

/* ---- how it was led ---- */

static void find_way(const struct hs_call *call, struct explanation *ret)
{
	if (call->direction == HS_CALL_DIRECTION_INCOMING && call->dialled)
		find(ret, "%s dialled %s.", call->line, call->dialled);
	else if (call->direction == HS_CALL_DIRECTION_INCOMING)
		find(ret, "%s was lifted and dialled nothing.", call->line);
	else
		find(ret, "%s was called for %s.", call->dialled ? call->dialled : call->line,
		     call->to_number ? call->to_number : "whom it asked for, or the operator");
	if (call->route)
		find(ret, "Route %s led %s out over an exchange line.", call->route,
		     call->dialled ? call->dialled : "it");
	if (call->to_route)
		find(ret, "Route %s led %s out over an exchange line.", call->to_route,
		     call->to_number ? call->to_number : "it");
}

/* ---- audio ---- */

/* More than some of a thousand. */
static bool is_much(int64_t part, int64_t whole, int64_t per_mille)
{
	return whole > PACKETS && part * 1000 > whole * per_mille;
}

static double percent(int64_t part, int64_t whole)
{
	return whole > 0 ? (double)part * 100 / (double)whole : 0;
}

static void find_silence(const char *name, const struct hs_media_figures *media, struct explanation *ret)
{
	if (media->packets_received > 0)
		return;
	if (media->packets_refused > 0)
		find(ret,
		     "Nothing was heard from %s: %" PRId64
		     " packets came and were refused, from an address it had not named or of "
		     "a kind not agreed upon.",
		     name, media->packets_refused);
	else
		find(ret,
		     "Nothing was heard from %s: no packet of audio came. A firewall or router between may not let our "
		     "audio "
		     "ports in, or the phone sends elsewhere: server.advertised_host.",
		     name);
}

static void find_flaws(const char *name, const struct hs_media_figures *media, struct explanation *ret)
{
	int64_t all = media->packets_received + media->packets_lost;

	if (is_much(media->packets_lost, all, LOSS_PER_MILLE))
		find(ret, "%.1f %% of what %s said was lost on its way to us.", percent(media->packets_lost, all),
		     name);
	if (media->packets_received > 0 && is_much(media->packets_refused, all, REFUSED_PER_MILLE))
		find(ret,
		     "%" PRId64 " packets were refused beside those of %s: another source, or a kind not agreed upon.",
		     media->packets_refused, name);
	if (media->jitter_us > JITTER_US)
		find(ret, "What %s said came unevenly: jitter %" PRId64 " ms.", name, media->jitter_us / 1000);
	if (media->underruns >= SLOTS)
		find(ret, "What %s was to hear was not there in time %" PRId64 " times, 20 ms each.", name,
		     media->underruns);
	if (media->dropped_frames >= SLOTS)
		find(ret, "%" PRId64 " frames of %s came in a heap, or to a listener too slow, and were dropped.",
		     media->dropped_frames, name);
}

static void find_audio(const struct hs_leg *leg, struct explanation *ret)
{
	const struct hs_media_figures *media = leg->media;
	const char *name = name_of(leg);
	size_t before = ret->count;

	if (!media || !leg->answered_at || leg->ended_at - leg->answered_at < HEARD_MS)
		return;
	find_silence(name, media, ret);
	if (media->packets_sent == 0)
		find(ret, "Nothing was sent to %s: nobody was there to be heard.", name);
	find_flaws(name, media, ret);
	if (ret->count == before)
		find(ret,
		     "The audio of %s was good: %" PRId64 " packets heard, %" PRId64 " lost, jitter %" PRId64 " ms.",
		     name, media->packets_received, media->packets_lost, media->jitter_us / 1000);
}

void explain_call(const struct hs_call *call, int64_t now_ms, struct explanation *ret)
{
	ret->count = 0;
	if (call->state == HS_CALL_STATE_ENDED)
		say_over(call, ret);
	else
		say_alive(call, now_ms, ret);
	find_way(call, ret);
	for (size_t i = 0; i < call->legs_count; i++) {
		const struct hs_leg *leg = &call->legs[i];

		if (leg->why)
			find(ret, "%s: %s", name_of(leg), leg->why);
		find_audio(leg, ret);
	}
}
