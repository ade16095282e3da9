/* Descriptions of analog channels: read and written. Pure.
 * Called by serve and the fuzzer; calls nobody. Plain records on the caller's stack.
 * One line: "channel/1" and words of the form key=value in any order; unknown keys are ignored.
 */
#ifndef MEDIAD_CHANNEL_H
#define MEDIAD_CHANNEL_H

#include "hs_proto.h"
#include <stddef.h>

#define CHANNEL_BYTES 192 /* longest description we write, with NUL */
#define CHANNEL_NAME 64   /* longest name, with NUL */
#define CHANNEL_MS_MIN 10 /* length of a block */
#define CHANNEL_MS_MAX 60

struct channel {
	enum hs_codec codec;     /* the card's law */
	int ptime_ms;            /* length of its blocks */
	char name[CHANNEL_NAME]; /* for people: "dahdi/3" */
};

/* Reads what a driver says of its channel. -EINVAL: ret_why is a static sentence. */
int channel_read(const char *text, struct channel *ret_channel, const char **ret_why);

/* Writes ours: the grant of its audio; with what the driver said unless channel is NULL. */
void channel_write(const struct channel *channel, const char *grant, char ret_text[CHANNEL_BYTES]);

#endif
