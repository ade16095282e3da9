/* The daemon's one struct: what its doors share.
 * Made by main, handed to serve, hear and tell. Owns the session and the world.
 */
#ifndef MEDIAD_MEDIAD_H
#define MEDIAD_MEDIAD_H

#include "daemon.h"
#include "end.h"
#include "session.h"

struct mediad {
	struct hs_house *house;
	struct world world;
	struct session *session;
};

/* tell.c: what rooms report, as facts, log lines and trace records; context is the daemon. */
extern const struct report tell_report;

/* hear.c: a frame came on the audio edge; context is the daemon. */
void hear_frame(void *context, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes);

#endif
