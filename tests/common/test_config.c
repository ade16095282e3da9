#include "check.h"
#include "cleanup.h"
#include "config.h"
#include "log.h"
#include <sys/mman.h>

/* Loads a text as a file would be; the faults as one text. The caller destroys the configuration. */
static struct hs_config *load(const char *yaml, size_t bytes, enum hs_role role, char **ret_faults)
{
	char path[64];
	AUTO(close) int fd = memfd_create("config", 0);
	size_t size;
	FILE *faults = open_memstream(ret_faults, &size);
	struct hs_config *config;

	assert_int_equal(write(fd, yaml, bytes), bytes);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = hs_config_load(path, role, faults);
	fclose(faults);
	return config;
}

/* Faults without the name of the file: "12: server.rest_prt: ...". */
static char *faults_of(const char *yaml)
{
	AUTO(free) char *faults = NULL;
	struct hs_config *config = load(yaml, strlen(yaml), HS_ROLE_OPS, &faults);
	char *shown = hs_zalloc(strlen(faults) + 1), *out = shown;

	hs_config_destroy(config);
	for (const char *line = faults; *line;) {
		size_t length = strcspn(line, "\n");

		if (strncmp(line, "/proc/self/fd/", 14) == 0) {
			size_t skip = strcspn(line, ":") + 1;

			line += skip;
			length -= skip;
		}
		memcpy(out, line, length + 1);
		out += length + 1;
		line += length + 1;
	}
	return shown;
}

#define TRUNK                                                                                                          \
	"lines:\n  - {id: t, driver: dahdi, channel: 1, port: {signalling: fxsks}, number: '9'}\n  - {id: p, number: " \
	"10-1}\n"

static const struct {
	const char *yaml, *fault; /* the whole of the faults */
} bad[] = {
	{"server:\n  host: 0.0.0.0\n  rest_prt: 1\n", "3: server.rest_prt: unknown key; did you mean rest_port?\n"},
	{"rest_port: 1\n", "1: rest_port: unknown key; did you mean server.rest_port?\n"},
	{"colour: red\n", "1: colour: unknown key\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '9.', lines: [t, nobody]}\n",
	 "5: routes[0].lines[1]: there is no line nobody; add it to lines or leave it out\n"},
	{TRUNK "groups:\n  - {id: g, lines: [p, nobody]}\n",
	 "5: groups[0].lines[1]: there is no line nobody; add it to lines or leave it out\n"},
	{TRUNK "groups:\n  - {id: g, lines: [t]}\n",
	 "5: groups[0].lines[0]: t is an exchange line, at which nobody can be rung\n"},
	{TRUNK "groups:\n  - {id: p, lines: [p]}\n", "5: groups[0].id: p is the id of a line; choose another\n"},
	{TRUNK "groups:\n  - {id: g, number: 10-1, lines: [p]}\n",
	 "5: groups[0].number: 10-1 is taken by lines[1].number; choose another\n"},
	{TRUNK "numbers: {country: '+49'}\n", "4: numbers.country: must be digits\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '9.', lines: [p]}\n",
	 "5: routes[0].lines[0]: p is no exchange line: those have driver dahdi and port.signalling fxsks or fxsls\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '9.', lines: []}\n",
	 "5: routes[0].lines: is empty: name the exchange lines that it takes\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '101', lines: [t]}\n",
	 "5: routes[0].pattern: 101 is the number of line p, which comes first; choose another\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '0', lines: [t]}\n",
	 "5: routes[0].pattern: 0 is calls.operator_number, which comes first; choose another\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '9.', lines: [t]}\n  - {id: a, pattern: '9.', lines: [t]}\n",
	 "6: routes[1].id: a is taken by another route; choose another\n"
	 "6: routes[1].pattern: is that of route a too, which comes first; leave one of them out\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '9.1', lines: [t]}\n",
	 "5: routes[0].pattern: has a dot before its end, where it stands for one or more of anything\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '9.', strip: 2, lines: [t]}\n",
	 "5: routes[0].strip: is more than the 1 characters that the pattern begins with\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '91', strip: 2, lines: [t]}\n",
	 "5: routes[0].strip: leaves nothing to dial; give less, or prepend\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '91', max_length: 5, lines: [t]}\n",
	 "5: routes[0].max_length: is for patterns with a dot; this one says how long its numbers are\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '911.', max_length: 3, lines: [t]}\n",
	 "5: routes[0].max_length: must be at least 4, as long as the pattern\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '10', emergency: true, lines: [t]}\n",
	 "5: routes[0].pattern: is an emergency number, with which the number of line p begins: a handset could not "
	 "dial it; choose another number for the line\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '+.', lines: [t]}\n",
	 "5: routes[0].strip: must be at least 1: an exchange line cannot dial +; prepend what stands for it, such as "
	 "00\n"},
	{TRUNK "routes:\n  - {id: a, pattern: '9.', prepend: '+49', lines: [t]}\n",
	 "5: routes[0].prepend: may hold digits, * and #, and W for a pause\n"},
	{"calls: {outside_to_outside: false}\nlines: [{id: t, driver: dahdi, channel: 1, port: {signalling: fxsks}, "
	 "incoming: '9 1'}]\nroutes: [{id: a, pattern: '9.', strip: 1, lines: [t]}]\n",
	 "2: lines[0].incoming: leads its callers out again by route a; set calls.outside_to_outside, and may_dial of "
	 "the line, if that is meant\n"},
	{"lines: [{id: p, may_dial: [a]}]\n",
	 "1: lines[0].may_dial[0]: there is no route a; add it to routes or leave it out\n"},
	{"server:\n  rest_port: 70000\n", "2: server.rest_port: must be from 1 to 65535\n"},
	{"server:\n  rest_port: \"80\"\n", "2: server.rest_port: must be a whole number\n"},
	{"server:\n  rest_port: 80.5\n", "2: server.rest_port: must be a whole number\n"},
	{"server:\n  rest_port: 99999999999999999999\n", "2: server.rest_port: must be a whole number\n"},
	{"server:\n  rest_port: [1]\n", "2: server.rest_port: must be a whole number\n"},
	{"server: 5\n", "1: server: must be an object\n"},
	{"server: [1, 2]\n", "1: server: must be an object\n"},
	{"lines: {id: a}\n", "1: lines: must be a list\n"},
	{"lines:\n  - id: a\n  - number: 5\n", "3: lines[1].id: is missing\n"},
	{"lines:\n  - id: a\n  - id: b c\n", "3: lines[1].id: must be an id of letters, digits and _ . ~ -\n"},
	{"lines:\n  - id: a\n  - id: b\n  - id: a\n", "4: lines[2].id: a is taken by lines[0].id; choose another\n"},
	{"lines:\n  - id: a\n  - id: b\n    user: a\n",
	 "4: lines[1].user: a is taken by lines[0].id; choose another\n"},
	{"lines:\n  - {id: a, number: 5}\n  - {id: b, number: \"5\"}\n",
	 "3: lines[1].number: 5 is taken by lines[0].number; choose another\n"},
	{"lines:\n  - {id: a, number: 0}\n",
	 "2: lines[0].number: 0 is taken by calls.operator_number; choose another\n"},
	{"lines:\n  - {id: a, number: b}\n  - id: b\n",
	 "2: lines[0].number: b is the id of another line, which is dialled by it; choose another\n"},
	{"lines:\n  - id: a\n    driver: isdn\n", "3: lines[0].driver: must be one of sip, dahdi\n"},
	{"lines:\n  - id: a\n    driver: dahdi\n",
	 "2: lines[0].channel: is missing: an analog line needs the number of its DAHDI channel\n"},
	{"dahdi: {block_ms: 25}\n", "1: dahdi.block_ms: must be a multiple of 10\n"},
	{"dahdi: {device: dev/dahdi}\n", "1: dahdi.device: must be an absolute path, such as /dev/dahdi\n"},
	{"lines:\n  - id: a\n    secret: plain\n",
	 "3: lines[0].secret: must be a sealed text; make it with: hookctl seal\n"},
	{"calls:\n  default_line: x\n", "2: calls.default_line: there is no line x; add it to lines or name another\n"},
	{"operator:\n  lines: [x]\n", "2: operator.lines[0]: there is no line x; add it to lines or leave it out\n"},
	{"operator:\n  websocket_url: http://x\n",
	 "2: operator.websocket_url: must begin with wss:// or ws:// and a host\n"},
	{"operator:\n  websocket_url: \"ws://a\\r\\nb\"\n",
	 "2: operator.websocket_url: must be a URL in printable ASCII\n"},
	{"operator:\n  websocket_url: ws://a/ b\n", "2: operator.websocket_url: must be a URL in printable ASCII\n"},
	{"operator:\n  websocket_url: wss://\n",
	 "2: operator.websocket_url: must begin with wss:// or ws:// and a host\n"},
	{"webhooks:\n  outgoing:\n    state:\n      url: ftp://x\n",
	 "4: webhooks.outgoing.state.url: must begin with https:// or http:// and a host\n"},
	{"webhooks:\n  outgoing:\n    dtmf:\n      url: https://u:p@x/\n",
	 "4: webhooks.outgoing.dtmf.url: must not hold a password\n"},
	{"webhooks:\n  outgoing:\n    dtmf:\n      events: [off_hook]\n",
	 "3: webhooks.outgoing.dtmf.url: is missing\n"},
	{"webhooks:\n  outgoing:\n    state:\n      url: https://x\n      events: [asleep]\n",
	 "5: webhooks.outgoing.state.events[0]: must be one of offline, on_hook, ringing, off_hook\n"},
	{"webhooks:\n  allow_networks:\n    - 10.0.0.0/8\n    - 10.0.0.0/33\n",
	 "4: webhooks.allow_networks[1]: must be a network such as 192.168.0.0/16 or fd00::/8\n"},
	{"sip:\n  local_networks: [here]\n",
	 "2: sip.local_networks[0]: must be a network such as 192.168.0.0/16 or fd00::/8\n"},
	{"sip:\n  local_networks: [10.0.0.0/-1]\n",
	 "2: sip.local_networks[0]: must be a network such as 192.168.0.0/16 or fd00::/8\n"},
	{"media:\n  port_min: 30000\n  port_max: 20001\n", "3: media.port_max: must be above media.port_min\n"},
	{"media:\n  port_min: 20001\n",
	 "2: media.port_min: the range must begin with an even port and end with an odd one\n"},
	{"server:\n  sip_port: 20500\n",
	 "2: server.sip_port: lies between media.port_min and media.port_max; choose another\n"},
	{"server:\n  ws_port: 8000\n", "2: server.ws_port: is server.rest_port too; choose another\n"},
	{"server:\n  sip_port: 8001\n", "2: server.sip_port: is an HTTP port too; choose another\n"},
	{"server:\n  host: localhost\n",
	 "2: server.host: must be a numeric address, such as 0.0.0.0 or 192.168.1.10\n"},
	{"server:\n  domain: a b\n",
	 "2: server.domain: must be a host name of at most 63 letters, digits, dots and dashes\n"},
	{"sip:\n  min_expires_s: 600\n  max_expires_s: 300\n",
	 "2: sip.min_expires_s: must not be above sip.max_expires_s\n"},
	{"webhooks:\n  retry:\n    delay_ms: 9000\n",
	 "3: webhooks.retry.delay_ms: must not be above webhooks.retry.max_delay_ms\n"},
	{"node: a-b\n", "1: node: must be one to four letters and digits\n"},
	{"node: abcde\n", "1: node: must be one to four letters and digits\n"},
	{"api:\n  tokens:\n    - {name: a, hash: b, scopes: [everything]}\n",
	 "3: api.tokens[0].scopes[0]: everything is no scope; see the reference of api.tokens\n"},
	{"api:\n  origins: [\"https://x/y\"]\n",
	 "2: api.origins[0]: must be scheme, host and port only, without a path\n"},
	{"log:\n  level: info\n  level: debug\n", "3: log.level: stands here for the second time; leave one of them\n"},
	{"log: &a\n  level: info\n", "1: log: anchors are not understood here; leave &... out\n"},
	{"log: *a\n", "1: log: aliases are not understood here; write the value out\n"},
	{"log: !!map\n  level: info\n", "1: log: tags are not understood here; leave !... out\n"},
	{"log:\n  <<: {level: info}\n", "2: log.<<: unknown key\n"},
	{"? [a]\n: b\n", "1: a key must be a plain word\n"},
	{"node: \"1\"\n---\nnode: \"2\"\n", "2: a second document begins here; one is enough\n"},
	{"- a\n", "1: must be keys and values\n"},
	{"just text\n", "1: must be keys and values\n"},
	{"node: \"1\\0\"\n", "1: node: must be text without NUL\n"},
	{"server:\n  domain: \"\\e[31m\"\n", "2: server.domain: must be UTF-8 text without control characters\n"},
	{"node: b: c\n", "1: mapping values are not allowed in this context\n"},
	{"node: \"unfinished\n", "2: found unexpected end of stream\n"},
	{"\tnode: 1\n", "1: found character that cannot start any token\n"},
	{"node: \xff\n", "1: invalid leading UTF-8 octet\n"},
	/* Several faults at once, each with its own line. */
	{"nod: 1\nserver:\n  rest_port: 0\n  ws_port: x\nlog:\n  level: loud\n",
	 "1: nod: unknown key; did you mean node?\n3: server.rest_port: must be from 1 to 65535\n"
	 "4: server.ws_port: must be a whole number\n6: log.level: must be one of error, warn, info, debug\n"},
};

static void names_line_key_and_mend(void **state)
{
	for (size_t i = 0; i < HS_COUNT(bad); i++) {
		AUTO(free) char *faults = faults_of(bad[i].yaml);

		assert_string_equal(faults, bad[i].fault);
	}
}

static void bounds_depth_and_size(void **state)
{
	AUTO(free) char *huge = hs_zalloc((4 << 20) + 2);
	AUTO(free) char *deep = hs_zalloc(100000);
	AUTO(free) char *faults = NULL;

	memset(huge, '#', (4 << 20) + 1);
	free(faults_of(huge));
	assert_null(load(huge, (4 << 20) + 1, HS_ROLE_OPS, &faults));
	assert_non_null(strstr(faults, "is larger than 4 MiB"));
	memcpy(deep, "unknown: ", 9);
	memset(deep + 9, '[', 90000);
	free(TAKE(faults));
	faults = faults_of(deep);
	assert_non_null(strstr(faults, "1: unknown: is nested too deeply\n"));
	memset(deep, 0, 100000);
	memcpy(deep, "lines: [", 8);
	for (int i = 0; i < 20000; i++)
		memcpy(deep + 8 + 3 * i, "{},", 3);
	memcpy(deep + 8 + 60000, "]", 1);
	free(TAKE(faults));
	faults = faults_of(deep);
	assert_string_equal(faults, "1: lines: must have at most 10000 items\n");
}

static void missing_file_is_a_fault(void **state)
{
	AUTO(free) char *faults = NULL;
	size_t size;
	FILE *out = open_memstream(&faults, &size);

	assert_null(hs_config_load("/nonexistent/hookswitch.yaml", HS_ROLE_OPS, out));
	fclose(out);
	assert_string_equal(faults, "/nonexistent/hookswitch.yaml:1: cannot be opened: No such file or directory\n");
}

static void defaults_are_good(void **state)
{
	static const char *const empty[] = {"", "# nothing\n", "server:\nlines: ~\ncalls: null\n", "{}\n"};

	for (size_t i = 0; i < HS_COUNT(empty); i++) {
		AUTO(free) char *faults = NULL;
		struct hs_config *config = load(empty[i], strlen(empty[i]), HS_ROLE_SIPD, &faults);

		assert_string_equal(faults, "");
		assert_non_null(config);
		assert_int_equal(config->server->rest_port, 8000);
		assert_string_equal(config->node, "1");
		assert_int_equal(config->log->level, HS_LOG_LEVEL_INFO);
		assert_null(hs_config_default_line(config));
		hs_config_destroy(config);
	}
	hs_config_destroy(NULL);
}

/* The example of the original design, with lines that use YAML's freedoms. */
static const char example[] = "server:\n"
			      "  host: \"0.0.0.0\"\n"
			      "  rest_port: 8000\n"
			      "  sip_port: 5060\n"
			      "lines:\n"
			      "  - id: phone1\n"
			      "    number: 0123    # a number is text, however it looks\n"
			      "    secret: \"sealed:abc\"\n"
			      "    name: 'Anna \"A\" \\ Ä'\n"
			      "  - {id: phone2, number: +49301, driver: dahdi, channel: 3, name: true}\n"
			      "calls: {default_line: phone2, busy_tone_ms: 0}\n"
			      "webhooks:\n"
			      "  outgoing:\n"
			      "    state:\n"
			      "      url: \"https://operator/state-webhook\"\n"
			      "      events: [\"off_hook\", \"on_hook\", \"ringing\"]\n"
			      "    dtmf:\n"
			      "      url: \"https://operator/dtmf-webhook\"\n"
			      "  retry:\n"
			      "    count: 3\n"
			      "    delay_ms: 500\n"
			      "    max_delay_ms: 5000\n"
			      "  allow_networks: [127.0.0.0/8, \"::1/128\"]\n"
			      "operator:\n"
			      "  websocket_url: \"wss://operator/audio\"\n"
			      "  auth_token: \"secret-token\"\n"
			      "  lines:\n"
			      "  - phone1\n"
			      "api:\n"
			      "  tokens:\n"
			      "    - name: me\n"
			      "      hash: 00ff\n"
			      "      scopes: [calls:read, audio]\n";

static struct hs_config *load_example(enum hs_role role)
{
	AUTO(free) char *faults = NULL;
	struct hs_config *config = load(example, strlen(example), role, &faults);

	assert_string_equal(faults, "");
	assert_non_null(config);
	return config;
}

static void reads_the_example(void **state)
{
	struct hs_config *config = load_example(HS_ROLE_OPS);

	assert_int_equal(config->lines_count, 2);
	assert_string_equal(config->lines[0].number, "0123");
	assert_string_equal(config->lines[0].name, "Anna \"A\" \\ Ä");
	assert_string_equal(config->lines[1].name, "true");
	assert_int_equal(config->lines[1].driver, HS_DRIVER_DAHDI);
	assert_ptr_equal(hs_config_default_line(config), &config->lines[1]);
	assert_ptr_equal(hs_config_find_line(config, "phone1"), &config->lines[0]);
	assert_null(hs_config_find_line(config, "phone3"));
	assert_null(hs_config_find_line(config, NULL));
	assert_int_equal(config->calls->busy_tone_ms, 0);
	assert_int_equal(config->webhooks->outgoing->state->events_count, 3);
	assert_int_equal(config->webhooks->outgoing->state->events[2], HS_LINE_STATE_RINGING);
	assert_string_equal(config->operator->auth_token, "secret-token");
	hs_config_destroy(config);
}

static void others_secrets_are_wiped(void **state)
{
	struct hs_config *config = load_example(HS_ROLE_SIPD);

	assert_string_equal(config->lines[0].secret, "sealed:abc");
	assert_null(config->operator->auth_token);
	assert_int_equal(config->api->tokens_count, 0);
	hs_config_destroy(config);
	config = load_example(HS_ROLE_HOOK_STREAM);
	assert_null(config->lines[0].secret);
	assert_string_equal(config->operator->auth_token, "secret-token");
	hs_config_destroy(config);
	config = load_example(HS_ROLE_APID);
	assert_int_equal(config->api->tokens_count, 1);
	assert_string_equal(config->api->tokens[0].name, "me");
	hs_config_destroy(config);
}

static char *dump(const struct hs_config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	hs_config_dump(config, out);
	fclose(out);
	return text;
}

/* What a dump says is read back as the same, but for the secrets, which it does not say. */
static void dump_reads_back(void **state)
{
	struct hs_config *config = load_example(HS_ROLE_OPS), *again;
	AUTO(free) char *faults = NULL;
	AUTO(free) char *first = dump(config);
	AUTO(free) char *second = NULL;
	AUTO(free) char *third = NULL;

	assert_null(strstr(first, "sealed:abc"));
	assert_null(strstr(first, "secret-token"));
	assert_non_null(strstr(first, "    # secret: # set, not shown\n"));
	assert_non_null(strstr(first, "  # auth_token: # set, not shown\n"));
	hs_config_destroy(config);
	config = load(first, strlen(first), HS_ROLE_OPS, &faults);
	assert_string_equal(faults, "");
	assert_string_equal(config->lines[0].name, "Anna \"A\" \\ Ä");
	assert_string_equal(config->lines[0].number, "0123");
	second = dump(config);
	free(TAKE(faults));
	again = load(second, strlen(second), HS_ROLE_OPS, &faults);
	third = dump(again);
	assert_string_equal(second, third);
	hs_config_destroy(config);
	hs_config_destroy(again);
}

static void environment_goes_over_the_file(void **state)
{
	AUTO(free) char *faults = NULL;
	struct hs_config *config;

	setenv("HOOKSWITCH_SERVER_REST_PORT", "8010", 1);
	setenv("HOOKSWITCH_SERVER_SIP_PORT", "", 1); /* empty: not set */
	setenv("HOOKSWITCH_WEBHOOKS_OUTGOING_STATE_URL", "https://elsewhere/", 1);
	setenv("HOOKSWITCH_LOG_LEVEL", "debug", 1);
	setenv("HOOKSWITCH_SERVER_REST_PRT", "1", 1); /* warned about, no fault */
	config = load_example(HS_ROLE_OPS);
	assert_int_equal(config->server->rest_port, 8010);
	assert_int_equal(config->server->sip_port, 5060);
	assert_string_equal(config->webhooks->outgoing->state->url, "https://elsewhere/");
	assert_int_equal(config->webhooks->outgoing->state->events_count, 3);
	assert_int_equal(config->log->level, HS_LOG_LEVEL_DEBUG);
	hs_config_destroy(config);
	config = hs_config_load(NULL, HS_ROLE_OPS, NULL);
	assert_string_equal(config->webhooks->outgoing->state->url, "https://elsewhere/");
	hs_config_destroy(config);
	setenv("HOOKSWITCH_SERVER_REST_PORT", "eighty", 1);
	setenv("HOOKSWITCH_SERVER_HOST", "localhost", 1);
	assert_null(load(example, strlen(example), HS_ROLE_OPS, &faults));
	assert_non_null(strstr(faults, "HOOKSWITCH_SERVER_REST_PORT: server.rest_port: must be a whole number\n"));
	clearenv();
}

static void knows_emergency_numbers(void **state)
{
	static const char yaml[] =
		"lines:\n  - {id: t, driver: dahdi, channel: 1, port: {signalling: fxsks}}\n"
		"  - {id: u, driver: dahdi, channel: 2, port: {signalling: fxsks}}\n"
		"routes:\n  - {id: town, pattern: '9.', strip: 1, lines: [t]}\n"
		"  - {id: help, pattern: '112', lines: [t], emergency: true}\n"
		"  - {id: far, pattern: '9911', strip: 1, prepend: '0W', lines: [t], emergency: true}\n"
		"  - {id: long, pattern: '116.', strip: 3, prepend: '88', max_length: 6, lines: [t], emergency: true}\n"
		"  - {id: one, pattern: '5', strip: 1, prepend: '7', lines: [t], emergency: true}\n";
	static const struct {
		const char *line, *sent;
		bool is;
	} rows[] = {{"t", "112", true},    {"t", "1W1-2", true}, {"t", "1120", false},   {"t", "11", false},
		    {"u", "112", false},   {"t", "0W911", true}, {"t", "0911", true},    {"t", "911", false},
		    {"t", "W9911", false}, {"t", "88117", true}, {"t", "881234", false}, {"t", "7", true},
		    {"t", "", false}};
	AUTO(free) char *faults = NULL;
	struct hs_config *config = load(yaml, strlen(yaml), HS_ROLE_DAHDID, &faults);

	assert_non_null(config);
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (hs_config_is_emergency(config, rows[i].line, rows[i].sent) != rows[i].is)
			fail_msg("%s at %s", rows[i].sent, rows[i].line);
	hs_config_destroy(config);
}

static struct hs_ceilings *load_ceilings(const char *text)
{
	char path[] = "/tmp/ceilings-XXXXXX.yaml";
	int fd = mkstemps(path, 5);
	struct hs_ceilings *ceilings;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ceilings = hs_config_load_ceilings(path, NULL);
	unlink(path);
	return ceilings;
}

static void reads_ceilings(void **state)
{
	static const char *const faulty[] = {
		"calls: { at_once: many }\n",
		"calls: { at_once: -1 }\n",
		"calls: { refused: [call me] }\n",
		"callz: {}\n",
		"server: { rest_port: 1 }\n",
		"[]\n",
		"calls: [\n",
	};
	struct hs_ceilings *ceilings = load_ceilings("calls: { at_once: 0, refused: [\"00.\"] }\n");

	assert_non_null(ceilings);
	assert_int_equal(ceilings->calls->at_once, 0);
	assert_int_equal(ceilings->calls->per_hour, 200);
	assert_string_equal(ceilings->calls->refused[0], "00.");
	assert_null(ceilings->outgoing->hosts);
	hs_config_destroy_ceilings(ceilings);
	for (size_t i = 0; i < HS_COUNT(faulty); i++)
		assert_null(load_ceilings(faulty[i]));
	assert_null(hs_config_load_ceilings("/nonexistent", NULL));
	hs_config_destroy_ceilings(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_line_key_and_mend),        cmocka_unit_test(bounds_depth_and_size),
		cmocka_unit_test(missing_file_is_a_fault),        cmocka_unit_test(defaults_are_good),
		cmocka_unit_test(knows_emergency_numbers),        cmocka_unit_test(reads_the_example),
		cmocka_unit_test(others_secrets_are_wiped),       cmocka_unit_test(dump_reads_back),
		cmocka_unit_test(environment_goes_over_the_file), cmocka_unit_test(reads_ceilings),
	};

	clearenv();
	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
