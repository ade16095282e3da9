/* The listening sockets, opened by the keeper and kept by it: while a child is replaced, clients wait in the queue.
 * Called by main. Owns nothing.
 */
#ifndef FRONT_OPEN_H
#define FRONT_OPEN_H

#include "daemon.h"

#define OPEN_REST "rest"
#define OPEN_WS "ws"

/* Opens both and holds them. As the keeper. -errno with a log line that names port and setting. */
int open_sockets(const struct hs_config *config, const char *home, int (*hold)(const char *name, int fd));

/* As the child: one of them, owned by the caller. -errno with a log line. */
int open_take(struct hs_house *house, const char *name);

#endif
