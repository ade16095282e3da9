/* hookctl: the tool of whoever runs the suite. What its commands share.
 * main.c picks a command from its table; each command lives in a file of its own and uses link.h to talk to the suite.
 * Owns the configuration in force and, once a command needs it, the connection to the bus.
 */
#ifndef HOOKCTL_H
#define HOOKCTL_H

#include "config.h"

struct link;

/* Exit codes, also in --help. */
enum hookctl_exit {
	HOOKCTL_OK = 0,
	HOOKCTL_FAILED = 1, /* refused, or something on this machine failed */
	HOOKCTL_USAGE = 2,  /* the command line cannot be understood */
	HOOKCTL_AWAY = 3,   /* the suite or the daemon asked is away or does not answer */
};

struct hookctl {
	const char *home;         /* HOOKSWITCH_HOME */
	struct hs_config *config; /* from home/hookswitch.yaml or --config; defaults when there is none */
	char *config_path;        /* that file, or NULL */
	const char *token;        /* --token, or NULL */
	const char *command;      /* word that was given */
	bool json;                /* --json: machine-readable output */
	struct link *link;        /* made by link_open */
};

/* One command: run gets the words after its name and returns an exit code. */
struct command {
	const char *name;
	const char *arguments; /* for the usage line */
	const char *summary;   /* one line */
	const char *help;      /* more, for "hookctl NAME --help" */
	int (*run)(struct hookctl *ctl, int count, char **words);
};

/* Prints "hookctl COMMAND: why" and the usage line on standard error. HOOKCTL_USAGE. */
int hookctl_usage(const struct hookctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints "hookctl COMMAND: why" on standard error. HOOKCTL_FAILED. */
int hookctl_fail(const struct hookctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Value of a long option "--name VALUE" among the words, taken out of them; NULL when it is not there. The last one
 * wins. A missing value leaves the word where it is, so that it is then refused as unknown. */
const char *hookctl_option(int *count, char **words, const char *name);

/* True when the word "--name" is among the words; it is taken out. */
bool hookctl_flag(int *count, char **words, const char *name);

/* Bearer token for client operations: --token, $HOOKSWITCH_TOKEN, or that of home/quickstart.json. New text (free), or
 * NULL when there is none. */
char *hookctl_token(const struct hookctl *ctl);

/* Whether a role is on another host than this one, by bus.listen or bus.connect. */
bool hookctl_is_elsewhere(const struct hookctl *ctl, enum hs_role role);

int tap_run(struct hookctl *ctl, int count, char **words);
int follow_run(struct hookctl *ctl, int count, char **words);
int call_run(struct hookctl *ctl, int count, char **words);
int status_run(struct hookctl *ctl, int count, char **words);
int drill_run(struct hookctl *ctl, int count, char **words);
int seal_run(struct hookctl *ctl, int count, char **words);
int token_run(struct hookctl *ctl, int count, char **words);
int keys_run(struct hookctl *ctl, int count, char **words);
int webhook_secret_run(struct hookctl *ctl, int count, char **words);
int alive_run(struct hookctl *ctl, int count, char **words);
int folders_run(struct hookctl *ctl, int count, char **words);
int explain_run(struct hookctl *ctl, int count, char **words);
int doctor_run(struct hookctl *ctl, int count, char **words);
int log_run(struct hookctl *ctl, int count, char **words);

#endif
