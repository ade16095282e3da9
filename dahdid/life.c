#include "life.h"
#include "find.h"
#include "lamp.h"
#include "lift.h"
#include "port.h"
#include "ring.h"
#include "watch.h"
#include <stddef.h>

/* Rows with neither action nor change say that an event is no surprise: the driver's queue may hold what happened
 * before our last command (a burst that ended as the handset was lifted), some cards tell the hook twice, and a handset
 * moves whenever it likes. */
static const struct hs_fsm_rule rules[] = {
	/* the channel */
	{PORT_AWAY, PORT_FOUND, find_guard_lifted, find_lifted, PORT_PARKED},
	{PORT_AWAY, PORT_FOUND, NULL, find_ready, PORT_IDLE},
	LIFE_WORKING(PORT_IDLE),
	LIFE_WORKING(PORT_LIGHTING),
	LIFE_WORKING(PORT_ANNOUNCING),
	LIFE_WORKING(PORT_RINGING),
	LIFE_WORKING(PORT_OFFERED),
	LIFE_WORKING(PORT_UP),
	LIFE_WORKING(PORT_RELEASING),
	LIFE_WORKING(PORT_PARKED),
	{PORT_ALARM, PORT_LOST, NULL, find_away, PORT_AWAY},
	{PORT_ALARM, PORT_CLEARED, find_guard_lifted, find_lifted, PORT_PARKED},
	{PORT_ALARM, PORT_CLEARED, NULL, find_ready, PORT_IDLE},
	{PORT_ALARM, PORT_ALARMED, NULL, NULL, PORT_ALARM},
	{PORT_ALARM, PORT_LIFTED, NULL, NULL, PORT_ALARM},
	{PORT_ALARM, PORT_DOWN, NULL, NULL, PORT_ALARM},
	{PORT_ALARM, PORT_FLASHED, NULL, NULL, PORT_ALARM},
	{PORT_ALARM, PORT_BURST_ON, NULL, NULL, PORT_ALARM},
	{PORT_ALARM, PORT_BURST_OFF, NULL, NULL, PORT_ALARM},
	/* at rest */
	{PORT_IDLE, PORT_ORIGINATE, ring_announces, ring_announce, PORT_ANNOUNCING},
	{PORT_IDLE, PORT_ORIGINATE, NULL, ring_start, PORT_RINGING},
	{PORT_IDLE, PORT_LIFTED, NULL, lift_offer, PORT_OFFERED},
	{PORT_IDLE, PORT_PULSED, NULL, lift_offer, PORT_OFFERED}, /* down and up again sooner than the driver tells */
	{PORT_IDLE, PORT_FLASHED, NULL, lift_offer, PORT_OFFERED},
	{PORT_IDLE, PORT_DOWN, NULL, NULL, PORT_IDLE},
	{PORT_IDLE, PORT_CLEARED, NULL, NULL, PORT_IDLE},
	{PORT_IDLE, PORT_BURST_ON, NULL, NULL, PORT_IDLE},
	{PORT_IDLE, PORT_BURST_OFF, NULL, NULL, PORT_IDLE},
	/* its lamp */
	{PORT_IDLE, PORT_NEWS, NULL, lamp_begin, PORT_LIGHTING},
	{PORT_LIGHTING, PORT_TOLD, NULL, lamp_end, PORT_IDLE},
	{PORT_LIGHTING, PORT_PREEMPTED, NULL, lamp_cut, PORT_IDLE},
	{PORT_LIGHTING, PORT_LIFTED, NULL, lamp_cut_by_handset, PORT_OFFERED},
	{PORT_LIGHTING, PORT_PULSED, NULL, lamp_cut_by_handset, PORT_OFFERED},
	{PORT_LIGHTING, PORT_FLASHED, NULL, lamp_cut_by_handset, PORT_OFFERED},
	{PORT_LIGHTING, PORT_DOWN, NULL, NULL, PORT_LIGHTING},
	{PORT_LIGHTING, PORT_CLEARED, NULL, NULL, PORT_LIGHTING},
	{PORT_LIGHTING, PORT_BURST_ON, NULL, NULL, PORT_LIGHTING},
	{PORT_LIGHTING, PORT_BURST_OFF, NULL, lamp_alerted, PORT_LIGHTING},
	/* we call */
	{PORT_ANNOUNCING, PORT_ANNOUNCED, NULL, ring_start, PORT_RINGING},
	{PORT_ANNOUNCING, PORT_LIFTED, NULL, ring_answered, PORT_UP},
	{PORT_ANNOUNCING, PORT_PULSED, NULL, ring_answered, PORT_UP},
	{PORT_ANNOUNCING, PORT_FLASHED, NULL, ring_answered, PORT_UP},
	{PORT_ANNOUNCING, PORT_DOWN, NULL, NULL, PORT_ANNOUNCING},
	{PORT_ANNOUNCING, PORT_RING_TIMEOUT, NULL, ring_timeout, PORT_IDLE},
	{PORT_ANNOUNCING, PORT_HANGUP, NULL, ring_cancel, PORT_IDLE},
	{PORT_RINGING, PORT_BURST_ON, NULL, ring_burst_on, PORT_RINGING},
	{PORT_RINGING, PORT_BURST_OFF, NULL, ring_burst_off, PORT_RINGING},
	{PORT_RINGING, PORT_LIFTED, NULL, ring_answered, PORT_UP},
	{PORT_RINGING, PORT_PULSED, NULL, ring_answered, PORT_UP},
	{PORT_RINGING, PORT_FLASHED, NULL, ring_answered, PORT_UP},
	{PORT_RINGING, PORT_DOWN, NULL, NULL, PORT_RINGING},
	{PORT_RINGING, PORT_RING_TIMEOUT, NULL, ring_timeout, PORT_IDLE},
	{PORT_RINGING, PORT_HANGUP, NULL, ring_cancel, PORT_IDLE},
	{PORT_RINGING, PORT_MEDIA_FAILED, NULL, ring_failed, PORT_IDLE},
	/* a telephone calls */
	{PORT_OFFERED, PORT_ANSWER, lift_is_described, lift_answer, PORT_UP},
	{PORT_OFFERED, PORT_ANSWER, NULL, lift_note_answer, PORT_OFFERED},
	{PORT_OFFERED, PORT_PROGRESS, NULL, NULL, PORT_OFFERED}, /* its audio path is open already */
	{PORT_OFFERED, PORT_HANGUP, NULL, lift_hang_up, PORT_RELEASING},
	{PORT_OFFERED, PORT_DOWN, NULL, lift_abandoned, PORT_IDLE},
	{PORT_OFFERED, PORT_FLASHED, NULL, lift_flash, PORT_OFFERED},
	{PORT_OFFERED, PORT_PULSED, NULL, lift_digit, PORT_OFFERED},
	{PORT_OFFERED, PORT_UNHEARD, NULL, lift_unheard, PORT_PARKED},
	{PORT_OFFERED, PORT_MEDIA_FAILED, NULL, lift_media_failed, PORT_PARKED},
	{PORT_OFFERED, PORT_LIFTED, NULL, NULL, PORT_OFFERED},
	/* both */
	{PORT_UP, PORT_DOWN, NULL, lift_put_down, PORT_IDLE},
	{PORT_UP, PORT_HANGUP, NULL, lift_hang_up, PORT_RELEASING},
	{PORT_UP, PORT_MEDIA_FAILED, NULL, lift_hang_up, PORT_RELEASING},
	{PORT_UP, PORT_FLASHED, NULL, lift_flash, PORT_UP},
	{PORT_UP, PORT_PULSED, NULL, lift_digit, PORT_UP},
	{PORT_UP, PORT_PROGRESS, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_LIFTED, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_BURST_ON, NULL, NULL, PORT_UP},
	{PORT_UP, PORT_BURST_OFF, NULL, NULL, PORT_UP},
	/* after it */
	{PORT_RELEASING, PORT_RELEASED, find_guard_lifted, lift_park, PORT_PARKED},
	{PORT_RELEASING, PORT_RELEASED, NULL, lift_rest, PORT_IDLE},
	{PORT_RELEASING, PORT_DOWN, NULL, NULL, PORT_RELEASING},
	{PORT_RELEASING, PORT_LIFTED, NULL, NULL, PORT_RELEASING},
	{PORT_RELEASING, PORT_FLASHED, NULL, NULL, PORT_RELEASING},
	{PORT_RELEASING, PORT_PULSED, NULL, NULL, PORT_RELEASING},
	{PORT_PARKED, PORT_DOWN, NULL, lift_unpark, PORT_IDLE},
	{PORT_PARKED, PORT_LIFTED, NULL, NULL, PORT_PARKED},
	{PORT_PARKED, PORT_FLASHED, NULL, lift_offer_parked, PORT_OFFERED}, /* a tap on the hook asks for dial tone */
	{PORT_PARKED, PORT_PULSED, NULL, lift_offer_parked, PORT_OFFERED},
	{PORT_PARKED, PORT_CLEARED, NULL, NULL, PORT_PARKED},
};

const char *const life_states[PORT_STATES] = {
	"away",      "alarm",  "idle", "lighting", "announcing", "ringing",  "offered", "up",
	"releasing", "parked", "rung", "ignored",  "seized",     "dialling", "calling",
};

const char *const life_events[PORT_EVENTS] = {
	"found",     "lost",     "alarmed",   "cleared",      "lifted",    "down",         "flashed",
	"pulsed",    "burst_on", "burst_off", "originate",    "announced", "ring_timeout", "progress",
	"answer",    "hangup",   "unheard",   "media_failed", "released",  "news",         "told",
	"preempted", "rings",    "reversed",  "dialled",      "timeout",   "heard",
};

const char *life_id_of(const void *object)
{
	return ((const struct port *)object)->r.line;
}

void life_changed(void *object, int old_state)
{
	watch_moved(object);
	lamp_moved(object);
}

const struct hs_fsm *life_of(enum hs_signalling signalling)
{
	return settings_is_exchange(signalling) ? &life_of_exchange_lines : &life_of_ports;
}

const struct hs_fsm life_of_ports = LIFE_MACHINE("port", rules);
