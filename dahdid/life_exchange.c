#include "exchange.h"
#include "find.h"
#include "life.h"
#include "lift.h"
#include "port.h"
#include <stddef.h>

/* Rows with neither action nor change say that an event is no surprise: bursts end, exchanges reverse the polarity for
 * their own reasons, tones come and go. */
static const struct hs_fsm_rule rules[] = {
	/* the channel */
	{PORT_AWAY, PORT_FOUND, NULL, exchange_ready, PORT_IDLE},
	LIFE_WORKING(PORT_IDLE),
	LIFE_WORKING(PORT_RUNG),
	LIFE_WORKING(PORT_IGNORED),
	LIFE_WORKING(PORT_OFFERED),
	LIFE_WORKING(PORT_SEIZED),
	LIFE_WORKING(PORT_DIALLING),
	LIFE_WORKING(PORT_CALLING),
	LIFE_WORKING(PORT_UP),
	{PORT_ALARM, PORT_LOST, NULL, find_away, PORT_AWAY},
	{PORT_ALARM, PORT_CLEARED, NULL, exchange_ready, PORT_IDLE},
	{PORT_ALARM, PORT_ALARMED, NULL, NULL, PORT_ALARM},
	{PORT_ALARM, PORT_DOWN, NULL, NULL, PORT_ALARM},
	{PORT_ALARM, PORT_LIFTED, NULL, NULL, PORT_ALARM},
	/* at rest */
	{PORT_IDLE, PORT_RINGS, NULL, exchange_rung, PORT_RUNG},
	{PORT_IDLE, PORT_ORIGINATE, NULL, exchange_seize, PORT_SEIZED},
	{PORT_IDLE, PORT_LIFTED, NULL, NULL, PORT_IDLE},
	{PORT_IDLE, PORT_DOWN, NULL, NULL, PORT_IDLE},
	{PORT_IDLE, PORT_REVERSED, NULL, NULL, PORT_IDLE},
	{PORT_IDLE, PORT_CLEARED, NULL, NULL, PORT_IDLE},
	{PORT_IDLE, PORT_DIALLED, NULL, NULL, PORT_IDLE},
	/* it rings */
	{PORT_RUNG, PORT_TIMEOUT, NULL, exchange_offer, PORT_OFFERED},
	{PORT_RUNG, PORT_RINGS, NULL, exchange_offer, PORT_OFFERED},
	{PORT_RUNG, PORT_LIFTED, NULL, NULL, PORT_RUNG},
	{PORT_RUNG, PORT_REVERSED, NULL, NULL, PORT_RUNG},
	{PORT_OFFERED, PORT_RINGS, NULL, exchange_rings_on, PORT_OFFERED},
	{PORT_OFFERED, PORT_LIFTED, NULL, NULL, PORT_OFFERED},
	{PORT_OFFERED, PORT_REVERSED, NULL, NULL, PORT_OFFERED},
	{PORT_OFFERED, PORT_PROGRESS, NULL, NULL, PORT_OFFERED},
	{PORT_OFFERED, PORT_ANSWER, lift_is_described, exchange_answer, PORT_UP},
	{PORT_OFFERED, PORT_ANSWER, NULL, lift_note_answer, PORT_OFFERED},
	{PORT_OFFERED, PORT_TIMEOUT, NULL, exchange_caller_gone, PORT_IDLE},
	{PORT_OFFERED, PORT_HANGUP, NULL, exchange_refuse, PORT_IGNORED},
	{PORT_OFFERED, PORT_MEDIA_FAILED, NULL, exchange_refuse, PORT_IGNORED},
	{PORT_OFFERED, PORT_UNHEARD, NULL, exchange_unheard, PORT_IGNORED},
	{PORT_IGNORED, PORT_RINGS, NULL, exchange_rings_on, PORT_IGNORED},
	{PORT_IGNORED, PORT_LIFTED, NULL, NULL, PORT_IGNORED},
	{PORT_IGNORED, PORT_REVERSED, NULL, NULL, PORT_IGNORED},
	{PORT_IGNORED, PORT_TIMEOUT, NULL, exchange_ready, PORT_IDLE},
	/* we call */
	{PORT_SEIZED, PORT_HEARD, exchange_heard_tone, exchange_dial, PORT_DIALLING},
	{PORT_SEIZED, PORT_HEARD, exchange_heard_busy, exchange_busy, PORT_IDLE},
	{PORT_SEIZED, PORT_HEARD, NULL, NULL, PORT_SEIZED},
	{PORT_SEIZED, PORT_TIMEOUT, exchange_has_number, exchange_dial, PORT_DIALLING},
	{PORT_SEIZED, PORT_TIMEOUT, NULL, exchange_answered, PORT_UP},
	{PORT_SEIZED, PORT_RINGS, NULL, exchange_collided, PORT_RUNG}, /* while it rested before */
	{PORT_SEIZED, PORT_DOWN, NULL, exchange_dropped, PORT_IDLE},
	{PORT_SEIZED, PORT_REVERSED, NULL, NULL, PORT_SEIZED},
	{PORT_SEIZED, PORT_HANGUP, NULL, exchange_hang_up, PORT_IDLE},
	{PORT_SEIZED, PORT_MEDIA_FAILED, NULL, exchange_hang_up, PORT_IDLE},
	{PORT_DIALLING, PORT_DIALLED, exchange_answers_at_once, exchange_answered, PORT_UP},
	{PORT_DIALLING, PORT_DIALLED, NULL, exchange_dialled, PORT_CALLING},
	{PORT_DIALLING, PORT_REVERSED, NULL, NULL, PORT_DIALLING},
	{PORT_DIALLING, PORT_HEARD, NULL, NULL, PORT_DIALLING},
	{PORT_DIALLING, PORT_TIMEOUT, NULL, exchange_undialled, PORT_IDLE},
	{PORT_DIALLING, PORT_DOWN, NULL, exchange_dropped, PORT_IDLE},
	{PORT_DIALLING, PORT_HANGUP, NULL, exchange_hang_up, PORT_IDLE},
	{PORT_DIALLING, PORT_MEDIA_FAILED, NULL, exchange_hang_up, PORT_IDLE},
	{PORT_CALLING, PORT_REVERSED, exchange_answers_by_polarity, exchange_answered, PORT_UP},
	{PORT_CALLING, PORT_REVERSED, NULL, NULL, PORT_CALLING},
	{PORT_CALLING, PORT_HEARD, exchange_heard_busy, exchange_busy, PORT_IDLE},
	{PORT_CALLING, PORT_HEARD, exchange_answers_by_voice, exchange_answered, PORT_UP},
	{PORT_CALLING, PORT_HEARD, NULL, NULL, PORT_CALLING},
	{PORT_CALLING, PORT_TIMEOUT, NULL, exchange_no_answer, PORT_IDLE},
	{PORT_CALLING, PORT_DOWN, NULL, exchange_dropped, PORT_IDLE},
	{PORT_CALLING, PORT_HANGUP, NULL, exchange_hang_up, PORT_IDLE},
	{PORT_CALLING, PORT_MEDIA_FAILED, NULL, exchange_hang_up, PORT_IDLE},
	/* both */
	{PORT_UP, PORT_HEARD, exchange_heard_busy, exchange_busy, PORT_IDLE},
	{PORT_UP, PORT_HEARD, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_REVERSED, exchange_answers_by_polarity, exchange_turned_back, PORT_IDLE},
	{PORT_UP, PORT_REVERSED, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_DOWN, NULL, exchange_dropped, PORT_IDLE},
	{PORT_UP, PORT_LIFTED, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_RINGS, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_DIALLED, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_PROGRESS, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_HANGUP, NULL, exchange_hang_up, PORT_IDLE},
	{PORT_UP, PORT_MEDIA_FAILED, NULL, exchange_hang_up, PORT_IDLE},
};

const struct hs_fsm life_of_exchange_lines = LIFE_MACHINE("exchange_line", rules);
