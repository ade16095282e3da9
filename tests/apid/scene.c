#include "scene.h"
#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "wire.h"

static const char yaml[] =
	"lines:\n"
	"  - {id: phone1, number: '201', name: Kitchen, may_dial: [town]}\n"
	"  - {id: phone2, number: '202', name: Hall}\n"
	"  - {id: phone3, hotline: lifted}\n"
	"  - {id: trunk1, driver: dahdi, channel: 3, number: '301', port: {signalling: fxsks}}\n"
	"  - {id: trunk2, driver: dahdi, channel: 4, port: {signalling: fxsks}}\n"
	"routes:\n"
	"  - {id: help, pattern: '112', lines: [trunk2, trunk1], emergency: true}\n"
	"  - {id: abroad, pattern: '900.', strip: 1, lines: [trunk1]}\n"
	"  - {id: town, pattern: '9.', strip: 1, prepend: '8W', lines: [trunk1, trunk2]}\n"
	"calls: {max_active: 4, first_digit_timeout_ms: 1000, digit_timeout_ms: 500, busy_tone_ms: 50}\n"
	"webhooks: {}\n";

static void note(struct scene *scene, char *text)
{
	assert_true(scene->notes_count < SCENE_NOTES);
	scene->notes[scene->notes_count++] = text;
}

static void committed(void *context, const struct eventlog_entry *entry)
{
	note(context, hs_printf("tell %s %s", hs_messages[entry->event].name, entry->body));
}

static void ask(void *context, const struct calls_ask *ask)
{
	size_t bytes;
	AUTO(free) char *body = hs_wire_text(hs_messages[ask->message].body, ask->body, &bytes);

	note(context, hs_printf("ask %s %s %s", hs_messages[ask->message].name, ask->leg, body));
}

static void forget(void *context, enum hs_role to, const char *leg)
{
	note(context, hs_printf("forget %s %s", hs_role_names[to], leg));
}

static bool is_up(void *context, enum hs_role role)
{
	const struct scene *scene = context;

	return role != HS_ROLE_MEDIAD || !scene->media_away;
}

static void troubled(void *context, const char *why)
{
	note(context, hs_printf("troubled %s", why ? why : "no more"));
}

static void turn(void *context)
{
	struct scene *scene = context;

	if (scene->calls)
		calls_save(scene->calls);
	if (scene->lines)
		lines_save(scene->lines);
}

static void read_config(struct scene *scene)
{
	AUTO(free) char *path = hs_printf("%s/hookswitch.yaml", scene->folder);
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	assert_true(fputs(yaml, out) >= 0);
	fclose(out);
	scene->config = hs_config_load(path, HS_ROLE_APID, stderr);
	assert_non_null(scene->config);
}

static void open_log(struct scene *scene)
{
	struct store_setup store = {&scene->loop, scene->folder, HS_DURABILITY_GROUP, troubled, turn, scene};
	struct eventlog_setup log = {.loop = &scene->loop,
				     .folder = scene->folder,
				     .node = "1",
				     .boot_id = scene->boot_id ? scene->boot_id : "boot",
				     .retention_ms = scene->retention_ms ? scene->retention_ms : 86400000,
				     .committed = committed,
				     .context = scene};

	log.store = scene->store = store_create(&store);
	assert_non_null(scene->store);
	scene->log = eventlog_create(&log);
	assert_non_null(scene->log);
}

static void put_on_hook(struct scene *scene)
{
	static const struct hs_line_changed registered = {
		.reachable = true, .contacts = 1, .address = "192.0.2.7:5060"};
	struct line *line;

	for (size_t i = 0; (line = lines_at(scene->lines, i)); i++)
		if (!line->reachable)
			line_heard(line, &registered, hs_clock_wall_ms());
}

void scene_open(struct scene *scene)
{
	struct calls_setup calls = {&scene->loop, NULL, NULL, NULL, NULL, NULL, ask, forget, is_up, scene, NULL};
	struct streams_setup streams = {NULL, NULL, NULL, NULL, ask, forget, scene};

	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	if (!scene->folder)
		scene->folder = make_folder();
	assert_int_equal(uv_loop_init(&scene->loop), 0);
	read_config(scene);
	open_log(scene);
	scene->lines = lines_create(scene->config, scene->store, scene->log);
	scene->routes = routes_create(scene->config);
	calls.config = scene->config;
	calls.store = streams.store = scene->store;
	calls.log = streams.log = scene->log;
	calls.lines = streams.lines = scene->lines;
	calls.routes = scene->routes;
	scene->calls = streams.calls = calls_create(&calls);
	scene->streams = streams_create(&streams);
	put_on_hook(scene);
	scene_turn(scene);
	scene->seen = scene->notes_count;
}

void scene_close(struct scene *scene, bool clean)
{
	store_commit(scene->store);
	eventlog_close(scene->log, clean);
	calls_destroy(scene->calls);
	scene->calls = NULL;
	store_destroy(scene->store);
	streams_destroy(scene->streams);
	routes_destroy(scene->routes);
	lines_destroy(scene->lines);
	scene->lines = NULL;
	eventlog_destroy(scene->log);
	hs_config_destroy(scene->config);
	uv_run(&scene->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&scene->loop), 0);
}

void scene_end(struct scene *scene)
{
	static const char *const files[] = {"apid.db", "apid.db-wal", "apid.db-shm", "redo", "told", "hookswitch.yaml"};

	scene_close(scene, true);
	for (size_t i = 0; i < HS_COUNT(files); i++) {
		AUTO(free) char *path = hs_printf("%s/%s", scene->folder, files[i]);

		unlink(path);
	}
	rmdir(scene->folder);
	free(scene->folder);
	for (size_t i = 0; i < scene->notes_count; i++)
		free(scene->notes[i]);
}

void scene_turn(struct scene *scene)
{
	for (int i = 0; i < 3; i++)
		uv_run(&scene->loop, UV_RUN_NOWAIT);
}

void scene_expect(struct scene *scene, ...)
{
	va_list arguments;
	const char *text;

	scene_turn(scene);
	va_start(arguments, scene);
	while ((text = va_arg(arguments, const char *))) {
		size_t at = scene->seen;

		while (at < scene->notes_count && !strstr(scene->notes[at], text))
			at++;
		if (at == scene->notes_count)
			for (size_t i = scene->seen; i < scene->notes_count; i++)
				print_error("%s\n", scene->notes[i]);
		if (at == scene->notes_count)
			fail_msg("not among the notes: %s", text);
		scene->seen = at + 1;
	}
	va_end(arguments);
}

void scene_expect_none(struct scene *scene, const char *text)
{
	scene_turn(scene);
	for (size_t i = scene->seen; i < scene->notes_count; i++)
		if (strstr(scene->notes[i], text))
			fail_msg("unexpected: %s", scene->notes[i]);
}

struct leg *scene_incoming(struct scene *scene, const char *line, const char *dialled)
{
	static int number;
	AUTO(free) char *leg = hs_printf("l%d", ++number);
	AUTO(free) char *call = hs_printf("c%d", number);
	struct hs_leg_incoming fact = {.leg = leg, .call = call, .line = line, .dialled = dialled};

	calls_incoming(scene->calls, HS_ROLE_SIPD, &fact, hs_clock_wall_ms());
	return calls_find_leg(scene->calls, leg);
}

struct leg *scene_media_opened(struct call *call)
{
	struct leg *leg = &call->legs[call->legs_count - 1];

	assert_int_equal(leg->media, LEG_MEDIA_OPENING);
	calls_media_opened(leg, "v=0", 0);
	return leg;
}

void scene_leg_ends(struct leg *leg, enum hs_cause cause, bool by_far_end)
{
	struct hs_leg_ended fact = {.leg = leg->id, .cause = cause, .by_far_end = by_far_end};
	struct hs_media_figures figures = {.packets_received = 5};

	calls_leg_ended(leg, &fact, hs_clock_wall_ms());
	calls_media_closed(leg, &figures);
}

void scene_press(struct leg *leg, const char *digits)
{
	for (; *digits; digits++) {
		const char text[2] = {*digits, '\0'};
		struct hs_leg_digit fact = {leg->id, text, HS_DIGIT_PHASE_BEGIN, 0, HS_DIGIT_SOURCE_RFC4733};

		calls_leg_digit(leg, &fact, hs_clock_wall_ms());
		fact.phase = HS_DIGIT_PHASE_END;
		fact.duration_ms = 80;
		calls_leg_digit(leg, &fact, hs_clock_wall_ms());
	}
}
