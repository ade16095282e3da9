#include "commands.h"
#include "commands_inner.h"
#include "words.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool command_fail(struct command_call *call, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(call->error, sizeof(call->error), format, list);
	va_end(list);
	return true;
}

bool command_outcome(struct command_call *call, int result)
{
	return result ? command_fail(call, "%s", strerror(-result)) : true;
}

void command_add_text(struct command_call *call, const char *name, const char *text)
{
	json_object_object_add(call->answer, name, json_object_new_string(text));
}

void command_add_number(struct command_call *call, const char *name, int64_t number)
{
	json_object_object_add(call->answer, name, json_object_new_int64(number));
}

void command_add_bool(struct command_call *call, const char *name, bool value)
{
	json_object_object_add(call->answer, name, json_object_new_boolean(value));
}

bool command_number(struct command_call *call, char **arguments, int count, int place, long lowest, long highest,
		    int *number)
{
	if (place >= count || !words_number(arguments[place], lowest, highest, number))
		return true;
	command_fail(call, "%s is not a number from %ld to %ld", arguments[place], lowest, highest);
	return false;
}

/* ---- The table of tables ---- */

static bool help(struct command_call *call, char **arguments, int count);

static const struct command help_row = {"help", ON_PORT | ON_CARD, 0, 0, help, "", "this table"};
static const struct command_set commands_help = {&help_row, 1};
static const struct command_set *const sets[] = {&commands_voice, &commands_look, &commands_trouble, &commands_exchange,
						 &commands_help};

/* All commands one after the other; NULL after the last. */
static const struct command *command_at(size_t number)
{
	for (size_t i = 0; i < HS_COUNT(sets); i++) {
		if (number < sets[i]->count)
			return &sets[i]->rows[number];
		number -= sets[i]->count;
	}
	return NULL;
}

static const char *place_name(unsigned int on)
{
	return on & ON_CARD ? "card" : on == ON_FXS ? "fxs" : on == ON_FXO ? "fxo" : "port";
}

static bool help(struct command_call *call, char **arguments, int count)
{
	struct json_object *list = json_object_new_array(), *names = json_object_new_array();
	const struct command *one;

	for (size_t i = 0; (one = command_at(i)); i++) {
		struct json_object *row = json_object_new_object();
		AUTO(free) char *usage = hs_printf("%s%s%s", one->name, one->usage[0] ? " " : "", one->usage);

		json_object_object_add(row, "command", json_object_new_string(usage));
		json_object_object_add(row, "at", json_object_new_string(place_name(one->on)));
		json_object_object_add(row, "does", json_object_new_string(one->help));
		json_object_array_add(list, row);
	}
	for (size_t i = 0; commands_condition(i); i++)
		json_object_array_add(names, json_object_new_string(commands_condition(i)));
	json_object_object_add(call->answer, "commands", list);
	json_object_object_add(call->answer, "conditions", names);
	return true;
}

/* ---- Carrying out ---- */

static unsigned int place(const struct command_call *call)
{
	return !call->port ? ON_CARD : call->port->is_fxo ? ON_FXO : ON_FXS;
}

static bool carry_out(struct command_call *call, const char *name, char **arguments, int count)
{
	const struct command *command;

	for (size_t i = 0; (command = command_at(i)); i++) {
		if (strcmp(command->name, name) != 0 || !(command->on & place(call)))
			continue;
		if (count < command->least || count > command->most)
			return command_fail(call, "usage: %s %s", command->name, command->usage);
		bool done = command->begin(call, arguments, count);

		return done || (call->check && commands_again(call));
	}
	return command_fail(call, "no command %.40s here; see help", name);
}

bool commands_begin(struct command_call *call, char *line)
{
	char *words[WORDS_MAX];
	int count = words_split(line, words), number = 0;

	call->answer = json_object_new_object();
	if (count < 0)
		return command_fail(call, count == -E2BIG ? "too many words" : "not a line of text");
	if (count < 2)
		return command_fail(call, "PORT COMMAND or card COMMAND; see card help");
	if (strcmp(words[0], "card") != 0) {
		call->port = words_number(words[0], 1, BANK_PORTS, &number) ? NULL : bank_port(call->bank, number);
		if (!call->port)
			return command_fail(call, "no port %.20s; there are 1 to %d", words[0], call->bank->count);
	}
	return carry_out(call, words[1], words + 2, count - 2);
}

bool commands_again(struct command_call *call)
{
	if (call->check(call))
		return true;
	if (!call->until_ms || call->now_ms < call->until_ms)
		return false;
	return command_fail(call, "it did not happen in time");
}

struct json_object *commands_answer(struct command_call *call)
{
	struct json_object *answer = call->answer;

	json_object_object_add(answer, "ok", json_object_new_boolean(!call->error[0]));
	if (call->error[0])
		json_object_object_add(answer, "error", json_object_new_string(call->error));
	*call = (struct command_call){.bank = call->bank};
	return answer;
}
