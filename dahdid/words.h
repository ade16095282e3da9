/* The description of a channel leg: one line of words, as proto/media.toml has it.
 * Called by leg and ask. Pure.
 * Owns nothing.
 */
#ifndef WORDS_H
#define WORDS_H

#include "hs_proto.h"
#include <stddef.h>

#define WORDS_BYTES 201

struct words {
	enum hs_codec codec; /* 0: not said */
	int ptime_ms;        /* 0: not said */
	char name[64];       /* "": not said */
	char grant[HS_FRAME_GRANT_BYTES + 1];
};

/* Reads a description. -EINVAL: not one, or a word has a value that is not possible; unknown words are skipped. */
int words_read(const char *text, struct words *ret_words);

/* Writes what is said. Always fits. */
void words_write(const struct words *words, char ret_text[WORDS_BYTES]);

#endif
