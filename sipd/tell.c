#include "tell.h"
#include "log.h"
#include "sipd.h"

#define NEW_CALLS_PERCENT 75 /* of the journal's ring; above it only what runs may tell */

static int tell(struct sipd *sipd, enum hs_message_id fact, const void *body)
{
	int result = hs_bus_tell(sipd->house->bus, fact, body);
	if (result)
		hs_log(ERROR, "fact.not_told", LOG_TEXT("fact", hs_messages[fact].name),
		       LOG_WHY("the journal is full: apid has not taken facts for long"));
	return result;
}

int tell_incoming(struct sipd *sipd, const struct hs_leg_incoming *fact)
{
	return tell(sipd, HS_LEG_INCOMING, fact);
}

int tell_progressing(struct sipd *sipd, const struct hs_leg_progressing *fact)
{
	return tell(sipd, HS_LEG_PROGRESSING, fact);
}

int tell_ringing(struct sipd *sipd, const struct hs_leg_ringing *fact)
{
	return tell(sipd, HS_LEG_RINGING, fact);
}

int tell_answered(struct sipd *sipd, const struct hs_leg_answered *fact)
{
	return tell(sipd, HS_LEG_ANSWERED, fact);
}

int tell_digit(struct sipd *sipd, const struct hs_leg_digit *fact)
{
	return tell(sipd, HS_LEG_DIGIT, fact);
}

int tell_flash(struct sipd *sipd, const struct hs_leg_flash *fact)
{
	return tell(sipd, HS_LEG_FLASH, fact);
}

int tell_held(struct sipd *sipd, const struct hs_leg_held *fact)
{
	return tell(sipd, HS_LEG_HELD, fact);
}

int tell_hold_failed(struct sipd *sipd, const struct hs_leg_hold_failed *fact)
{
	return tell(sipd, HS_LEG_HOLD_FAILED, fact);
}

int tell_ended(struct sipd *sipd, const struct hs_leg_ended *fact)
{
	return tell(sipd, HS_LEG_ENDED, fact);
}

int tell_line(struct sipd *sipd, const struct hs_line_changed *fact)
{
	return tell(sipd, HS_LINE_CHANGED, fact);
}

int tell_suspected(struct sipd *sipd, const struct hs_line_suspected *fact)
{
	return tell(sipd, HS_LINE_SUSPECTED, fact);
}

bool tell_has_room(const struct sipd *sipd)
{
	size_t used, size;
	hs_journal_fill(sipd->house->journal, &used, &size);
	return used / 100 < size / 100 * NEW_CALLS_PERCENT / 100;
}
