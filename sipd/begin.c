#include "begin.h"
#include "cleanup.h"
#include "clock.h"
#include "dialog.h"
#include "keepalive.h"
#include "ladder.h"
#include "lamp.h"
#include "life.h"
#include "log.h"
#include "registrar.h"
#include "request.h"
#include "restore.h"
#include "sipd.h"
#include "wiretap.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UDP_NAME "sip.udp"
#define TCP_NAME "sip.tcp"
#define STORE_AGAIN_MS 3000
#define WAITING_BYTES (8 << 20) /* of datagrams, while we are busy or dead: what the kernel has no room for is lost */

/* ---- the keeper's part ---- */

/* What a keeper before us has bound already is held by now. */
static int bind_socket(const struct hs_config_server *server, int type, const char *name,
		       int (*hold)(const char *name, int fd))
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->sip_port)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)server->sip_port)};
	bool is_four = inet_pton(AF_INET, server->host, &four.sin_addr) == 1;
	if (!is_four && inet_pton(AF_INET6, server->host, &six.sin6_addr) != 1)
		return -EADDRNOTAVAIL;
	const struct sockaddr *address = is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	if (hs_keeper_is_bound(name, address, is_four ? sizeof(four) : sizeof(six)))
		return 0;
	int fd = socket(address->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (type == SOCK_STREAM) /* connections that linger must not keep us from starting again */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	else if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){WAITING_BYTES}, sizeof(int))) /* only root may */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){WAITING_BYTES}, sizeof(int));
	int error = bind(fd, address, is_four ? sizeof(four) : sizeof(six)) ? -errno : hold(name, fd);
	if (error)
		close(fd);
	return error;
}

static int hold_socket(const struct hs_config_server *server, int type, const char *name,
		       int (*hold)(const char *name, int fd))
{
	int result = bind_socket(server, type, name, hold);
	if (result)
		hs_log(ERROR, "sip.port_failed", LOG_TEXT("setting", "server.sip_port"), LOG_TEXT("host", server->host),
		       LOG_INT("port", server->sip_port), LOG_TEXT("transport", type == SOCK_DGRAM ? "udp" : "tcp"),
		       LOG_WHY(result == -EADDRINUSE ? "another program uses this port; stop it or choose another port"
						     : strerror(-result)));
	return result;
}

int begin_open(const struct hs_config *config, const char *home, int (*hold)(const char *name, int fd))
{
	int result = hold_socket(config->server, SOCK_DGRAM, UDP_NAME, hold);
	return result ? result : hold_socket(config->server, SOCK_STREAM, TCP_NAME, hold);
}

/* ---- the child's ---- */

static void binding_changed(void *context, const char *key, const struct binding *binding, bool gone)
{
	struct sipd *sipd = context;
	if (sipd->store)
		store_put(sipd->store, key, binding, gone);
	if (!gone && binding->nat)
		keepalive_wake(sipd->keepalive);
	lamps_binding(sipd->lamps, binding, gone);
}

static void restore_binding(void *context, const struct binding *binding)
{
	struct sipd *sipd = context;
	const struct user *user = users_of_line(sipd->users, binding->line);
	int64_t now_ms = hs_clock_lasting_ms(), longest_ms = sipd->config->sip->max_expires_s * 1000;
	struct binding bounded = *binding;
	if (bounded.expires_ms > now_ms + longest_ms) /* the disk is from before somebody set the clock back */
		bounded.expires_ms = now_ms + longest_ms;
	if (user) /* a line that was taken out of the configuration rings no more */
		locations_restore(sipd->locations, &bounded, now_ms);
}

static void restore_record(void *context, const char *key, const void *value, size_t bytes)
{
	struct binding binding;
	if (bytes != sizeof(binding))
		return;
	memcpy(&binding, value, sizeof(binding));
	restore_binding(context, &binding);
	struct sipd *sipd = context;
	if (sipd->store) /* it may have died before the disk knew */
		store_put(sipd->store, key, &binding, false);
}

/* The journal is newer than the disk; where it began anew with the suite, the disk knows all there is. */
static void restore_bindings(struct sipd *sipd)
{
	bool same_suite = hs_keep_deaths(sipd->house->keep) > 0;
	hs_journal_each(sipd->house->journal, "binding/", restore_record, sipd);
	if (!same_suite && sipd->store)
		store_load(sipd->store, restore_binding, sipd);
	hs_log(INFO, "locations.restored", LOG_INT("bindings", (int64_t)locations_count(sipd->locations)));
	registrar_restored(sipd->registrar, !same_suite);
	keepalive_wake(sipd->keepalive);
}

static void write_binding(void *context, const char *key, const struct binding *binding)
{
	store_put(context, key, binding, false);
}

/* The disk was full when we began, say: what changed meanwhile is known to nobody but us. */
static void open_store_again(uv_timer_t *timer)
{
	struct sipd *sipd = timer->data;
	if (!sipd->stopping)
		sipd->store = store_create(sipd->house->loop, sipd->house->folder);
	if (!sipd->store)
		return;
	uv_timer_stop(timer);
	store_clear(sipd->store);
	locations_each(sipd->locations, write_binding, sipd->store);
	hs_daemon_degraded(sipd->house, "locations_store", NULL);
}

static void open_store(struct sipd *sipd)
{
	sipd->store = store_create(sipd->house->loop, sipd->house->folder);
	if (sipd->store)
		return;
	hs_daemon_degraded(sipd->house, "locations_store", "registrations do not survive a restart of the suite");
	uv_timer_start(&sipd->storing, open_store_again, STORE_AGAIN_MS, STORE_AGAIN_MS);
}

static enum wiretap_peer who_sends(void *context, const struct sockaddr *address, bool stream)
{
	const struct sipd *sipd = context;
	char host[SOURCES_HOST];
	sources_write(address, host);
	if (!locations_has_host(sipd->locations, host))
		return WIRETAP_STRANGER;
	uint16_t port = ntohs(((const struct sockaddr_in *)address)->sin_port);
	return locations_has_flow(sipd->locations, host, port, stream) ? WIRETAP_PHONE : WIRETAP_NEIGHBOUR;
}

static int start_network(struct sipd *sipd)
{
	const struct hs_config_server *server = sipd->config->server;
	struct wiretap_setup tap = {
		.sources = sipd->sources,
		.who = who_sends,
		.keep = sipd->house->keep,
		.udp_fd = hs_keep_take(sipd->house->keep, UDP_NAME),
		.tcp_fd = hs_keep_take(sipd->house->keep, TCP_NAME),
		.port = (uint16_t)server->sip_port,
		.seen = ladder_seen,
		.context = sipd,
	};
	struct agent_setup agent = {
		.loop = sipd->house->loop,
		.host = server->host,
		.advertised = server->advertised_host,
		.port = (uint16_t)server->sip_port,
		.request = request_arrived,
		.response = restore_response,
		.context = sipd,
	};
	wiretap_open(&tap);
	sipd->agent = agent_create(&agent);
	if (!sipd->agent)
		return -EADDRNOTAVAIL;
	wiretap_refresh_bans();
	return 0;
}

static struct sources *make_sources(const struct hs_config_sip *sip)
{
	struct sources_rules rules = {
		.requests_per_s = sip->requests_per_s,
		.burst = sip->burst,
		.strangers_per_s =
			sip->strangers_per_s > sip->requests_per_s ? sip->strangers_per_s : sip->requests_per_s,
		.probes = sip->probes,
		.failures = sip->failures,
		.ban_ms = sip->ban_s * 1000,
		.local_networks = (const char *const *)sip->local_networks,
		.local_networks_count = sip->local_networks_count,
	};
	return sources_create(&rules);
}

static struct nonces *make_nonces(void)
{
	uint8_t seed[32];
	randombytes_buf(seed, sizeof(seed));
	struct nonces *nonces = nonces_create(seed);
	sodium_memzero(seed, sizeof(seed));
	return nonces;
}

int begin_start(struct hs_house *house)
{
	if (sodium_init() < 0)
		return -ENOSYS;
	struct sipd *sipd = house->daemon = hs_zalloc(sizeof(*sipd));
	sipd->house = house;
	sipd->config = house->config;
	uv_timer_init(house->loop, &sipd->suspects);
	uv_timer_init(house->loop, &sipd->bans);
	uv_timer_init(house->loop, &sipd->storing);
	sipd->suspects.data = sipd->bans.data = sipd->storing.data = sipd;
	sipd->users = users_create(house->config, house->home);
	if (users_locked(sipd->users))
		hs_daemon_degraded(house, "sip-secret",
				   "a line cannot log in, for its secret cannot be opened: the log says which");
	sipd->nonces = make_nonces();
	sipd->sources = make_sources(house->config->sip);
	sipd->refused = refused_create();
	sipd->dialogs = dialogs_create(sipd, &life_of_dialogs);
	sipd->registrar = registrar_create(sipd);
	sipd->lamps = lamps_create(sipd);
	sipd->locations = locations_create(house->journal, binding_changed, sipd);
	open_store(sipd);
	int result = start_network(sipd);
	if (result)
		return result;
	sipd->keepalive = keepalive_create(sipd);
	hs_bus_is_up(house->bus, HS_ROLE_MEDIAD);
	restore_bindings(sipd);
	restore_dialogs(sipd);
	lamps_restore(sipd->lamps);
	hs_log(INFO, "sip.listening", LOG_TEXT("host", house->config->server->host),
	       LOG_INT("port", house->config->server->sip_port));
	return 0;
}

static void hang_up_one(void *context, struct dialog *dialog)
{
	struct dialog_end end = {HS_CAUSE_DRIVER_RESTARTED, 0, "the suite stops"};
	if (dialog->r.state < DIALOG_CLOSING)
		dialog_step(dialog, DIALOG_HANGUP, &end);
}

static void stopped(void *context)
{
	hs_daemon_stopped(context);
}

void begin_stop(struct hs_house *house)
{
	struct sipd *sipd = house->daemon;
	sipd->stopping = true;
	dialogs_each(sipd->dialogs, hang_up_one, NULL);
	if (sipd->store)
		store_close(sipd->store, stopped, house);
	else
		hs_daemon_stopped(house);
}

void begin_finish(struct hs_house *house)
{
	struct sipd *sipd = TAKE(house->daemon);
	sipd->stopping = true;
	keepalive_stop(sipd->keepalive);
	lamps_stop(sipd->lamps);
	dialogs_destroy(sipd->dialogs);
	sipd->dialogs = NULL;
	registrar_stop(sipd->registrar);
	agent_stop(sipd->agent);
	uv_close((uv_handle_t *)&sipd->suspects, NULL);
	uv_close((uv_handle_t *)&sipd->bans, NULL);
	uv_close((uv_handle_t *)&sipd->storing, NULL);
	for (int i = 0; i < 2; i++) /* what was closed is freed in the next turns */
		uv_run(house->loop, UV_RUN_NOWAIT);
	keepalive_destroy(sipd->keepalive);
	lamps_destroy(sipd->lamps);
	registrar_destroy(sipd->registrar);
	agent_destroy(sipd->agent);
	locations_destroy(sipd->locations);
	store_destroy(sipd->store);
	sources_destroy(sipd->sources);
	refused_destroy(sipd->refused);
	nonces_destroy(sipd->nonces);
	users_destroy(sipd->users);
	free(sipd);
}
