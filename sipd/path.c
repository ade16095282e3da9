#include "path.h"
#include "sipd.h"
#include <stdio.h>

void path_to(struct agent *agent, const struct peer *peer, const char *user, struct path *ret_path)
{
	*ret_path = (struct path){.flow = agent_flow(agent, peer)};
	agent_url(peer, ret_path->url);
	agent_contact(agent, user, peer, ret_path->contact);
	/* a connection that is gone is not opened again from our side to the port the phone spoke from */
	if (!peer->tcp || ret_path->flow)
		ret_path->route = URL_STRING_MAKE(ret_path->url);
}

void path_of(struct dialog *dialog, struct path *ret_path)
{
	path_to(dialog->sipd->agent, &dialog->r.peer, dialog->r.leg, ret_path);
	if (dialog->r.routes[0])
		ret_path->route = NULL;
}

void path_count(struct dialog *dialog)
{
	dialog->r.local_cseq = nta_leg_get_seq(dialog->leg) + 1;
	dialog_save(dialog);
}
