#include "path.h"
#include "sipd.h"
#include <stdio.h>

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

void path_of(struct dialog *dialog, struct path *ret_path)
{
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
