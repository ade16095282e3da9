#include "overload.h"
#include "dialog.h"
#include "sipd.h"
#include "tell.h"
#include "wiretap.h"

#define LAG_US 60000 /* of one turn of the loop */
#define BACKLOG 40   /* percent of the UDP buffer */
#define SPARE 2      /* known phones may go to twice that */

const char *overload_refuses(const struct sipd *sipd, bool registered)
{
	int64_t times = registered ? SPARE : 1;
	if (sipd->stopping)
		return "the suite is stopping";
	if (dialogs_count(sipd->dialogs) >= (size_t)sipd->config->calls->max_active * 2)
		return "calls.max_active is reached";
	if (!tell_has_room(sipd))
		return "call control has not taken facts for long";
	if (agent_lag_us(sipd->agent) > LAG_US * times)
		return "the processor is busy";
	if (wiretap_backlog_percent() > BACKLOG * times)
		return "too many messages wait";
	return NULL;
}
