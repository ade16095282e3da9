#include "agent.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "log.h"
#include "wiretap.h"
#include <arpa/inet.h>
#include <sodium.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/tport_tag.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUTES 256
#define ROUTE_MS 1000      /* so long an answer of the kernel is believed */
#define STEPS 4            /* of su_root in one turn: more starves the bus */
#define LONG_US 50000      /* a turn that took longer is a long one */
#define STANDING_US 300000 /* and where all of them are, for that long, there is too much to do */

struct agent {
	struct agent_setup setup;
	su_root_t *root;
	nta_agent_t *nta;
	uv_poll_t poll;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_timer_t timer;
	char nowhere[64];
	int probe_fd; /* UDP socket that asks the kernel for routes; sends nothing */
	struct route {
		char peer[SOURCES_HOST], local[SOURCES_HOST];
		int64_t asked_ms;
	} routes[ROUTES];         /* as they were a moment ago */
	int64_t turn_us;          /* when the present turn began; 0: it has not */
	int64_t ended_us, lag_us; /* when the last one ended, and what it took */
	int64_t long_since_us;    /* since when each one was long; 0: the last one was not */
};

/* They change what the library does (facts of its source); nobody may set them for us. */
static const char *const variables[] = {"SU_PORT",     "SIPCOMPACT",   "SIP_UDP_CONNECT", "TPORT_LOG",
					"TPORT_DUMP",  "TPORT_DEBUG",  "MSG_DUMP",        "HOSTADDRESS",
					"HOSTADDR6",   "GAI",          "SRES_OPTIONS",    "RES_OPTIONS",
					"LOCALDOMAIN", "SRESOLV_CONF", "SRESOLV_DEBUG",   "NTA_DEBUG",
					"SU_DEBUG",    "SOFIA_DEBUG",  "MSG_DUMP_FILE",   "TPORT_DUMP_FILE"};

static void library_says(void *context, const char *format, va_list arguments)
{
	char text[256];
	vsnprintf(text, sizeof(text), format, arguments);
	hs_log(DEBUG, "sofia", LOG_WHY(text));
}

/* ---- the clock: Sofia's timers count by the wall's ----
 *
 * Somebody sets that one back by an hour and nothing is sent again for an hour; forward, and every transaction has
 * timed out. So these stand before the library's own. */

static const su_time64_t second_ns = 1000000000;

su_time64_t su_now64(void)
{
	return SU_TIME_EPOCH * second_ns + (su_time64_t)hs_clock_lasting_us() * 1000;
}

su_time64_t su_nanotime(su_time64_t *return_time)
{
	su_time64_t now = su_now64();
	if (return_time)
		*return_time = now;
	return now;
}

void su_time(su_time_t *tv)
{
	su_time64_t now = su_now64();
	*tv = (su_time_t){.tv_sec = now / second_ns, .tv_usec = now % second_ns / 1000};
}

/* ---- the loop: Sofia inside libuv ---- */

static void woken(uv_poll_t *poll, int status, int events)
{
	/* only ends the sleep: the prepare does the work */
}

static void timer_due(uv_timer_t *timer)
{
}

/* One long turn is a hiccup of the machine, after which all is well again. */
static void note_turn(struct agent *agent)
{
	agent->ended_us = hs_clock_us();
	agent->lag_us = agent->turn_us ? agent->ended_us - agent->turn_us : 0;
	if (agent->lag_us < LONG_US)
		agent->long_since_us = 0;
	else if (!agent->long_since_us)
		agent->long_since_us = agent->ended_us;
	agent->turn_us = 0;
}

static void step(uv_prepare_t *prepare)
{
	struct agent *agent = prepare->data;
	su_duration_t next = 0;
	for (int i = 0; i < STEPS && !next; i++) {
		next = su_root_step(agent->root, 0);
		wiretap_taken();
	}
	uv_update_time(agent->setup.loop);
	if (next < 0)
		uv_timer_stop(&agent->timer);
	else /* su cuts to whole ms and would spin through the last one */
		uv_timer_start(&agent->timer, timer_due, next < 1 ? 1 : (uint64_t)next, 0);
	note_turn(agent);
}

static void turn_begins(uv_check_t *check)
{
	((struct agent *)check->data)->turn_us = hs_clock_us();
}

int64_t agent_lag_us(const struct agent *agent)
{
	int64_t now_us = hs_clock_us();
	bool stands = agent->long_since_us && now_us - agent->long_since_us > STANDING_US;
	return stands && now_us - agent->ended_us < STANDING_US ? agent->lag_us : 0;
}

static void start_hosting(struct agent *agent)
{
	uv_loop_t *loop = agent->setup.loop;
	uv_poll_init(loop, &agent->poll, wiretap_epoll());
	uv_prepare_init(loop, &agent->prepare);
	uv_check_init(loop, &agent->check);
	uv_timer_init(loop, &agent->timer);
	agent->poll.data = agent->prepare.data = agent->check.data = agent->timer.data = agent;
	uv_poll_start(&agent->poll, UV_READABLE, woken);
	uv_prepare_start(&agent->prepare, step);
	uv_check_start(&agent->check, turn_begins);
}

/* ---- addresses ---- */

/* Appends what fits, and NUL; returns where it ends. Several of these are written for each message. */
static char *add(char *at, const char *end, const char *text)
{
	size_t length = strlen(text), room = (size_t)(end - at) - 1;
	if (length > room)
		length = room;
	memcpy(at, text, length);
	at[length] = 0;
	return at + length;
}

static char *add_port(char *at, const char *end, uint16_t port)
{
	char digits[8], *first = digits + sizeof(digits) - 1;
	*first = 0;
	do
		*--first = (char)('0' + port % 10);
	while (port /= 10);
	*--first = ':';
	return add(at, end, first);
}

static void bracket(const char *host, char *ret_text, size_t size)
{
	const char *end = ret_text + size;
	bool six = strchr(host, ':') != NULL;
	add(add(add(ret_text, end, six ? "[" : ""), end, host), end, six ? "]" : "");
}

static void read_address(const struct sockaddr *address, struct peer *ret_peer)
{
	sources_write(address, ret_peer->host);
	ret_peer->port = ntohs(((const struct sockaddr_in *)address)->sin_port);
	sources_key(address, &ret_peer->key);
}

/* The address that the kernel would send from; "" when there is no route. */
static void ask_route(struct agent *agent, const struct peer *peer, char *ret_host, size_t size)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t length = sizeof(address);
	struct peer local = {0};
	(void)connect(agent->probe_fd, (struct sockaddr *)&address, sizeof(address)); /* forgets the last one */
	address.ss_family = AF_INET;
	((struct sockaddr_in *)&address)->sin_port = htons(9);
	if (inet_pton(AF_INET, peer->host, &((struct sockaddr_in *)&address)->sin_addr) != 1) {
		address.ss_family = AF_INET6;
		inet_pton(AF_INET6, peer->host, &((struct sockaddr_in6 *)&address)->sin6_addr);
	}
	if (!connect(agent->probe_fd, (struct sockaddr *)&address, sizeof(address)) &&
	    !getsockname(agent->probe_fd, (struct sockaddr *)&address, &length))
		read_address((struct sockaddr *)&address, &local);
	hs_copy(ret_host, size, local.host);
}

static void local_address(struct agent *agent, const struct peer *peer, char *ret_host, size_t size)
{
	int64_t now_ms = hs_clock_ms();
	unsigned hash = 5381;
	for (const char *at = peer->host; *at; at++)
		hash = hash * 33 + (unsigned char)*at;
	struct route *route = &agent->routes[hash % ROUTES];
	if (now_ms - route->asked_ms > ROUTE_MS || strcmp(route->peer, peer->host) != 0) {
		hs_copy(route->peer, sizeof(route->peer), peer->host);
		ask_route(agent, peer, route->local, sizeof(route->local));
		route->asked_ms = now_ms;
	}
	hs_copy(ret_host, size, route->local);
}

static bool is_any(const char *host)
{
	return !strcmp(host, "0.0.0.0") || !strcmp(host, "::");
}

/* Of the library: exported, but in none of its installed headers. It calls accept(), which is wiretap's. */
int tport_accept(tport_t *primary, int events);

static void accept_one(void *context)
{
	struct agent *agent = context;
	tport_t *primary = tport_by_protocol(nta_agent_tports(agent->nta), "tcp");
	if (primary)
		tport_accept(primary, SU_WAIT_ACCEPT);
}

/* ---- life ---- */

static int message(nta_agent_magic_t *magic, nta_agent_t *nta, msg_t *msg, sip_t *sip)
{
	struct agent *agent = (struct agent *)magic;
	if (sip->sip_request)
		agent->setup.request(agent->setup.context, msg, sip);
	else
		agent->setup.response(agent->setup.context, msg, sip);
	return 0;
}

/* The name that the library uses for our sockets, in Via above all. For "every address" it would open one socket for
 * each and miss those that come later; so it is given one address, while the kept socket is bound to all (wiretap's
 * bind). An answer finds us by received and rport whatever Via says. */
static void choose_name(struct agent *agent, char *ret_host, size_t size)
{
	bool six = strchr(agent->setup.host, ':') != NULL;
	struct peer outside = {.port = 9};
	hs_copy(outside.host, sizeof(outside.host), six ? "2001:db8::1" : "192.0.2.1");
	hs_copy(ret_host, size, agent->setup.host);
	if (!is_any(agent->setup.host))
		return;
	if (agent->setup.advertised && six == (strchr(agent->setup.advertised, ':') != NULL))
		hs_copy(ret_host, size, agent->setup.advertised);
	else
		local_address(agent, &outside, ret_host, size);
	if (!ret_host[0])
		hs_copy(ret_host, size, six ? "::1" : "127.0.0.1");
}

static bool start_nta(struct agent *agent)
{
	char name[64], host[64], url[AGENT_URL];
	choose_name(agent, name, sizeof(name));
	bracket(name, host, sizeof(host));
	snprintf(url, sizeof(url), "sip:%s:%u;transport=udp", host, agent->setup.port);
	agent->nta = nta_agent_create(agent->root, (url_string_t *)url, message, (nta_agent_magic_t *)agent,
				      NTATAG_UA(1), NTATAG_STATELESS(1), NTATAG_MAXSIZE(65536), NTATAG_UDP_MTU(65535),
				      NTATAG_MAX_PROCEEDING(5000), NTATAG_SERVER_RPORT(2), NTATAG_MERGE_482(1),
				      NTATAG_EXTRA_100(0), NTATAG_USE_NAPTR(0), NTATAG_USE_SRV(0), NTATAG_GRAYLIST(30),
				      TPTAG_STUN_SERVER(0), TPTAG_UDP_RMEM(8 << 20), TPTAG_QUEUESIZE(1000), TAG_END());
	if (!agent->nta)
		return false;
	snprintf(url, sizeof(url), "sip:%s:%u;transport=tcp", host, agent->setup.port);
	return nta_agent_add_tport(agent->nta, (url_string_t *)url, TPTAG_PONG2PING(1), TPTAG_TIMEOUT(15000),
				   TPTAG_IDLE(3900 * 1000), TPTAG_QUEUESIZE(1000), TAG_END()) == 0;
}

static void make_nowhere(char ret_url[64])
{
	uint8_t random[16];
	char hex[2 * sizeof(random) + 1];
	hs_random(random, sizeof(random));
	sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
	snprintf(ret_url, 64, "sip:%s.invalid", hex);
}

struct agent *agent_create(const struct agent_setup *setup)
{
	for (size_t i = 0; i < HS_COUNT(variables); i++)
		unsetenv(variables[i]);
	struct agent *agent = hs_zalloc(sizeof(*agent));
	agent->setup = *setup;
	make_nowhere(agent->nowhere);
	agent->probe_fd = socket(strchr(setup->host, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	su_init();
	su_log_redirect(NULL, library_says, NULL);
	su_log_set_level(NULL, 0);
	agent->root = su_root_create(agent);
	if (!agent->root || strcmp(su_root_name(agent->root), "epoll") != 0 || wiretap_epoll() < 0) {
		hs_log(ERROR, "sipd.loop_failed", LOG_WHY("Sofia's loop is not epoll, or it was not caught"));
		agent_destroy(agent);
		return NULL;
	}
	su_root_threading(agent->root, 0);
	if (!start_nta(agent)) {
		hs_log(ERROR, "sip.listen_failed", LOG_TEXT("host", setup->host), LOG_INT("port", setup->port),
		       LOG_WHY("server.host must be a numeric address of this machine"));
		agent_destroy(agent);
		return NULL;
	}
	wiretap_adopt(accept_one, agent);
	start_hosting(agent);
	return agent;
}

void agent_stop(struct agent *agent)
{
	if (!agent || !agent->nta)
		return;
	uv_close((uv_handle_t *)&agent->poll, NULL);
	uv_close((uv_handle_t *)&agent->prepare, NULL);
	uv_close((uv_handle_t *)&agent->check, NULL);
	uv_close((uv_handle_t *)&agent->timer, NULL);
	nta_agent_destroy(agent->nta);
	agent->nta = NULL;
}

void agent_destroy(struct agent *agent)
{
	if (!agent)
		return;
	nta_agent_destroy(agent->nta);
	if (agent->root)
		su_root_destroy(agent->root);
	su_deinit();
	if (agent->probe_fd >= 0)
		close(agent->probe_fd);
	wiretap_close();
	free(agent);
}

nta_agent_t *agent_nta(struct agent *agent)
{
	return agent->nta;
}

const url_string_t *agent_nowhere(const struct agent *agent)
{
	return URL_STRING_MAKE(agent->nowhere);
}

/* ---- peers ---- */

void agent_peer(struct agent *agent, msg_t *msg, struct peer *ret_peer)
{
	tport_t *tport = tport_delivered_by(nta_agent_tports(agent->nta), msg);
	*ret_peer = (struct peer){.tcp = tport && tport_is_stream(tport)};
	if (msg_addr(msg))
		read_address(&msg_addr(msg)->su_sa, ret_peer);
}

void agent_peer_of(struct agent *agent, nta_incoming_t *irq, struct peer *ret_peer)
{
	msg_t *msg = nta_incoming_getrequest(irq);
	agent_peer(agent, msg, ret_peer);
	msg_destroy(msg);
}

void agent_url(const struct peer *peer, char ret_url[AGENT_URL])
{
	const char *end = ret_url + AGENT_URL;
	char host[64], *at = add(ret_url, end, "sip:");
	bracket(peer->host, host, sizeof(host));
	at = add_port(add(at, end, host), end, peer->port);
	add(at, end, peer->tcp ? ";transport=tcp" : ";transport=udp");
}

tport_t *agent_flow(struct agent *agent, const struct peer *peer)
{
	char port[8];
	if (!peer->tcp)
		return NULL;
	snprintf(port, sizeof(port), "%u", peer->port);
	tp_name_t name = {.tpn_proto = "tcp", .tpn_canon = peer->host, .tpn_host = peer->host, .tpn_port = port};
	tport_t *primary = tport_by_protocol(nta_agent_tports(agent->nta), "tcp");
	tport_t *found = primary ? tport_by_name(primary, &name) : NULL;
	return found && tport_is_secondary(found) && !tport_is_shutdown(found) ? found : NULL;
}

tport_t *agent_listener(struct agent *agent, bool tcp)
{
	return tport_by_protocol(nta_agent_tports(agent->nta), tcp ? "tcp" : "udp");
}

void agent_contact(struct agent *agent, const char *user, const struct peer *peer, char ret_contact[AGENT_CONTACT])
{
	const char *end = ret_contact + AGENT_CONTACT;
	char plain[64], host[80], *at = add(ret_contact, end, "<sip:");
	if (agent->setup.advertised)
		hs_copy(plain, sizeof(plain), agent->setup.advertised);
	else if (!is_any(agent->setup.host))
		hs_copy(plain, sizeof(plain), agent->setup.host);
	else
		local_address(agent, peer, plain, sizeof(plain));
	bracket(plain, host, sizeof(host));
	at = add(add(add(at, end, user), end, "@"), end, host);
	add(add_port(at, end, agent->setup.port), end, peer->tcp ? ";transport=tcp>" : ">");
}

void agent_branch(char ret_branch[40])
{
	uint8_t random[12];
	hs_random(random, sizeof(random));
	hs_copy(ret_branch, 40, "z9hG4bK");
	sodium_bin2hex(ret_branch + 7, 33, random, sizeof(random));
}

void agent_reply(struct agent *agent, msg_t *msg, int status, const char *phrase, const char *headers)
{
	sip_t *sip = sip_object(msg);
	if (sip->sip_request->rq_method == sip_method_ack) {
		msg_destroy(msg); /* nothing answers an ACK */
		return;
	}
	nta_msg_treply(agent->nta, msg, status, phrase, SIPTAG_SERVER_STR("hookswitch"),
		       TAG_IF(headers, SIPTAG_HEADER_STR(headers)), TAG_END());
}
