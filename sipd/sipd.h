/* sipd: the daemon's one struct, and what two rooms share.
 * Included by the doors and the rooms that need more than what they are given.
 * Owns nothing itself; main.c makes and ends every member.
 */
#ifndef SIPD_H
#define SIPD_H

#include "agent.h"
#include "daemon.h"
#include "digest.h"
#include "locations.h"
#include "refused.h"
#include "sources.h"
#include "store.h"
#include "users.h"

struct dialogs;
struct registrar;
struct keepalive;
struct lamps;

struct sipd {
	struct hs_house *house;
	const struct hs_config *config;
	struct agent *agent;
	struct users *users;
	struct nonces *nonces;
	struct sources *sources;
	struct refused *refused;
	struct locations *locations;
	struct store *store; /* NULL: the folder cannot be written */
	struct dialogs *dialogs;
	struct registrar *registrar;
	struct keepalive *keepalive;
	struct lamps *lamps;
	uv_timer_t suspects; /* runs while failed logins wait to be told */
	uv_timer_t bans;     /* until the next ban ends */
	uv_timer_t storing;  /* runs while there is no store */
	bool stopping;
};

#endif
