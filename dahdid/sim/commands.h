/* What a person or script tells the simulator: a table of commands, one a line, answered in JSON.
 * Called by control; calls bank, port, fxo and voice.
 * Owns nothing but the call it is given. A command that takes time is asked again after each tick until it is done.
 */
#ifndef SIM_COMMANDS_H
#define SIM_COMMANDS_H

#include "bank.h"
#include <json-c/json.h>
#include <stdbool.h>

#define COMMANDS_LINE 2048 /* bytes of a line, its end included */

struct command_call;

/* True: done; false: not yet. */
typedef bool command_check(struct command_call *call);

/* A command being carried out. Zeroed by the caller before commands_begin. */
struct command_call {
	struct bank *bank;
	struct port *port; /* NULL: the card */
	int64_t now_ms;    /* of the system's clock, kept current by the caller */
	int64_t until_ms;  /* then it has failed; 0: no limit */
	command_check *check;
	uint64_t mark;   /* step of the voice that it waits for */
	char name[32];   /* event or condition that it waits for */
	char error[160]; /* "" is success */
	struct json_object *answer;
};

/* Begins the command of a line, which is changed. True: done. The answer is made by commands_answer. */
bool commands_begin(struct command_call *call, char *line);

/* Looks again. True: done, or its time is over. */
bool commands_again(struct command_call *call);

/* The answer as a JSON object {"ok":..., ...}, for the caller to put; the call is empty afterwards. */
struct json_object *commands_answer(struct command_call *call);

#endif
