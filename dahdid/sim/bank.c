#include "bank.h"
#include "cleanup.h"
#include <dahdi/user.h>
#include <errno.h>
#include <stdlib.h>

#define REMOVAL_MS 1000
#define BEHIND_MAX_MS 3000 /* more than this is dropped, as the driver does */

int bank_init(struct bank *bank, const bool *is_fxo, int count, enum law law, const char *zone, bool load_zone)
{
	*bank = (struct bank){.count = count, .zone_loaded = load_zone, .plugged = true, .burst_ms = 1};
	int result = zone_load(&bank->zone, zone);

	if (result)
		return result;
	for (int i = 1; i <= count; i++) {
		bank->ports[i] = hs_zalloc(sizeof(struct port));
		port_init(bank->ports[i], i, is_fxo[i - 1], law, &bank->zone, load_zone);
	}
	return 0;
}

void bank_finish(struct bank *bank)
{
	for (int i = 1; i <= bank->count; i++) {
		port_finish(bank->ports[i]);
		free(bank->ports[i]);
	}
}

struct port *bank_port(struct bank *bank, int number)
{
	return number >= 1 && number <= bank->count ? bank->ports[number] : NULL;
}

static void tick_timers(struct bank *bank)
{
	for (int i = 0; i < BANK_TIMERS; i++) {
		struct bank_timer *timer = &bank->timers[i];

		if (!timer->used || !timer->samples)
			continue;
		timer->left -= CHAN_CHUNK;
		if (timer->left > 0)
			continue;
		timer->left = timer->samples;
		timer->expired++;
		timer->woken = true;
	}
}

static bool anybody_open(const struct bank *bank)
{
	for (int i = 1; i <= bank->count; i++) {
		if (bank->ports[i]->chan.open)
			return true;
	}
	return false;
}

/* From here on every descriptor of the card's channels is dead. */
static void cut_off(struct bank *bank)
{
	bank->remove_at_ms = 0;
	bank->plugged = false;
	bank->removals++;
	for (int i = 1; i <= bank->count; i++) {
		struct port *port = bank->ports[i];

		port->plugged = false;
		port->chan.present = false;
		port->chan.woken = true;
		if (!port->is_fxo)
			port->fxs.feed = port->fxs.idle = FEED_OPEN;
		port_note(port, "unplugged", "%s", "");
	}
}

static void tick(struct bank *bank)
{
	bank->now_ms++;
	tick_timers(bank);
	for (int i = 1; i <= bank->count; i++)
		port_tick(bank->ports[i], bank->now_ms);
	if (bank->remove_at_ms && bank->now_ms >= bank->remove_at_ms)
		cut_off(bank);
}

/* Milliseconds of the card's clock since it began. */
static int64_t due_ms(const struct bank *bank, int64_t now_us)
{
	int64_t us = now_us - bank->began_us;

	us += us / 1000000 * bank->skew_ppm;
	return us / 1000;
}

static void begin_anew(struct bank *bank, int64_t now_us)
{
	bank->began_us = now_us - bank->now_ms * 1000;
}

void bank_run(struct bank *bank, int64_t now_us)
{
	if (!bank->began_us)
		begin_anew(bank, now_us);
	if (bank->stopped_until_us > now_us)
		return;
	if (bank->stopped_until_us && bank->drop_missed)
		begin_anew(bank, now_us);
	bank->stopped_until_us = 0;
	int64_t due = due_ms(bank, now_us) - bank->now_ms;

	if (due < bank->burst_ms)
		return;
	if (due > BEHIND_MAX_MS) {
		bank->ticks_late += (uint64_t)(due - BEHIND_MAX_MS);
		due = BEHIND_MAX_MS;
		bank->began_us = now_us - (bank->now_ms + due) * 1000;
	}
	while (due-- > 0)
		tick(bank);
}

void bank_stop(struct bank *bank, int64_t now_us, int ms, bool lost)
{
	bank->stopped_until_us = now_us + (int64_t)ms * 1000;
	bank->drop_missed = lost;
}

void bank_skew(struct bank *bank, int64_t now_us, int ppm)
{
	begin_anew(bank, now_us);
	bank->skew_ppm = ppm;
}

void bank_alarm(struct bank *bank, uint32_t alarms)
{
	bool changed = !alarms != !bank->alarms;

	bank->alarms = alarms;
	for (int i = 1; i <= bank->count && changed; i++)
		chan_alarm(&bank->ports[i]->chan, alarms);
}

int bank_unplug(struct bank *bank)
{
	if (!bank->plugged || bank->remove_at_ms)
		return -ENODEV;
	for (int i = 1; i <= bank->count; i++)
		chan_event(&bank->ports[i]->chan, DAHDI_EVENT_REMOVED);
	bank_alarm(bank, DAHDI_ALARM_NOTOPEN);
	if (anybody_open(bank))
		bank->remove_at_ms = bank->now_ms + REMOVAL_MS;
	else
		cut_off(bank);
	return 0;
}

int bank_plug(struct bank *bank, bool configured)
{
	if (bank->plugged)
		return -EBUSY;
	bank->plugged = true;
	bank->alarms = 0;
	for (int i = 1; i <= bank->count; i++) {
		port_plug(bank->ports[i], configured);
		port_note(bank->ports[i], "plugged", "%s", "");
	}
	return 0;
}
