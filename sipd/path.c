#include "path.h"
#include "cleanup.h"
#include "sipd.h"
#include <string.h>

void path_to(struct agent *agent, const struct peer *peer, const char *user, struct path *ret_path)
{
	struct peer way = *peer;
	*ret_path = (struct path){.flow = agent_flow(agent, peer)};
	if (peer->tcp && !ret_path->flow && peer->listen_port)
		way.port = peer->listen_port;
	/* always to the address it spoke from: what it names in Contact or Record-Route may be a third party */
	agent_url(&way, ret_path->url);
	ret_path->route = URL_STRING_MAKE(ret_path->url);
	agent_contact(agent, user, peer, ret_path->contact);
}

/* Who had registered before the call, under another contact, is another phone at the same address. */
static bool is_its_own(const struct dialog_record *r, const struct binding *binding)
{
	return binding->registered_ms >= r->begun_ms || !strcmp(binding->contact, r->target);
}

/* A phone whose connection is gone opens another one and registers: the call follows it there (RFC 5626). */
static void follow_registration(struct dialog *dialog)
{
	const struct binding *bindings[LOCATIONS_MAX];
	struct sipd *sipd = dialog->sipd;
	struct peer *peer = &dialog->r.peer;
	size_t count = locations_of_line(sipd->locations, dialog->r.line, bindings, LOCATIONS_MAX);
	for (size_t i = 0; i < count; i++) {
		struct peer place = {.port = bindings[i]->port, .listen_port = bindings[i]->listen_port, .tcp = true};
		hs_copy(place.host, sizeof(place.host), bindings[i]->host);
		if (!bindings[i]->tcp || !is_its_own(&dialog->r, bindings[i]) || strcmp(place.host, peer->host) != 0 ||
		    !agent_flow(sipd->agent, &place))
			continue;
		peer->port = place.port;
		peer->listen_port = place.listen_port;
		return;
	}
}

void path_of(struct dialog *dialog, struct path *ret_path)
{
	if (dialog->r.peer.tcp && !agent_flow(dialog->sipd->agent, &dialog->r.peer))
		follow_registration(dialog);
	path_to(dialog->sipd->agent, &dialog->r.peer, dialog->r.leg, ret_path);
}

void path_count(struct dialog *dialog, int method)
{
	struct dialog_record *r = &dialog->r;
	uint32_t next = nta_leg_get_seq(dialog->leg) + 1;
	if (r->asked == method && r->local_cseq == next)
		return;
	r->local_cseq = next;
	r->asked = method;
	agent_branch(r->asked_branch);
	dialog_save(dialog);
}

void path_answered(struct dialog *dialog, int method)
{
	if (dialog->r.asked == method)
		dialog->r.asked = 0;
	dialog_save(dialog);
}
