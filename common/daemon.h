/* The skeleton of every daemon: one const table, one call in main.
 * Order: options (--config FILE, --upgrade, --detach, --check-config, ...) -> config -> log ->
 * folders and keys -> keeper's sandbox -> keeper forks -> child: drop (hs_privs_drop), limits, files and self-test ->
 * loop, journal, bus, trace -> filter of starting -> start (restore) -> filter of running -> ready -> run -> stop.
 * SIGTERM stops: keeper passes it on, child calls stop and drains for at most server.drain_s. Home is $HOOKSWITCH_HOME
 * or
 * ./var. Answers daemon.status, daemon.metrics, daemon.trace, keys.reseal and log.set for its daemon.
 */
#ifndef HS_DAEMON_H
#define HS_DAEMON_H

#include "bus.h"
#include "config.h"
#include "sandbox.h"

/* What a daemon lives in. Valid from start to stop. */
struct hs_house {
	const struct hs_config *config;
	uv_loop_t *loop;
	struct hs_bus *bus;
	struct hs_keep *keep;
	struct hs_journal *journal; /* NULL when journal_bytes is 0 */
	enum hs_role role;
	const char *home;        /* HOOKSWITCH_HOME */
	const char *folder;      /* home/<name>, ours alone */
	const char *incarnation; /* id of this process */
	bool predecessor_died;
	void *daemon; /* the daemon's own struct, set by start */
};

/* What outlives a child: one kind of record or memory that its keeper holds. version counts up whenever the same bytes
 * come to mean something else. A program that keeps something else than the one that runs does not take over from it.
 */
struct hs_layout {
	const char *what;
	unsigned version;
	const size_t *bytes; /* of its fixed part */
};

#define HS_LAYOUT(name, number, type)                                                                                  \
	{                                                                                                              \
		.what = (name), .version = (number), .bytes = &(const size_t)                                          \
		{                                                                                                      \
			sizeof(type)                                                                                   \
		}                                                                                                      \
	}

struct hs_daemon {
	const char *name;
	enum hs_role role;
	size_t journal_bytes;            /* ring for facts; 0: tells none */
	const struct hs_layout *layouts; /* beside the journal's own */
	size_t layouts_count;
	bool keeps_legs;             /* a successor goes on with the legs; tells the end of those that it cannot keep */
	const struct hs_door *doors; /* served with house->daemon as context */
	size_t doors_count;
	const struct hs_sandbox *sandbox; /* what it needs beside what all need; NULL: nothing */

	/* Keeper, before the fork, with the starter's rights: may open what needs them and hold it by name. NULL:
	 * nothing. */
	int (*open)(const struct hs_config *config, const char *home, int (*hold)(const char *name, int fd));

	/* Child, sandboxed: builds everything and restores. 0 or -errno with a log line. */
	int (*start)(struct hs_house *house);

	/* Child: seals to our newest key what the daemon keeps at rest itself. How many there were, or -errno when it
	 * could not be written. NULL: it keeps none. */
	int (*reseal)(struct hs_house *house);

	/* Child: begins to end; the loop runs until hs_daemon_stopped or server.drain_s. NULL: nothing to do. */
	void (*stop)(struct hs_house *house);

	/* Child: frees everything, after the loop; also after a start that failed, if it had set house->daemon. */
	void (*finish)(struct hs_house *house);
};

/* main: return hs_daemon_main(argc, argv, &sipd); */
int hs_daemon_main(int argc, char **argv, const struct hs_daemon *daemon);

/* stop has done its work. */
void hs_daemon_stopped(struct hs_house *house);

/* Something is less than meant: shown in /health and metrics until cleared with NULL. name tells reasons apart. */
void hs_daemon_degraded(struct hs_house *house, const char *name, const char *why);

#define HS_DAEMON_WHY 200

/* How this daemon is, as daemon.status answers. Texts are borrowed from the house and from why, which is filled when it
 * is degraded. */
void hs_daemon_part(struct hs_house *house, char why[HS_DAEMON_WHY], struct hs_part *ret_part);

#endif
