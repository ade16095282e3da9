/* The journal: memory that survives kill -9, because the keeper holds it (memfd).
 * Two parts: a ring of facts not yet acknowledged by apid, and records (key -> bytes) of what must be found again:
 * bindings, dialogs, sessions. Called by bus.c (ring) and the rooms that own records. Owns the mapping.
 * Every entry has a checksum and becomes valid by one store after it is complete: an entry cut off by death was never
 * there.
 */
#ifndef HS_JOURNAL_H
#define HS_JOURNAL_H

#include "keeper.h"
#include <stddef.h>
#include <stdint.h>

/* Counts up when what is in that memory comes to mean something else (handover.h). */
#define HS_JOURNAL_LAYOUT 1

struct hs_journal;

#define HS_JOURNAL_KEY 96      /* longest key with NUL */
#define HS_JOURNAL_VALUE 32768 /* longest value */

/* Takes over the predecessor's journal from keep, or makes a new one with a ring of ring_bytes. keep NULL: nobody holds
 * it (tests). A damaged ring or record is skipped, counted and logged, never trusted. NULL only when memfd is refused.
 */
struct hs_journal *hs_journal_open(struct hs_keep *keep, size_t ring_bytes);

/* A ring alone, in a file: it survives the keeper too, and whatever of a power cut the kernel had written. Records are
 * refused. make replaces what is at path and reserves its room on the disk, so that a full one cannot end us later;
 * find takes over what a predecessor left. NULL: errno says why (find: none, or damaged). */
struct hs_journal *hs_journal_make_file(const char *path, size_t ring_bytes);
struct hs_journal *hs_journal_find_file(const char *path);

/* Whether it is a predecessor's. */
bool hs_journal_is_found(const struct hs_journal *journal);

/* Number of this journal: differs for each new one, stays the same over a restart that found it. */
uint64_t hs_journal_epoch(const struct hs_journal *journal);

/* Appends a fact. 0 and its seq (1, 2, ... in this epoch), -ENOSPC when the ring is full, -EMSGSIZE. */
int hs_journal_append(struct hs_journal *journal, const void *data, size_t bytes, uint64_t *ret_seq);

/* First fact with seq > after: borrowed until it is trimmed. false: none. */
bool hs_journal_next(struct hs_journal *journal, uint64_t after, uint64_t *ret_seq, const void **ret_data,
		     size_t *ret_bytes);

/* Forgets all facts up to seq. */
void hs_journal_trim(struct hs_journal *journal, uint64_t seq);

/* Numbers of the newest fact, and of the newest that was forgotten; 0: none yet. */
uint64_t hs_journal_newest(const struct hs_journal *journal);
uint64_t hs_journal_forgotten(const struct hs_journal *journal);

/* Facts that wait; used and whole ring bytes. */
size_t hs_journal_waiting(const struct hs_journal *journal);
void hs_journal_fill(const struct hs_journal *journal, size_t *ret_used, size_t *ret_size);

/* Puts a record, replacing one of the same key as one step. 0, -EINVAL (key), -EMSGSIZE, -ENOSPC (64 MiB, or a
 * ring alone). */
int hs_journal_put(struct hs_journal *journal, const char *key, const void *value, size_t bytes);

/* A record that its owner writes in place, for what changes too often to be put: its bytes, zeroed when it is new, as
 * death left them when it was there. Nothing guards them: whoever finds them checks what he reads, and a change that
 * must be whole is put. The memory is the journal's until the record is dropped. NULL: no room, a bad key, longer than
 * a value may be, or there is a record of this key that is another. */
void *hs_journal_live(struct hs_journal *journal, const char *key, size_t bytes);

/* Removes a record; unknown is fine. */
void hs_journal_drop(struct hs_journal *journal, const char *key);

/* Visits records whose key begins with prefix, in no order. value is borrowed for the visit; visit may drop that key.
 * One that was being visited at three deaths is poison (pulse.h): it is visited with no value, and then is no more. */
void hs_journal_each(struct hs_journal *journal, const char *prefix,
		     void (*visit)(void *context, const char *key, const void *value, size_t bytes), void *context);

void hs_journal_close(struct hs_journal *journal); /* NULL is fine; the keeper's copy stays */

#endif
