/* How the rooms are put together and taken apart. */
#include "audio.h"
#include "cleanup.h"
#include "feed.h"
#include "http.h"
#include "lwsio.h"
#include "open.h"
#include "rest.h"
#include "stream.h"
#include "ws.h"
#include <errno.h>
#include <stdlib.h>

#define PER_ADDRESS 1000 /* connections */
#define DRAIN_MS 20      /* how often a stopping front looks whether all have gone */

static struct http *serve_http(struct front *front, int fd)
{
	struct http_setup setup = {
		.loop = front->house->loop,
		.fd = fd,
		.max_clients = front->max_clients,
		.max_per_address = PER_ADDRESS,
		.announced = rest_announced,
		.asked = rest_asked,
		.malformed = rest_malformed,
		.ended = rest_ended,
		.context = front->rest,
	};
	return http_create(&setup);
}

int front_start(struct hs_house *house)
{
	struct front *front = hs_zalloc(sizeof(*front));
	int rest_fd = open_take(house, OPEN_REST), ws_fd = open_take(house, OPEN_WS);
	house->daemon = front;
	front->house = house;
	if (rest_fd < 0 || ws_fd < 0)
		return -EBADF;
	uv_timer_init(house->loop, &front->draining);
	front->draining.data = front;
	front->max_clients = (size_t)house->config->api->max_clients;
	front->audio = audio_create(house->bus);
	front->streams = streams_create(front);
	front->feed = feed_create(front);
	front->rest = rest_create(front);
	front->ws = ws_create(front);
	front->http = serve_http(front, rest_fd);
	front->lwsio = front->http ? hs_lwsio_create(house->loop) : NULL;
	if (!front->lwsio || ws_listen(front->ws, ws_fd) < 0)
		return -EIO;
	front_hear(front);
	return 0;
}

static void look_for_clients(uv_timer_t *timer)
{
	struct front *front = timer->data;
	if (rest_in_flight(front->rest) + hs_lwsio_clients(front->lwsio) > 0)
		return;
	uv_timer_stop(timer);
	hs_daemon_stopped(front->house);
}

/* Clients are told to come back; answers under way still go out. */
void front_stop(struct hs_house *house)
{
	struct front *front = house->daemon;
	http_shut(front->http);
	hs_lwsio_shut(front->lwsio);
	uv_timer_start(&front->draining, look_for_clients, DRAIN_MS, DRAIN_MS);
}

static void free_front(uv_handle_t *draining)
{
	free(draining->data);
}

void front_finish(struct hs_house *house)
{
	struct front *front = house->daemon;
	if (!front)
		return;
	hs_lwsio_destroy(front->lwsio);
	http_destroy(front->http);
	rest_destroy(front->rest);
	streams_destroy(front->streams);
	feed_destroy(front->feed);
	audio_destroy(front->audio);
	ws_destroy(front->ws);
	if (front->draining.data)
		uv_close((uv_handle_t *)&front->draining, free_front);
	else
		free(front);
}
