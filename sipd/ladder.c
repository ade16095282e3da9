#include "ladder.h"
#include "cleanup.h"
#include "dialog.h"
#include "metrics.h"
#include "sipd.h"
#include "trace.h"
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Labels come from a small fixed set, whatever strangers send. */
static const char *const methods[] = {"REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "other"};
#define METHODS HS_COUNT(methods)

#define PEER_TEXT (SOURCES_HOST + 9) /* with brackets, colon and port */

static size_t method_index(const char *method)
{
	size_t i = 0;
	while (i < METHODS - 1 && strcmp(methods[i], method) != 0)
		i++;
	return i;
}

static struct hs_metric *request_counter(size_t method, bool sent)
{
	static struct hs_metric *counters[METHODS][2];
	char labels[64];
	if (!counters[method][sent]) {
		snprintf(labels, sizeof(labels), "method=\"%s\",direction=\"%s\"", methods[method],
			 sent ? "out" : "in");
		counters[method][sent] = hs_metric_counter("hookswitch_sip_requests_total", labels,
							   "SIP requests, repetitions included");
	}
	return counters[method][sent];
}

static struct hs_metric *response_counter(int class, bool sent)
{
	static struct hs_metric *counters[10][2];
	char labels[64];
	if (!counters[class][sent]) {
		snprintf(labels, sizeof(labels), "class=\"%dxx\",direction=\"%s\"", class, sent ? "out" : "in");
		counters[class][sent] = hs_metric_counter("hookswitch_sip_responses_total", labels,
							  "SIP responses, repetitions included");
	}
	return counters[class][sent];
}

static char *put_number(char *at, unsigned number)
{
	unsigned scale = 1;
	while (number / scale >= 10)
		scale *= 10;
	for (; scale; scale /= 10)
		*at++ = (char)('0' + number / scale % 10);
	*at = 0;
	return at;
}

static void write_peer(const struct sockaddr *address, char ret_text[PEER_TEXT])
{
	bool six = address->sa_family == AF_INET6;
	char *at = ret_text + six;
	ret_text[0] = '[';
	sources_write(address, at);
	at += strlen(at);
	if (six)
		*at++ = ']';
	*at++ = ':';
	put_number(at, ntohs(((const struct sockaddr_in *)address)->sin_port));
}

static const struct dialog *dialog_of(const struct sipd *sipd, const struct peek *peek)
{
	char call_id[160];
	if (!sipd->dialogs || !peek->call_id || peek->call_id_bytes >= sizeof(call_id))
		return NULL;
	memcpy(call_id, peek->call_id, peek->call_id_bytes);
	call_id[peek->call_id_bytes] = 0;
	return dialog_by_call_id(sipd->dialogs, call_id);
}

void ladder_seen(void *context, const struct wiretap_message *message)
{
	const struct peek *peek = message->peek;
	const struct dialog *dialog = dialog_of(context, peek);
	const char *call = dialog ? dialog->r.call : NULL, *leg = dialog ? dialog->r.leg : NULL;
	char peer[PEER_TEXT], status[12];
	write_peer(message->peer, peer);
	const char *from = message->sent ? "sipd" : peer, *to = message->sent ? peer : "sipd";
	const char *method = methods[method_index(peek->method)];
	if (peek->kind == PEEK_REQUEST) {
		hs_metric_add(request_counter(method_index(peek->method), message->sent), 1);
		hs_trace_add(HS_TRACE_KIND_SIP, call, leg, from, to, "%s", method);
		return;
	}
	hs_metric_add(response_counter(peek->status / 100, message->sent), 1);
	put_number(status, (unsigned)peek->status);
	hs_trace_add(HS_TRACE_KIND_SIP, call, leg, from, to, "%s (%s)", status, method);
}
