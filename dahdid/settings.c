#include "settings.h"
#include <errno.h>
#include <math.h>
#include <spandsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_MS 60000

static const struct settings built_in = {
	.signalling = HS_SIGNALLING_FXOKS,
	.cadence = {2000, 4000},
	.caller_id = HS_CALLER_ID_BELLCORE,
	.flash_ms = 800,
	.short_break = HS_SHORT_BREAK_DIGITS,
	.disconnect = HS_DISCONNECT_BATTERY_DROP,
	.echo_taps = 128,
	.lamp = HS_LAMP_NONE,
	.answer = HS_ANSWER_BY_DIALLED,
	.recall_ms = 600,
};

int settings_cadence(const char *text, int ret_ms[CHAN_CADENCE])
{
	int ms[CHAN_CADENCE] = {0};
	size_t count = 0;

	for (;;) {
		char *end;
		long value;

		text += strspn(text, " ,");
		if (!*text)
			break;
		value = strtol(text, &end, 10);
		if (end == text || (*end && !strchr(" ,", *end)) || value < 1 || value > LONGEST_MS ||
		    count == CHAN_CADENCE)
			return -EINVAL;
		ms[count++] = (int)value;
		text = end;
	}
	/* A burst without a pause would take the pause of the tone zone. */
	if (count == 0 || count % 2)
		return -EINVAL;
	memcpy(ret_ms, ms, sizeof(ms));
	return 0;
}

static int take_cadence(const struct hs_config_port *port, struct settings *settings, char ret_why[200])
{
	if (!port->cadence || settings_cadence(port->cadence, settings->cadence) == 0)
		return 0;
	snprintf(ret_why, 200, "cadence \"%.60s\" is not 1 to 8 pairs of on and off in ms, such as 2000 4000",
		 port->cadence);
	return -EINVAL;
}

static int lay_over(struct settings *settings, const struct hs_config_port *port, char ret_why[200])
{
	settings->signalling = port->signalling ? port->signalling : settings->signalling;
	settings->law = port->law ? port->law : settings->law;
	settings->caller_id = port->caller_id ? port->caller_id : settings->caller_id;
	settings->flash_ms = port->has_flash_ms ? (int)port->flash_ms : settings->flash_ms;
	settings->short_break = port->short_break ? port->short_break : settings->short_break;
	settings->disconnect = port->disconnect ? port->disconnect : settings->disconnect;
	settings->answer_reversal = port->has_answer_reversal ? port->answer_reversal : settings->answer_reversal;
	settings->rx_gain_db = port->has_rx_gain_db ? (int)port->rx_gain_db : settings->rx_gain_db;
	settings->tx_gain_db = port->has_tx_gain_db ? (int)port->tx_gain_db : settings->tx_gain_db;
	settings->echo_taps = port->has_echo_taps ? (int)port->echo_taps : settings->echo_taps;
	settings->lamp = port->lamp ? port->lamp : settings->lamp;
	settings->answer = port->answer ? port->answer : settings->answer;
	settings->recall_ms = port->has_recall_ms ? (int)port->recall_ms : settings->recall_ms;
	settings->pulse_dialling = port->has_pulse_dialling ? port->pulse_dialling : settings->pulse_dialling;
	return take_cadence(port, settings, ret_why);
}

int settings_make(const struct hs_config_dahdi *config, const struct hs_config_line *line,
		  struct settings *ret_settings, char ret_why[200])
{
	*ret_settings = built_in;
	if (lay_over(ret_settings, config->port, ret_why) < 0)
		return -EINVAL;
	return lay_over(ret_settings, line->port, ret_why);
}

bool settings_is_exchange(enum hs_signalling signalling)
{
	return signalling == HS_SIGNALLING_FXSKS || signalling == HS_SIGNALLING_FXSLS;
}

static int16_t limit(double sample)
{
	return (int16_t)(sample > INT16_MAX ? INT16_MAX : sample < INT16_MIN ? INT16_MIN : lround(sample));
}

void settings_gain(enum hs_codec law, int db, uint8_t ret_table[256])
{
	double factor = pow(10.0, db / 20.0);

	for (int code = 0; code < 256; code++) {
		uint8_t byte = (uint8_t)code;

		if (db == 0)
			ret_table[code] = byte;
		else if (law == HS_CODEC_PCMA)
			ret_table[code] = linear_to_alaw(limit(alaw_to_linear(byte) * factor));
		else
			ret_table[code] = linear_to_ulaw(limit(ulaw_to_linear(byte) * factor));
	}
}
