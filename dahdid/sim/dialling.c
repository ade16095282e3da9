#include "dialling.h"
#include "cleanup.h"
#include "hook.h"
#include <ctype.h>
#include <dahdi/user.h>
#include <errno.h>
#include <string.h>

#define KEY_MS 100
#define PAUSE_MS 500

void dialling_stop(struct chan *chan)
{
	zone_play(&chan->player, NULL);
	chan->dialling = false;
	chan->dial[0] = '\0';
	chan->pulses_to_send = 0;
}

static bool by_pulses(struct chan *chan, char digit)
{
	if (digit < '0' || digit > '9' || chan->out != CHAN_OUT_OFFHOOK)
		return false;
	hook_pulse(chan, digit - '0');
	return true;
}

static bool by_keys(struct chan *chan, char digit)
{
	static const struct zone_sound pause = {.parts = {{0, 0, PAUSE_MS * CHAN_CHUNK, -1}}, .count = 1};

	if (digit == 'W')
		zone_play(&chan->player, &pause);
	else if (zone_key(&chan->key, digit, KEY_MS, KEY_MS))
		zone_play(&chan->player, &chan->key);
	else
		return false;
	return true;
}

void dialling_next(struct chan *chan)
{
	while (chan->dial[0]) {
		char digit = chan->dial[0];

		memmove(chan->dial, chan->dial + 1, sizeof(chan->dial) - 1);
		if (strchr("TPMOR", digit))
			chan->digit_mode = digit;
		else if (chan->digit_mode == 'P' && digit != 'W' ? by_pulses(chan, digit) : by_keys(chan, digit))
			return;
	}
	chan->dialling = false;
	chan_event(chan, DAHDI_EVENT_DIALCOMPLETE);
}

int chan_tone(struct chan *chan, int tone)
{
	static const char keys[] = "0123456789*#ABCD";

	dialling_stop(chan);
	if (tone == DAHDI_TONE_STOP)
		return 0;
	if (!chan->zone)
		return -ENODATA;
	if (tone >= 0 && tone <= DAHDI_TONE_MAX) {
		if (tone == DAHDI_TONE_MAX || !chan->zone->sounds[tone].count)
			return -ENOSYS;
		zone_play(&chan->player, &chan->zone->sounds[tone]);
		return 0;
	}
	if (chan->digit_mode != 'T')
		return -EINVAL;
	/* the driver counts as dialling from here on, even when it then refuses the number */
	chan->dialling = true;
	if (tone < DAHDI_TONE_DTMF_BASE || tone > DAHDI_TONE_DTMF_MAX)
		return -EINVAL;
	zone_key(&chan->key, keys[tone - DAHDI_TONE_DTMF_BASE], 0, 0);
	zone_play(&chan->player, &chan->key);
	return 0;
}

static void take_digits(struct chan *chan, const char *text)
{
	size_t have = strlen(chan->dial);

	hs_copy(chan->dial + have, sizeof(chan->dial) - have, text);
	for (char *digit = chan->dial + have; *digit; digit++)
		*digit = (char)toupper((unsigned char)*digit);
}

int chan_dial(struct chan *chan, int operation, const char *text)
{
	if (!chan->zone)
		return -ENODATA;
	switch (operation) {
	case DAHDI_DIAL_OP_CANCEL:
		dialling_stop(chan);
		return 0;
	case DAHDI_DIAL_OP_REPLACE:
		chan->dial[0] = '\0';
		take_digits(chan, text);
		chan->dialling = true;
		dialling_next(chan);
		return 0;
	case DAHDI_DIAL_OP_APPEND:
		if (strlen(text) + strlen(chan->dial) >= CHAN_DIAL_MAX - 1)
			return -EBUSY;
		take_digits(chan, text);
		if (!chan->dialling) {
			chan->dialling = true;
			dialling_next(chan);
		}
		return 0;
	default:
		return -EINVAL;
	}
}
