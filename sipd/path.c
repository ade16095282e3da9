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

void path_count(struct dialog *dialog)
{
	dialog->r.local_cseq = nta_leg_get_seq(dialog->leg) + 1;
	dialog_save(dialog);
}
