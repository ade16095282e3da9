/* mediad: RTP, operators' streams, players and tones. */
#include "cleanup.h"
#include "leg_channel.h"
#include "leg_player.h"
#include "leg_rtp_inner.h"
#include "leg_stream.h"
#include "log.h"
#include "mediad.h"
#include "meters.h"
#include "playout.h"
#include "serve.h"
#include "wall.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Two descriptors a leg: as many as the host allows. */
static void raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int build_world(struct mediad *mediad)
{
	const struct hs_config *config = mediad->house->config;
	struct world *world = &mediad->world;
	world->loop = mediad->house->loop;
	world->journal = mediad->house->journal;
	world->keep = mediad->house->keep;
	world->report = &tell_report;
	world->report_context = mediad;
	world->silence_us = config->media->silence_timeout_s * 1000000;
	address_parse(config->server->host, &world->host);
	if (config->server->advertised_host && address_parse(config->server->advertised_host, &world->advertised) < 0)
		hs_log(WARN, "media.bad_advertised_host",
		       LOG_WHY("server.advertised_host is not a numeric address; ignored"));
	world->host.port = world->advertised.port = 0;
	meters_create(&world->meters);
	world->tones = tones_create(config->media->tone_plan);
	world->plays = hs_table_create();
	world->ports = ports_create((uint16_t)config->media->port_min, (uint16_t)config->media->port_max);
	world->pace = pace_create(world->loop);
	world->reader = reader_create(world->loop);
	return world->ports && world->pace && world->reader ? 0 : -EINVAL;
}

static int start(struct hs_house *house)
{
	struct mediad *mediad = hs_zalloc(sizeof *mediad);
	house->daemon = mediad;
	mediad->house = house;
	raise_descriptors();
	int error = build_world(mediad);
	if (error < 0)
		return error;
	mediad->session = session_create(&mediad->world);
	session_restore(mediad->session);
	mediad->world.audio = hs_audio_bind(house->bus, hear_frame, mediad);
	return mediad->world.audio ? 0 : -EADDRNOTAVAIL;
}

/* Every end is closed and its figures told, before the bus lets its queues go out. */
static void stop(struct hs_house *house)
{
	struct mediad *mediad = house->daemon;
	session_close_all(mediad->session);
	hs_daemon_stopped(house);
}

static void finish(struct hs_house *house)
{
	struct mediad *mediad = house->daemon;
	while (mediad->world.readings > 0) /* worker threads still have uploads of ours */
		uv_run(house->loop, UV_RUN_ONCE);
	if (mediad->session)
		session_close_all(mediad->session);
	session_destroy(mediad->session);
	pace_destroy(mediad->world.pace);
	reader_destroy(mediad->world.reader);
	ports_destroy(mediad->world.ports);
	tones_destroy(mediad->world.tones);
	hs_table_destroy(mediad->world.plays);
	free(mediad);
}

static const struct hs_layout layouts[] = {
	HS_LAYOUT("rtp", 1, struct rtp_record), {"stream", 1, &leg_stream_kept}, {"channel", 1, &leg_channel_kept},
	{"sound", 1, &leg_player_kept},         {"playout", 1, &playout_kept},
};

static const struct hs_daemon daemon_row = {
	.name = "mediad",
	.role = HS_ROLE_MEDIAD,
	.sandbox = &mediad_wall,
	.journal_bytes = 4 << 20,
	.layouts = layouts,
	.layouts_count = HS_COUNT(layouts),
	.keeps_legs = true,
	.doors = serve_doors,
	.doors_count = SERVE_DOORS,
	.start = start,
	.stop = stop,
	.finish = finish,
};

int main(int argc, char **argv)
{
	return hs_daemon_main(argc, argv, &daemon_row);
}
