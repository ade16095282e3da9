/* Ceilings: what no configuration and nobody at the API may go beyond, in <home>/ceilings/ceilings.yaml. The file is
 * root's (or the starter's); a folder of its own, so that a daemon's sandbox sees a file that took its place.
 * Called by daemon.c (make), apid, dahdid, hookd and hook-stream; calls config. Owns what is in force, and a timer by
 * which a change counts within a second. Fails closed: without a file that can be believed nothing is permitted.
 */
#ifndef HS_CEILINGS_H
#define HS_CEILINGS_H

#include "daemon.h"

struct hs_ceiling;

/* The keeper, as the starter: a first file for a new system, which refuses international and premium numbers. One that
 * is there, or was removed from its folder, is left as it is. -errno. */
int hs_ceilings_make(const char *home);

/* Reads the file, and again whenever it changes. What is wrong with it stands in the log and in /health. */
struct hs_ceiling *hs_ceiling_create(struct hs_house *house);

/* What is in force, or NULL; borrowed until the loop turns. */
const struct hs_ceilings *hs_ceiling_now(const struct hs_ceiling *ceiling);

/* Whether a number may be dialled on an exchange line (as it is sent; pauses in it do not count), a host be connected
 * to, or a scope be used. If not, it is counted, and ret_why (HS_CEILING_WHY bytes) has the ceiling and the mend. */
#define HS_CEILING_WHY 200
bool hs_ceiling_number(const struct hs_ceiling *ceiling, const char *number, char *ret_why);
bool hs_ceiling_host(const struct hs_ceiling *ceiling, const char *host, char *ret_why);
bool hs_ceiling_scope(const struct hs_ceiling *ceiling, const char *scope, char *ret_why);

/* Whether one more is below a ceiling ("calls.at_once"). As above. */
bool hs_ceiling_count(const struct hs_ceiling *ceiling, const char *name, int64_t count, int64_t most, char *ret_why);

void hs_ceiling_destroy(struct hs_ceiling *ceiling); /* NULL is fine; frees when the loop has closed its timer */

#endif
