/* dahdid: the daemon's one struct, and what two rooms share.
 * Included by the doors and the rooms that need more than what they are given.
 * Owns nothing itself; begin.c makes and ends every member.
 */
#ifndef DAHDID_H
#define DAHDID_H

#include "daemon.h"
#include "meters.h"
#include "port.h"

struct hs_audio;
struct outgoing;

/* All ports whose blocks come on the grid of their card; grid.c's. */
struct grid {
	struct port *first;
	struct port *next; /* after the one that is read: whoever leaves must not be stepped on */
};

struct dahdid {
	struct hs_house *house;
	const struct hs_config_dahdi *config;
	struct ports *ports;
	struct hs_audio *audio;
	struct outgoing *outgoing;
	struct meters meters;
	struct grid grid;
	uv_timer_t survey;   /* looks for ports that are away */
	uv_timer_t voltages; /* measures line voltages */
	char version[128];   /* of the driver; "": not known */
	int block_bytes;
	int slow; /* calls of the driver in workers */
	bool stopping;
	uint8_t block[CHAN_BLOCK_MAX]; /* the one that is being read */
};

#endif
