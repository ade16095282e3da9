#include "inventory.h"
#include "chan.h"
#include "log.h"
#include <stdio.h>
#include <string.h>

#define SPANS_MAX 128

/* Structures are those of 2.6 and later; older drivers have others. */
static bool is_known(const char *version)
{
	int major = 0, minor = 0;

	return sscanf(version, "DAHDI %d.%d", &major, &minor) == 2 && (major > 2 || (major == 2 && minor >= 6));
}

static void report_span(const struct chan_span *span)
{
	hs_log(INFO, "dahdi.span", LOG_INT("span", span->number), LOG_TEXT("name", span->name),
	       LOG_TEXT("card", span->description), LOG_TEXT("type", span->type), LOG_INT("channels", span->channels),
	       LOG_INT("alarms", span->alarms));
	if (span->alarms)
		hs_log(WARN, "dahdi.span_alarm", LOG_INT("span", span->number), LOG_INT("alarms", span->alarms),
		       LOG_WHY("look at /proc/dahdi, at the card and its cables"));
}

void inventory_report(const char *folder, char *ret_version, size_t size)
{
	struct chan_span span = {.spans = 1};
	int found = 0;

	ret_version[0] = 0;
	if (chan_version(folder, ret_version, size) < 0) {
		hs_log(WARN, "dahdi.no_version", LOG_TEXT("device", folder),
		       LOG_WHY("the driver's ctl file cannot be asked: version and spans are not known"));
		return;
	}
	hs_log(INFO, "dahdi.driver", LOG_TEXT("version", ret_version));
	if (!is_known(ret_version))
		hs_log(WARN, "dahdi.odd_version", LOG_TEXT("version", ret_version),
		       LOG_WHY("versions 2.6 and later are known to work"));
	for (int number = 1; number <= SPANS_MAX && found < span.spans; number++)
		if (chan_span(folder, number, &span) == 0) {
			report_span(&span);
			found++;
		}
	if (!found)
		hs_log(WARN, "dahdi.no_spans",
		       LOG_WHY("the driver knows no span: assign spans (module parameter auto_assign_spans=1, or "
			       "dahdi_span_assignments)"));
}
