/* The configuration: YAML -> struct hs_config, by the contract's schema.
 * Called by daemon.c, ceilings.c and hookctl; knows libyaml. Owns what it returns.
 * Order: defaults, file, environment (HOOKSWITCH_SERVER_REST_PORT). Unknown keys and bad values are refused with file,
 * line, key and the mend.
 */
#ifndef HS_CONFIG_H
#define HS_CONFIG_H

#include "hs_proto.h"
#include <stdio.h>

/* Reads a file. Values marked "only" for other roles than role are wiped (HS_ROLE_OPS keeps all). NULL path: defaults
 * and environment. On failure NULL, and one line per fault on faults. Beyond the schema it checks: line ids and users
 * unique, default_line and operator.lines exist, port_min < port_max, URLs have a known scheme, networks are CIDR,
 * number clashes. */
struct hs_config *hs_config_load(const char *path, enum hs_role role, FILE *faults);

/* The line of /api/v1/phone: calls.default_line or the first; NULL when there are none. */
const struct hs_config_line *hs_config_default_line(const struct hs_config *config);

/* A line by id, or NULL. */
const struct hs_config_line *hs_config_find_line(const struct hs_config *config, const char *id);

/* True for a line to an exchange: whoever gets it has the exchange's dial tone. */
bool hs_config_is_exchange(const struct hs_config *config, const struct hs_config_line *line);

/* Calls visit for each text that is this role's alone: its secrets. */
void hs_config_each_secret(const struct hs_config *config, enum hs_role role,
			   void (*visit)(void *context, const char *secret), void *context);

/* True when a route takes a plain number. */
bool hs_config_route_takes(const struct hs_config_route *route, const char *number);

/* True when it takes a longer one that begins with this. */
bool hs_config_route_may_grow(const struct hs_config_route *route, const char *number);

/* True when a number, as it is sent to this exchange line, is one of an emergency route's: who dials it there need not
 * be believed. */
bool hs_config_is_emergency(const struct hs_config *config, const char *line, const char *sent);

/* Writes the whole configuration in force as commented YAML that can be read again; sealed and secret values are shown
 * as comments "# set, not shown". */
void hs_config_dump(const struct hs_config *config, FILE *out);

void hs_config_destroy(struct hs_config *config); /* NULL is fine */

/* Reads a file of ceilings (ceilings.h); the environment says nothing about them. NULL with a line per fault. */
struct hs_ceilings *hs_config_load_ceilings(const char *path, FILE *faults);

void hs_config_destroy_ceilings(struct hs_ceilings *ceilings); /* NULL is fine */

#endif
