/* How a port is used: the line's own settings over those of all ports over what is built in.
 * Called by ports at start. Pure.
 * Owns nothing.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "chan.h"

struct settings {
	enum hs_signalling signalling;
	enum hs_codec law; /* 0: what the card has */
	int cadence[CHAN_CADENCE];
	enum hs_caller_id caller_id;
	int flash_ms;
	enum hs_short_break short_break;
	enum hs_disconnect disconnect;
	bool answer_reversal;
	int rx_gain_db, tx_gain_db;
	int echo_taps;
	enum hs_lamp lamp;
	enum hs_answer_by answer;
	int recall_ms;
	bool pulse_dialling;
};

/* Settings of a line. -EINVAL with one sentence in ret_why when a cadence cannot be read. */
int settings_make(const struct hs_config_dahdi *config, const struct hs_config_line *line,
		  struct settings *ret_settings, char ret_why[200]);

/* "2000 4000": on and off in ms, 1 to 8 pairs, none of them 0, each at most 60 s. -EINVAL. */
int settings_cadence(const char *text, int ret_ms[CHAN_CADENCE]);

/* A table that makes G.711 louder or softer, for chan_gains. */
void settings_gain(enum hs_codec law, int db, uint8_t ret_table[256]);

/* True for an exchange line. */
bool settings_is_exchange(enum hs_signalling signalling);

#endif
