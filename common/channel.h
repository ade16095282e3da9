/* Descriptions of analog channels, which dahdid and mediad give each other: read and written. Pure.
 * Called by dahdid and mediad; calls nobody. Plain records on the caller's stack.
 * One line: "channel/1" and words of the form key=value in any order; unknown keys are ignored. proto/media.toml.
 */
#ifndef HS_CHANNEL_H
#define HS_CHANNEL_H

#include "hs_proto.h"

#define HS_CHANNEL_BYTES 192 /* longest description we write, with NUL */
#define HS_CHANNEL_MS_MIN 10 /* length of a block, in steps of 10 */
#define HS_CHANNEL_MS_MAX 60

struct hs_channel {
	enum hs_codec codec;                  /* the card's law; 0: not said */
	int ptime_ms;                         /* length of its blocks; 0: not said */
	char name[64];                        /* for people: "dahdi/3"; "": not said */
	char grant[HS_FRAME_GRANT_BYTES + 1]; /* under which its audio goes; "": not said */
};

/* Reads a description. -EINVAL: ret_why is a static sentence. */
int hs_channel_read(const char *text, struct hs_channel *ret_channel, const char **ret_why);

/* Writes what is said. Always fits. */
void hs_channel_write(const struct hs_channel *channel, char ret_text[HS_CHANNEL_BYTES]);

#endif
