/* Records of calls: between struct call, the rows of the store and the public form.
 * Called by calls (save, restore) and serve (lists and single calls, read in a worker); calls the store and wire.
 * Owns nothing.
 */
#ifndef CALL_RECORD_H
#define CALL_RECORD_H

#include "call.h"
#include "wire.h"

/* Adds the call and its legs to this turn's transaction. */
void call_record_save(struct store *store, const struct call *call);

/* Fills a zeroed call from its row; lines and route are left NULL, their ids stay. */
void call_record_load(const struct store_row *row, struct call *ret_call);

/* Appends a leg to the call from its row. false: there is no room. */
bool call_record_load_leg(const struct store_row *row, struct call *call);

/* Id of the line a restored call wants to ring next, or NULL: of a row of the calls table. */
const char *call_record_target(const struct store_row *row);

/* Whether such a row says which legs are whose; earlier versions' do not. */
bool call_record_knows_parties(const struct store_row *row);

/* What gather_save kept of a restored call, or NULL: of the same row. */
const char *call_record_gather(const struct store_row *row);

/* The public form. Everything it points to lives in the arena. */
void call_record_describe(const struct call *call, struct hs_arena *arena, struct hs_call *ret_call);

/* Frees the texts of a call that was loaded, not the call. */
void call_record_finish(struct call *call);

/* Bytes of JSON that the public form of a call needs at most, about: for bounded answers. */
size_t call_record_bytes(const struct call *call);

#endif
