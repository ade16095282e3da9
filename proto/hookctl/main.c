#include "cleanup.h"
#include "hookctl.h"
#include "link.h"
#include "log.h"
#include "privs.h"
#include <json-c/json.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command commands[] = {
	{"status", "", "daemons, lines and calls at a glance",
	 "Daemons are asked one by one; lines and calls need a token (see --token).", status_run},
	{"doctor", "", "what stands in the way of a call, with its mend",
	 "Ports, addresses, clock, disk, keys, cards, lines, operator and webhooks. Changes nothing, and works before "
	 "the\n"
	 "first start, too. Exit code 1 when there is something to mend.",
	 doctor_run},
	{"drill", "[NUMBER]", "whether emergency numbers go out",
	 "Each is routed from every line and up to the exchange line that it would take now; nothing is dialled.\n"
	 "Exit code 1 when one would not go out.",
	 drill_run},
	{"tap", "[--calls] [--digits] [--operations] [FILTER...]", "what happens, live, one line each",
	 "Without an option: calls and operations. --digits shows dialled digits, which may be PINs.\n"
	 "FILTER is call=ID, line=ID, type=WORD (a trailing * matches any end) or daemon=NAME; one of each name must\n"
	 "fit. --count N and --seconds N end it; otherwise Ctrl-C does.",
	 tap_run},
	{"follow", "CALL [--live] [--width N]", "one call across all daemons, as a ladder",
	 "Shows SIP messages, bus messages, media facts and webhooks in the order in which they happened.\n"
	 "--live goes on until Ctrl-C. --width N: columns of the page (the terminal's).",
	 follow_run},
	{"explain", "CALL", "what became of a call, and why",
	 "In a sentence, in findings about its way and its audio, and step by step as far as the daemons remember.",
	 explain_run},
	{"call", "METHOD [JSON] [--to DAEMON]", "any request of the contract, by name",
	 "For example: hookctl call lines.ring '{\"line\":\"phone1\"}'. JSON \"-\" is read from standard input.\n"
	 "All requests: proto/docs/bus.md. --to is needed where several daemons answer (daemon.status).",
	 call_run},
	{"seal",
	 "sip USER [--realm R] [--password P] | webhook URL [--secret S] [--previous S] | hook ID [--secret S] "
	 "[--previous S] | operator URL [--token T]",
	 "a secret for hookswitch.yaml",
	 "Prints the secret, this once, and its sealed form for \"secret:\". Only the daemon it is sealed to can open\n"
	 "it, and only for this user and realm, or this URL. Without --password, --secret or --token a good one is\n"
	 "made; - reads it from standard input. operator makes operator.auth_token, for operator.websocket_url.",
	 seal_run},
	{"token", "NAME SCOPE...", "an API token",
	 "Prints the token, this once, and its row for api.tokens.\n"
	 "Scopes: calls:read calls:control audio digits webhooks metrics",
	 token_run},
	{"webhook-secret", "state|dtmf|ID", "the signing secret of a webhook of the configuration",
	 "Only where the configuration gives none and one was made at the first start.", webhook_secret_run},
	{"log", "LEVEL [DAEMON]", "change the log level until the next start",
	 "LEVEL: error, warn, info, debug. Without DAEMON: of all.", log_run},
	{"alive", "DAEMON", "whether a daemon serves, without asking it",
	 "Exit code 0 when it has restored what it had, and neither it nor its keeper was stopped.", alive_run},
	{"folders", "", "make the daemons' folders, locks and keys, for daemons that are not started by root",
	 "As root. Prints each daemon and the user that it must be started as.", folders_run},
	{"keys", "[status | rotate | finish | recovery-key | recover]", "the daemons' keys",
	 "status, or nothing: makes keys where they are absent, and tells how each is.\n"
	 "rotate: new keys for sipd, hookd and hook-stream; seals hookswitch.yaml and the daemons' stores to them. The "
	 "old\n"
	 "keys still open what is left, until finish: it wipes those that nothing needs any more. Both may be "
	 "interrupted\n"
	 "and repeated. Keys for other hosts (proto/curve.md) are among them where bus.listen or bus.connect is set.\n"
	 "recovery-key: makes the key that restores all others, prints it this once, and seals copies of them to it.\n"
	 "recover: reads the recovery key from standard input and restores the keys that are missing in keys/.",
	 keys_run},
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < HS_COUNT(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_help(void)
{
	puts("usage: hookctl [OPTIONS] COMMAND ...\n\nCommands:");
	for (size_t i = 0; i < HS_COUNT(commands); i++)
		printf("  %-15s %s\n", commands[i].name, commands[i].summary);
	puts("\nOptions (also after the command):\n"
	     "  --home DIR      state of the suite; else $HOOKSWITCH_HOME, else ./var\n"
	     "  --config FILE   else hookswitch.yaml in it\n"
	     "  --token TOKEN   for client operations; else $HOOKSWITCH_TOKEN, else that of quickstart.json\n"
	     "  --json          machine-readable output\n"
	     "  --help          this, or more about a command; --version\n\n"
	     "Exit codes: 0 done, 1 refused or failed, 2 not understood, 3 the suite or a daemon is away.\n"
	     "The bus is open to root, and where the suite runs under one user, to that user.");
}

static int print_command_help(const struct command *command)
{
	printf("usage: hookctl %s %s\n\n%s.\n%s%s", command->name, command->arguments, command->summary, command->help,
	       *command->help ? "\n" : "");
	return HOOKCTL_OK;
}

int hookctl_usage(const struct hookctl *ctl, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "hookctl %s: ", ctl->command);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nusage: hookctl %s %s\n", ctl->command, find(ctl->command)->arguments);
	return HOOKCTL_USAGE;
}

int hookctl_fail(const struct hookctl *ctl, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "hookctl %s: ", ctl->command);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return HOOKCTL_FAILED;
}

bool hookctl_is_elsewhere(const struct hookctl *ctl, enum hs_role role)
{
	const struct hs_config_bus *far = ctl->config->bus;
	if (far->connect_count)
		return role != HS_ROLE_HOOKD && role != HS_ROLE_OPS;
	for (size_t i = 0; role == HS_ROLE_HOOKD && i < far->listen_count; i++)
		if (far->listen[i].binder == HS_FAR_BINDER_HOOKD)
			return true;
	return false;
}

static void take_out(int *count, char **words, int at, int how_many)
{
	memmove(&words[at], &words[at + how_many], (size_t)(*count - at - how_many) * sizeof(*words));
	*count -= how_many;
}

const char *hookctl_option(int *count, char **words, const char *name)
{
	const char *value = NULL;
	for (int i = 0; i < *count;) {
		size_t length = strlen(name);
		if (!strncmp(words[i], "--", 2) && !strncmp(words[i] + 2, name, length) &&
		    words[i][2 + length] == '=') {
			value = words[i] + 3 + length;
			take_out(count, words, i, 1);
		} else if (!strncmp(words[i], "--", 2) && !strcmp(words[i] + 2, name) && i + 1 < *count) {
			value = words[i + 1];
			take_out(count, words, i, 2);
		} else {
			i++;
		}
	}
	return value;
}

bool hookctl_flag(int *count, char **words, const char *name)
{
	bool found = false;
	for (int i = 0; i < *count;) {
		if (!strncmp(words[i], "--", 2) && !strcmp(words[i] + 2, name)) {
			found = true;
			take_out(count, words, i, 1);
		} else {
			i++;
		}
	}
	return found;
}

char *hookctl_token(const struct hookctl *ctl)
{
	const char *environment = getenv("HOOKSWITCH_TOKEN");
	if (ctl->token || environment)
		return hs_strdup(ctl->token ? ctl->token : environment);
	AUTO(free) char *path = hs_printf("%s/quickstart.json", ctl->home);
	if (access(path, R_OK) < 0)
		return NULL;
	AUTO(json_put) struct json_object *facts = json_object_from_file(path);
	return hs_strdup(json_object_get_string(json_object_object_get(facts, "token")));
}

/* --config, or home/hookswitch.yaml when it is there, or defaults and environment alone. */
static struct hs_config *load_config(struct hookctl *ctl, const char *path)
{
	AUTO(free) char *usual = hs_printf("%s/hookswitch.yaml", ctl->home);
	if (!path && access(usual, F_OK) == 0)
		path = usual;
	ctl->config_path = path ? hs_strdup(path) : NULL;
	return hs_config_load(path, HS_ROLE_OPS, stderr);
}

static int run(struct hookctl *ctl, const struct command *command, const char *config_path, int count, char **words)
{
	ctl->command = command->name;
	ctl->config = load_config(ctl, config_path);
	int code = HOOKCTL_FAILED;
	if (ctl->config) {
		hs_privs_setup(ctl->config->security->uid_base);
		code = command->run(ctl, count, words);
		link_close(ctl);
		hs_config_destroy(ctl->config);
	}
	free(ctl->config_path);
	return code;
}

int main(int argc, char **argv)
{
	int count = argc - 1;
	char **words = argv + 1;
	signal(SIGPIPE, SIG_DFL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (sodium_init() < 0)
		return HOOKCTL_FAILED;
	hs_log_setup("hookctl", HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_ERROR);
	bool wants_help = hookctl_flag(&count, words, "help");
	if (hookctl_flag(&count, words, "version")) {
		puts("hookctl " HS_VERSION);
		return HOOKCTL_OK;
	}
	const char *home = hookctl_option(&count, words, "home");
	const char *config = hookctl_option(&count, words, "config");
	const char *environment = getenv("HOOKSWITCH_HOME");
	struct hookctl ctl = {.home = home ? home : environment && *environment ? environment : "var"};
	ctl.token = hookctl_option(&count, words, "token");
	ctl.json = hookctl_flag(&count, words, "json");
	const struct command *command = count > 0 ? find(words[0]) : NULL;
	if (command && wants_help)
		return print_command_help(command);
	if (command)
		return run(&ctl, command, config, count - 1, words + 1);
	if (count > 0)
		fprintf(stderr, "hookctl: there is no command %s\n\n", words[0]);
	print_help();
	return wants_help ? HOOKCTL_OK : HOOKCTL_USAGE;
}
