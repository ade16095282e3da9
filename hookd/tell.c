#include "hookd.h"
#include "log.h"
#include <string.h>

void tell_failed(struct hookd *hookd, const struct hs_hook_failed *failure)
{
	int error = hs_bus_tell(hookd->house->bus, HS_HOOK_FAILED, failure);

	if (error < 0)
		hs_log(WARN, "fact.not_told", LOG_TEXT("fact", "hook.failed"), LOG_TEXT("webhook", failure->webhook),
		       LOG_WHY(strerror(-error)));
}
