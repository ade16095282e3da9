#include "admission.h"
#include "agent.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_HOPS 32
#define MAX_BODY 16384

static bool is_too_many(const sip_t *sip)
{
	int hops = 0, contacts = 0;
	for (const sip_via_t *via = sip->sip_via; via; via = via->v_next)
		hops++;
	for (const sip_route_t *route = sip->sip_route; route; route = route->r_next)
		hops++;
	for (const sip_record_route_t *route = sip->sip_record_route; route; route = route->r_next)
		hops++;
	for (const sip_contact_t *contact = sip->sip_contact; contact; contact = contact->m_next)
		contacts++;
	return hops > 2 * MAX_HOPS || contacts > MAX_HOPS;
}

static struct admission refuse(int status, const char *phrase)
{
	return (struct admission){.status = status, .phrase = phrase};
}

/* Option tags that a request may require of us. */
static bool is_known(const char *item)
{
	return !strcasecmp(item, "timer");
}

static bool requires_unknown(const sip_t *sip)
{
	msg_param_t const *items = sip->sip_require ? sip->sip_require->k_items : NULL;
	for (size_t i = 0; items && items[i]; i++)
		if (!is_known(items[i]))
			return true;
	return false;
}

static void list_required(const sip_t *sip, struct admission *admission)
{
	size_t used = (size_t)snprintf(admission->headers, sizeof(admission->headers), "Unsupported: ");
	bool any = false;
	for (size_t i = 0; sip->sip_require->k_items && sip->sip_require->k_items[i]; i++) {
		const char *item = sip->sip_require->k_items[i];
		if (is_known(item))
			continue;
		int added = snprintf(admission->headers + used, sizeof(admission->headers) - used, "%s%s",
				     any ? ", " : "", item);
		any = true;
		if (added < 0 || used + (size_t)added >= sizeof(admission->headers) - 3)
			break;
		used += (size_t)added;
	}
	admission->headers[used] = 0;
}

static bool scheme_is_sip(const url_t *url)
{
	return url->url_type == url_sip || url->url_type == url_sips;
}

static struct admission judge_uris(const sip_t *sip)
{
	const url_t *url = sip->sip_request->rq_url;
	if (!scheme_is_sip(url))
		return refuse(SIP_416_UNSUPPORTED_URI);
	if (url->url_headers)
		return refuse(400, "Headers in Request-URI");
	bool registers = sip->sip_request->rq_method == sip_method_register;
	if (registers && !scheme_is_sip(sip->sip_to->a_url))
		return refuse(400, "Bad To URI");
	return refuse(0, NULL);
}

struct admission admission_judge(const sip_t *sip)
{
	for (const sip_via_t *via = sip->sip_via; via; via = via->v_next)
		if (via->v_maddr)
			return refuse(-1, NULL); /* the answer would go to somebody else */
	if (!sip->sip_via || !sip->sip_from || !sip->sip_to || !sip->sip_cseq || !sip->sip_call_id)
		return refuse(-1, NULL);
	if (is_too_many(sip))
		return refuse(400, "Too Many Headers");
	if (sip->sip_request->rq_method == sip_method_unknown) {
		struct admission admission = refuse(SIP_501_NOT_IMPLEMENTED);
		snprintf(admission.headers, sizeof(admission.headers), "Allow: %s", AGENT_ALLOW);
		return admission;
	}
	struct admission admission = judge_uris(sip);
	if (admission.status)
		return admission;
	bool ack = sip->sip_request->rq_method == sip_method_ack || sip->sip_request->rq_method == sip_method_cancel;
	if (sip->sip_max_forwards && sip->sip_max_forwards->mf_count == 0 &&
	    sip->sip_request->rq_method != sip_method_options && !ack)
		return refuse(SIP_483_TOO_MANY_HOPS);
	if (requires_unknown(sip) && !ack) {
		admission = refuse(SIP_420_BAD_EXTENSION);
		list_required(sip, &admission);
		return admission;
	}
	if (sip->sip_payload && sip->sip_payload->pl_len > MAX_BODY)
		return refuse(SIP_413_REQUEST_TOO_LARGE);
	return refuse(0, NULL);
}

_Bool admission_has_sdp(const sip_t *sip)
{
	if (!sip->sip_payload || !sip->sip_payload->pl_len)
		return 1;
	if (sip->sip_content_encoding && sip->sip_content_encoding->k_items && sip->sip_content_encoding->k_items[0] &&
	    strcasecmp(sip->sip_content_encoding->k_items[0], "identity") != 0)
		return 0;
	return sip->sip_content_type && !strcasecmp(sip->sip_content_type->c_type, "application/sdp");
}
