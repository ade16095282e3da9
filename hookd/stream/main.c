#include "audio.h"
#include "ceilings.h"
#include "cleanup.h"
#include "log.h"
#include "metrics.h"
#include "operator.h"
#include "reach.h"
#include "secret.h"
#include "stream.h"
#include "wall.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL_BYTES (64 << 10)

static void add_operator(struct stream *stream, const char *line)
{
	struct operator_link *link = operator_create(stream, line);

	if (link)
		stream->operators[stream->count++] = link;
	else
		hs_daemon_degraded(stream->house, "operator-url", "operator.websocket_url cannot be used; see the log");
}

/* A sealed token is opened for the URL it was sealed for and no other. */
static int open_token(struct stream *stream, const char *url, const char *given, char **ret_token)
{
	AUTO(free) char *destination = hs_printf("url:%s", url);
	int error;

	if (!hs_secret_is_sealed(given)) {
		*ret_token = given ? hs_strdup(given) : NULL;
		if (given)
			hs_log(WARN, "operator.token_plain",
			       LOG_WHY("an operator's auth_token is readable in the configuration and in its backups, "
				       "and "
				       "goes to whatever websocket_url says: seal it for that one by hookctl seal "
				       "operator URL"));
		return 0;
	}
	error = hs_secret_open(stream->house->home, HS_ROLE_HOOK_STREAM, destination, given, ret_token);
	if (error < 0) {
		hs_log(ERROR, "operator.token_unusable", LOG_TEXT("error", strerror(-error)),
		       LOG_WHY(error == -EXDEV ? "it was sealed for another websocket_url: seal it for this one"
					       : "it was not sealed to this suite's hook-stream: seal it again"));
		hs_daemon_degraded(stream->house, "operator-token",
				   "operator.auth_token cannot be opened: nothing is dialled without it; see the log");
	}
	return error;
}

/* Nobody is dialled without his token. */
static void add_application(struct stream *stream, const char *url, const char *given)
{
	struct application *application = &stream->applications[stream->applications_count];
	AUTO(free) char *label = hs_printf("operator=\"%zu\"", stream->applications_count);

	if (!url || open_token(stream, url, given, &application->token) < 0)
		return;
	application->url = url;
	application->reachable =
		hs_metric_gauge("hookswitch_operator_reachable", label,
				"Whether the last try to reach an application succeeded: 0 is the first, "
				"the others its backups in order.");
	stream->applications_count++;
}

static void add_applications(struct stream *stream)
{
	const struct hs_config_operator *operator= stream->house->config->operator;

	stream->applications = hs_zalloc((operator->backups_count + 1) * sizeof(*stream->applications));
	add_application(stream, operator->websocket_url, operator->auth_token);
	for (size_t i = 0; i < operator->backups_count && operator->websocket_url; i++)
		add_application(stream, operator->backups[i].websocket_url, operator->backups[i].auth_token);
}

static void free_applications(struct stream *stream)
{
	for (size_t i = 0; i < stream->applications_count; i++)
		hs_secret_wipe(stream->applications[i].token);
	free(stream->applications);
}

static void add_operators(struct stream *stream)
{
	const struct hs_config *config = stream->house->config;
	const struct hs_config_line *line = hs_config_default_line(config);

	stream->operators = hs_zalloc((config->operator->lines_count + 1) * sizeof(struct operator_link *));
	if (config->operator->websocket_url && !stream->applications_count)
		return; /* said where it happened */
	if (!config->operator->websocket_url)
		hs_log(INFO, "operator.none", LOG_WHY("operator.websocket_url is not set: nothing is dialled"));
	else if (config->operator->lines_count)
		for (size_t i = 0; i < config->operator->lines_count; i++)
			add_operator(stream, config->operator->lines[i]);
	else if (line)
		add_operator(stream, line->id);
}

static void set_up_metrics(struct stream *stream)
{
	static const char lost[] = "hookswitch_operator_frames_dropped_total";
	static const char help[] = "Audio frames dropped between operator and mediad.";

	stream->connected =
		hs_metric_gauge("hookswitch_operator_connections", "via=\"dialled\"", "Open WebSockets to operators.");
	stream->failures = hs_metric_counter("hookswitch_operator_failures_total", "",
					     "Times an operator was lost or could not be reached.");
	stream->lost_to = hs_metric_counter(lost, "direction=\"to_operator\"", help);
	stream->lost_from = hs_metric_counter(lost, "direction=\"from_operator\"", help);
}

static int load(const struct hs_config *config, const char *home, int (*hold)(const char *name, int fd))
{
	hs_lwsio_load();
	return 0;
}

static int start(struct hs_house *house)
{
	struct stream *stream = hs_zalloc(sizeof(*stream));
	const struct hs_config_webhooks *webhooks = house->config->webhooks;

	house->daemon = stream;
	stream->house = house;
	set_up_metrics(stream);
	reach_check(house);
	egress_rules_init(&stream->rules, webhooks->allow_networks, webhooks->allow_networks_count);
	stream->ceiling = reach_ceiling(house, &stream->rules);
	stream->resolve = resolve_create(house->loop);
	stream->lwsio = hs_lwsio_create(house->loop);
	if (!stream->resolve || !stream->lwsio)
		return -EIO;
	add_applications(stream);
	add_operators(stream);
	if (!stream->count)
		return 0;
	stream->audio = audio_create(stream);
	hear_start(stream);
	for (size_t i = 0; i < stream->count; i++)
		operator_start(stream->operators[i]);
	return 0;
}

static void stop(struct hs_house *house)
{
	struct stream *stream = house->daemon;

	stream->ending = true;
	for (size_t i = 0; i < stream->count; i++)
		operator_stop(stream->operators[i]);
	if (!stream->open)
		hs_daemon_stopped(house);
}

static void finish(struct hs_house *house)
{
	struct stream *stream = house->daemon;

	hs_lwsio_destroy(stream->lwsio);
	follow_destroy(stream->follow);
	for (size_t i = 0; i < stream->count; i++)
		operator_destroy(stream->operators[i]);
	audio_destroy(stream->audio);
	resolve_destroy(stream->resolve);
	egress_rules_finish(&stream->rules);
	hs_ceiling_destroy(stream->ceiling);
	free(stream->operators);
	free_applications(stream);
	free(stream);
}

static const struct hs_daemon daemon_table = {
	.name = "hook-stream",
	.role = HS_ROLE_HOOK_STREAM,
	.sandbox = &stream_wall,
	.journal_bytes = JOURNAL_BYTES,
	.open = load,
	.start = start,
	.stop = stop,
	.finish = finish,
};

int main(int argc, char **argv)
{
	return hs_daemon_main(argc, argv, &daemon_table);
}
