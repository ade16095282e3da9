/* Who calls, as an exchange says between its rings: FSK or DTMF heard and read.
 * Called by exchange; knows spandsp's demodulators. Everything heard is a stranger's: bounded and cleaned.
 * Owns its receiver.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "hs_proto.h"
#include <stddef.h>

struct identity;

/* By the standard of the line; none: NULL, which is fine everywhere. */
struct identity *identity_create(enum hs_caller_id kind);

void identity_hear(struct identity *identity, enum hs_codec law, const uint8_t *bytes, size_t count);

/* What was understood so far; NULL: nothing. Borrowed until it is destroyed. */
const char *identity_number(const struct identity *identity);
const char *identity_name(const struct identity *identity);

/* A message was complete. */
bool identity_is_complete(const struct identity *identity);

void identity_destroy(struct identity *identity);

#endif
