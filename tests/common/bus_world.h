/* A small world for the tests of bus: several roles in one process on one loop, each with a ZeroMQ context of its own,
 * so that everything goes over real sockets in a home of its own under /tmp.
 * Used by test_bus*.c. Owns the buses and journals it opened.
 */
#ifndef BUS_WORLD_H
#define BUS_WORLD_H

#include "bus.h"

struct world {
	uv_loop_t loop;
	char home[64];
	struct hs_bus *buses[HS_ROLES];
	struct hs_journal *journals[HS_ROLES];
	const struct hs_config_bus *far; /* of all, or NULL */
	struct hs_keep *keep;            /* apid's, or NULL */
};

/* cmocka's fixtures: *state becomes a struct world. */
int world_setup(void **state);
int world_teardown(void **state);

struct hs_bus *world_open(struct world *world, enum hs_role role);

/* The same with a journal, which stays when the bus is closed: the next bus of the role finds it. */
struct hs_bus *world_open_with_journal(struct world *world, enum hs_role role);
void world_close(struct world *world, enum hs_role role);

/* Turns the loop until the counter has the value, at most so long. */
bool world_turn_until(struct world *world, const int *counter, int value, int limit_ms);
void world_turn_for(struct world *world, int ms);

/* Figure of hookswitch_bus_refused_total. */
int64_t world_refused(const char *why);

/* Forks a process that runs main(home) with a loop of its own and exits with its result. */
pid_t world_fork(struct world *world, int (*run)(const char *home));

/* A raw ZeroMQ socket at an edge, as somebody who does not use our library. Close it and its context. */
void *world_raw(struct world *world, void **ret_context, int type, enum hs_role binder, enum hs_edge edge, bool binds);

#endif
