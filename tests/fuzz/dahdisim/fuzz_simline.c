/* Lines on dahdisim's socket: whatever is sent, there is one answer, and the ports go on ticking. Commands that name
 * files are left to the tests.
 */
#include "commands.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct bank *bank;

static void set_up(void)
{
	static struct bank made;
	static const bool kinds[] = {false, true};

	law_setup();
	if (bank_init(&made, kinds, 2, LAW_MULAW, "us", true))
		abort();
	bank = &made;
}

static void run_line(char *line)
{
	struct command_call call = {.bank = bank, .now_ms = 1};

	if (strstr(line, "record") || strstr(line, "speak"))
		return;
	if (!commands_begin(&call, line)) {
		for (int i = 1; i <= 2; i++)
			port_tick(bank_port(bank, i), bank_port(bank, i)->now_ms + 1);
		commands_again(&call);
	}
	struct json_object *answer = commands_answer(&call), *ok;

	if (!json_object_object_get_ex(answer, "ok", &ok))
		abort();
	json_object_put(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char text[COMMANDS_LINE], *rest = text, *line;

	if (!bank)
		set_up();
	if (bytes >= sizeof(text))
		return 0;
	if (bytes)
		memcpy(text, data, bytes);
	text[bytes] = '\0';
	while ((line = strsep(&rest, "\n")))
		run_line(line);
	return 0;
}
