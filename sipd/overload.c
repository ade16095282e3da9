#include "overload.h"
#include "dialog.h"
#include "sipd.h"
#include "tell.h"
#include "wiretap.h"

#define LAG_US 60000 /* of each turn of the loop, for a while */
#define DELAY_MS 100 /* of messages before we read them; a phone sends again after 500 */
#define TAKEN_MS 500 /* of calls that apid has not taken yet */

const char *overload_refuses(const struct sipd *sipd, enum overload_who who)
{
	static const int64_t patience[] = {[OVERLOAD_STRANGER] = 1, [OVERLOAD_PHONE] = 2, [OVERLOAD_OURS] = 8};
	int64_t times = patience[who];
	if (sipd->stopping)
		return "the suite is stopping";
	if (dialogs_count(sipd->dialogs) >= (size_t)sipd->config->calls->max_active * 2)
		return "calls.max_active is reached";
	if (!tell_has_room(sipd))
		return "call control has not taken facts for long";
	if (agent_lag_us(sipd->agent) > LAG_US * times)
		return "the processor is busy";
	if (wiretap_delay_ms() > DELAY_MS * times)
		return "messages wait too long";
	if (who != OVERLOAD_OURS && dialogs_untaken_ms(sipd->dialogs) > TAKEN_MS * times)
		return "call control is behind";
	return NULL;
}
