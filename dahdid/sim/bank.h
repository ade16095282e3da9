/* The channel bank: one card, its ports, the clock that drives them, and its coming and going.
 * Called by main (time), files (opening), ioctls and commands.
 * Owns the ports. A second of simulated time is a second of the monotonic clock, give or take skew_ppm.
 */
#ifndef SIM_BANK_H
#define SIM_BANK_H

#include "port.h"
#include <stdbool.h>
#include <stdint.h>

#define BANK_PORTS 128
#define BANK_TIMERS 64

/* An open /dev/dahdi/timer. */
struct bank_timer {
	bool used, ping, woken;
	int samples, left, expired;
};

struct bank {
	struct port *ports[BANK_PORTS + 1]; /* by channel number, from 1 */
	int count;
	struct zone zone;
	bool zone_loaded;
	struct bank_timer timers[BANK_TIMERS];
	uint32_t alarms;
	int64_t now_ms;           /* ticks done */
	int64_t began_us;         /* of the monotonic clock, when now_ms was 0 */
	int skew_ppm;             /* the card's crystal against the system clock */
	int burst_ms;             /* ticks come in bursts of this, as on a host without a card */
	int64_t stopped_until_us; /* no ticks before this */
	bool drop_missed;         /* what was missed is not made up for */
	bool plugged;
	int64_t remove_at_ms;  /* channels are cut off then; 0: not being removed */
	unsigned int removals; /* how often; files opened before the last one are dead */
	uint64_t ticks_late;
};

/* Ports as in kinds, "fxs" or "fxo" each. zone: a country of libtonezone. -ENOENT: no such zone. */
int bank_init(struct bank *bank, const bool *is_fxo, int count, enum law law, const char *zone, bool load_zone);
void bank_finish(struct bank *bank);

/* The port of a channel number, or NULL. */
struct port *bank_port(struct bank *bank, int number);

/* Does the ticks that are due by now_us of the monotonic clock. */
void bank_run(struct bank *bank, int64_t now_us);

/* Lets the clock stand still for ms; with lost the missed ticks never come. */
void bank_stop(struct bank *bank, int64_t now_us, int ms, bool lost);

/* Another pace from now on. */
void bank_skew(struct bank *bank, int64_t now_us, int ppm);

/* The card goes: REMOVED is told, and a second later, if anybody has a channel open, descriptors are dead. -ENODEV. */
int bank_unplug(struct bank *bank);

/* The card comes; configured as udev would have it done, or not. -EBUSY: it is there, or still going. */
int bank_plug(struct bank *bank, bool configured);

/* Alarm bits of the whole card. */
void bank_alarm(struct bank *bank, uint32_t alarms);

#endif
