/* Ledger: the last attempts at an endpoint, with request and answer, in a file of fixed size.
 * Called by dispatch, verdict, serve and again; calls wire. Owns the file attempts-<number> in hookd's folder.
 * A slot of 4 KiB for each of the last so many, written in place: an attempt costs one write into the kernel's cache
 * and no transaction. It is there to be looked at; what a power cut takes of it is lost.
 */
#ifndef HOOKD_LEDGER_H
#define HOOKD_LEDGER_H

#include "wire.h"

#define LEDGER_SLOT 4096

struct ledger;

/* For an endpoint's number. slots: 0 keeps none. Never NULL; the file is opened when it is first used. */
struct ledger *ledger_create(const char *folder, int64_t endpoint, int slots);

/* Writes an attempt and gives it its number. What does not fit is cut. */
void ledger_add(struct ledger *ledger, struct hs_webhook_attempt *attempt);

/* Reads attempts with a higher number than since, oldest first; since < 0: the newest. Texts live in the arena. How
 * many; ret_last: highest number there is. */
size_t ledger_list(struct ledger *ledger, int64_t since, size_t limit, struct hs_arena *arena,
		   struct hs_webhook_attempt *ret_attempts, int64_t *ret_last);

/* The newest attempt of a delivery, in the arena; NULL: it is not there (any more). */
const struct hs_webhook_attempt *ledger_find(struct ledger *ledger, const char *delivery, struct hs_arena *arena);

/* Its endpoint is gone: removes the file. */
void ledger_remove(struct ledger *ledger);

void ledger_destroy(struct ledger *ledger); /* NULL is fine */

#endif
