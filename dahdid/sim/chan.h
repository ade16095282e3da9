/* A channel as the driver's core keeps it: open or not, hook machine, events, blocks, tones, dialling, a millisecond at
 * a time. Called by ioctls and files (from user space) and by port (from the card); calls the card through chan_card.
 * Owns events, blocks and timers. It knows no file system and no telephone; its time is the tick.
 */
#ifndef SIM_CHAN_H
#define SIM_CHAN_H

#include "blocks.h"
#include "events.h"
#include "law.h"
#include "zone.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAN_CHUNK 8 /* samples of a tick, which is a millisecond */
#define CHAN_DIAL_MAX 256
#define CHAN_SLEEP 1 /* chan_hook: a blocking caller waits until chan_settled */

/* What the channel tells its card, and what the card tells the channel; numbers of the driver's tx and rx hook signals.
 */
enum chan_out { CHAN_OUT_ONHOOK, CHAN_OUT_OFFHOOK, CHAN_OUT_START, CHAN_OUT_KEWL };
enum chan_in { CHAN_IN_ONHOOK, CHAN_IN_OFFHOOK, CHAN_IN_START, CHAN_IN_RING, CHAN_IN_INITIAL };

enum chan_state {
	CHAN_ONHOOK,
	CHAN_OFFHOOK,
	CHAN_START,
	CHAN_PREWINK,
	CHAN_WINK,
	CHAN_PREFLASH,
	CHAN_FLASH,
	CHAN_DEBOUNCE,
	CHAN_AFTERSTART,
	CHAN_RINGON,
	CHAN_RINGOFF,
	CHAN_KEWL,
	CHAN_AFTERKEWL,
	CHAN_PULSEBREAK,
	CHAN_PULSEMAKE,
	CHAN_PULSEAFTER,
	CHAN_STATES
};

/* Times of the hook machine in ms, in the order of struct dahdi_params. */
struct chan_times {
	int prewink, preflash, wink, flash, start, rxwink, rxflash, debounce, pulsebreak, pulsemake, pulseafter;
};

/* The card below; every function may be called from any chan_ function. */
struct chan_card {
	void (*signal)(void *owner, enum chan_out out);
	void (*opened)(void *owner);
	void (*closed)(void *owner);
};

struct chan {
	int number, position;
	int signalling; /* DAHDI_SIG_; 0: not configured */
	enum law default_law;
	const struct chan_card *card;
	void *owner;
	const struct zone *zones; /* the one zone that is loaded, or NULL */

	bool open, nonblocking;
	bool present;   /* false: the card is gone for good for those who have it open */
	bool woken;     /* something happened that a sleeper or a poll may wait for */
	bool in_filled; /* ... and of these kinds */
	bool out_freed;
	bool event_came;

	struct events events;
	struct blocks blocks;
	struct chan_times times;
	enum chan_state state;
	enum chan_out out;
	enum chan_in in;
	int out_timer_ms, in_timer_ms, in_timer_set_ms, pulse_timer_ms, pulses;
	int ring_debounce_ms, ring_trailer_ms;
	bool seized;          /* RINGOFFHOOK was told since the last ONHOOK */
	bool hung_up_in_drop; /* by the telephone, while we dropped battery */
	int cadence_ms[ZONE_CADENCE];
	int cadence_at, cadence_loop;

	const struct zone *zone;
	struct zone_player player;
	struct zone_sound key; /* what the player plays when it is a key */
	char dial[CHAN_DIAL_MAX];
	bool dialling;
	char digit_mode; /* T or P */
	int pulses_to_send, after_dial_ms;

	enum law law;
	bool linear, frozen, looped, buffer_events, overrun, underrun;
	int confmute;
	bool has_canceller; /* one is attached; it does nothing */
	int taps;
	uint32_t alarms;
	uint8_t rx_gain[256], tx_gain[256];
	uint8_t last_in[CHAN_CHUNK];
};

/* A channel of the caller's memory, not open; zone is borrowed for good, NULL: none is loaded. */
void chan_init(struct chan *chan, int number, int position, int signalling, enum law law, const struct zone *zone);
void chan_finish(struct chan *chan);

/* 0, -ENXIO: not configured, -EBUSY: open already. */
int chan_open(struct chan *chan, bool nonblocking);
void chan_close(struct chan *chan);

/* As read(2): bytes, or -ELAST an event waits, -EAGAIN no block is full, -EINVAL. */
int chan_read(struct chan *chan, uint8_t *ret_bytes, size_t size);

/* As write(2): bytes taken, or -ELAST, -EAGAIN, -EINVAL. Ends a tone even when it fails. */
int chan_write(struct chan *chan, const uint8_t *bytes, size_t size);

/* DAHDI_HOOK. 0, CHAN_SLEEP, -EINPROGRESS (success, on a non-blocking descriptor), -EBUSY, -ENODATA, -EINVAL. */
int chan_hook(struct chan *chan, int value);

/* A sleeping WINK or FLASH is over. */
bool chan_settled(const struct chan *chan, int hook_value);

/* DAHDI_SENDTONE. 0, -ENODATA no zone, -ENOSYS not in this zone, -EINVAL no such tone. */
int chan_tone(struct chan *chan, int tone);

/* DAHDI_DIAL, text ends with NUL. 0, -ENODATA, -EBUSY too long, -EINVAL. */
int chan_dial(struct chan *chan, int operation, const char *text);

/* DAHDI_SETTONEZONE. 0 or -ENODATA. */
int chan_use_zone(struct chan *chan, int number);

/* DAHDI_SETCADENCE; NULL: the zone's. */
void chan_cadence(struct chan *chan, const int *cadence_ms);

/* DAHDI_FLUSH. */
void chan_flush(struct chan *chan, int mask);

/* DAHDI_SETLAW; 0 is the port's own. */
void chan_use_law(struct chan *chan, int law);

/* New block sizes; both directions are emptied. */
void chan_use_blocks(struct chan *chan, int size, int count, int policy);

/* DAHDI_CHANCONFIG: as the driver, without asking whether it is in use. */
void chan_configure(struct chan *chan, int signalling);

/* Is the other end off hook, as GET_PARAMS tells it. */
bool chan_is_off_hook(const struct chan *chan);

/* The hook signal that the card hears; does nothing when it is the same. */
void chan_signal(struct chan *chan, enum chan_in in);

/* Queues an event. */
void chan_event(struct chan *chan, int event);

/* The channel's alarm bits are now these; tells ALARM or NOALARM. */
void chan_alarm(struct chan *chan, uint32_t alarms);

/* The two halves of a tick: what goes out to the line, then what comes in. */
void chan_tick_out(struct chan *chan, uint8_t *ret_samples);
void chan_tick_in(struct chan *chan, const uint8_t *samples);

#endif
