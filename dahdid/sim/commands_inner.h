/* What the rooms of commands share: the shape of a command, and words for its outcome.
 * Included by commands*.c alone. Owns nothing.
 */
#ifndef SIM_COMMANDS_INNER_H
#define SIM_COMMANDS_INNER_H

#include "cleanup.h"
#include "commands.h"
#include "fxo.h"
#include <stddef.h>

enum on { ON_FXS = 1, ON_FXO = 2, ON_PORT = ON_FXS | ON_FXO, ON_CARD = 4 };

struct command {
	const char *name;
	unsigned int on;
	int least, most;                                                       /* arguments */
	bool (*begin)(struct command_call *call, char **arguments, int count); /* as commands_begin */
	const char *usage, *help;
};

struct command_set {
	const struct command *rows;
	size_t count;
};

extern const struct command_set commands_voice;    /* doing things at a telephone */
extern const struct command_set commands_look;     /* seeing, hearing and waiting */
extern const struct command_set commands_trouble;  /* cable, faults, card */
extern const struct command_set commands_exchange; /* the other end of an FXO port */

/* Names of fxo_sound. */
extern const char *const commands_sounds[FXO_SOUNDS];

/* Names of conditions for wait, by number; NULL after the last. */
const char *commands_condition(size_t number);

#define WAIT_MAX_MS 3600000

/* Fails with a sentence; always true, so that it can be returned. */
bool command_fail(struct command_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fails by negative errno, succeeds by 0; always true. */
bool command_outcome(struct command_call *call, int result);

/* An argument that may be left out, a number in lowest..highest. False: it is wrong, and the call has failed. */
bool command_number(struct command_call *call, char **arguments, int count, int place, long lowest, long highest,
		    int *number);

/* Members of the answer. */
void command_add_text(struct command_call *call, const char *name, const char *text);
void command_add_number(struct command_call *call, const char *name, int64_t number);
void command_add_bool(struct command_call *call, const char *name, bool value);

#endif
