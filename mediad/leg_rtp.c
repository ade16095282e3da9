#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "kept.h"
#include "leg_player.h"
#include "leg_rtp_inner.h"
#include "log.h"
#include "metrics.h"
#include "trace.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t latch_window_us = 5000000;
static const int64_t report_every_us = 5000000;
static const int64_t filling_after_us = 300000;
static const int64_t route_us = 1000000;

struct leg_rtp *leg_rtp_of(const struct end *end)
{
	return (struct leg_rtp *)end;
}

static void trace(const struct leg_rtp *leg, const char *what, const struct address *remote)
{
	char text[ADDRESS_TEXT];
	address_format(remote, text);
	hs_trace_add(HS_TRACE_KIND_MEDIA, end_call(&leg->end), leg->end.id, text[0] ? text : "far end", "mediad", "%s",
		     what);
}

/* ---- Sockets and the source rule ---- */

void leg_rtp_latch(struct leg_rtp *leg, const struct address *from)
{
	char text[ADDRESS_TEXT];
	leg->record->is_latching = false;
	leg->record->is_latched = true;
	leg->record->latched = *from;
	rtp_socket_connect(&leg->rtp, from);
	if (!address_same_host(from, &leg->rtcp.peer))
		rtp_socket_disconnect(&leg->rtcp, &(struct address){0});
	address_format(from, text);
	hs_log(INFO, "media.latched", LOG_CALL(end_call(&leg->end)), LOG_LEG(leg->end.id), LOG_TEXT("remote", text));
	trace(leg, "latched", from);
	leg_rtp_stir(&leg->end);
}

static void open_window(struct leg_rtp *leg, int64_t now_us)
{
	leg->record->is_latching = true;
	leg->record->latch_until_us = now_us + latch_window_us;
}

/* Nobody came in time: what is known stays, and the door is shut. */
static void close_window(struct leg_rtp *leg)
{
	struct address peer = leg->rtp.peer;
	leg->record->is_latching = false;
	if (peer.family)
		rtp_socket_connect(&leg->rtp, &peer);
}

/* An unspecified address is the hold of RFC 2543: whom we knew stays. One without a route is nobody. */
static int aim(struct rtp_socket *socket, const struct address *peer)
{
	if (!address_is_usable(peer))
		return 0;
	int error = rtp_socket_connect(socket, peer);
	if (error < 0)
		rtp_socket_disconnect(socket, &(struct address){0});
	return error;
}

/* Without NAT: the signalled addresses and no other. */
static int aim_straight(struct leg_rtp *leg)
{
	leg->record->is_latching = leg->record->is_latched = false;
	int error = aim(&leg->rtp, &leg->record->signalled);
	return error < 0 ? error : aim(&leg->rtcp, &leg->record->signalled_rtcp);
}

/* With NAT: until somebody is latched, audio goes to the signalled address if it is the source's host (so that a hole
 * in the NAT opens from our side), else to whom it went before if that is the source's host, else nowhere. */
static void aim_latching(struct leg_rtp *leg, int64_t now_us)
{
	struct rtp_record *record = leg->record;
	struct address peer = {0};
	record->is_latched = record->is_latched && address_same_host(&leg->rtp.peer, &record->source);
	if (record->is_latched)
		peer = leg->rtp.peer;
	else if (address_is_usable(&record->signalled) && address_same_host(&record->signalled, &record->source))
		peer = record->signalled;
	rtp_socket_disconnect(&leg->rtp, &peer);
	rtp_socket_disconnect(&leg->rtcp, &(struct address){0});
	open_window(leg, now_us);
}

/* Two legs whose far ends were our own ports would send each other one packet for ever. */
bool leg_rtp_is_loop(const struct leg_rtp *leg, const struct address *address)
{
	return ports_is_taken(leg->end.world->ports, address->port) && address_is_usable(address) &&
	       address_is_ours(address);
}

/* ---- Descriptions ---- */

static struct offer_ours describe_ours(const struct leg_rtp *leg, enum hs_direction direction, enum hs_codec prefer)
{
	return (struct offer_ours){
		.id = leg->record->session_id,
		.version = leg->record->session_version,
		.rtp = leg->record->local,
		.direction = direction,
		.prefer = prefer,
	};
}

int leg_rtp_offer(struct end *end, enum hs_direction direction, char *ret_text, size_t size)
{
	struct leg_rtp *leg = leg_rtp_of(end);
	if (direction) {
		leg->record->proposed = direction;
		leg->record->session_version++;
	}
	enum hs_codec prefer = end->codec ? end->codec : leg->record->prefer;
	struct offer_ours ours = describe_ours(leg, leg->record->proposed, prefer);
	return offer_write(&ours, ret_text, size);
}

static int check(const struct leg_rtp *leg, const struct offer *offer, char *ret_why)
{
	if (offer->rtp.family != leg->record->local.family) {
		snprintf(ret_why, OFFER_WHY, "its address is not of the same kind (IPv4, IPv6) as ours");
		return -EINVAL;
	}
	if (leg_rtp_is_loop(leg, &offer->rtp) || leg_rtp_is_loop(leg, &offer->rtcp)) {
		snprintf(ret_why, OFFER_WHY, "it names one of our own ports");
		return -EINVAL;
	}
	return 0;
}

/* The one in use if it is still there, else the preferred one, else the far end's first. */
static int choose_codec(const struct leg_rtp *leg, const struct offer *offer, enum hs_description_role role)
{
	enum hs_codec wanted = leg->end.codec ? leg->end.codec : leg->record->prefer;
	for (int i = 0; i < offer->codecs_count; i++)
		if (role == HS_DESCRIPTION_ROLE_OFFER && offer->codecs[i] == wanted)
			return i;
	return 0;
}

static void clear_meanings(struct rtp_record *record)
{
	for (size_t i = 0; i < HS_COUNT(record->meanings); i++)
		record->meanings[i] = RTP_NOTHING;
}

static void mean(struct rtp_record *record, int type, enum rtp_meaning meaning)
{
	if (type >= 0 && record->meanings[type] == RTP_NOTHING)
		record->meanings[type] = (uint8_t)meaning;
}

/* We send with their numbers. We receive with those of our own description; some phones use their own, which is taken
 * too where it has no other meaning. */
static void agree(struct leg_rtp *leg, const struct offer *offer, enum hs_description_role role)
{
	static const enum rtp_meaning meanings[HS_CODEC_COUNT] = {
		[HS_CODEC_PCMU] = RTP_PCMU,
		[HS_CODEC_PCMA] = RTP_PCMA,
	};
	struct rtp_record *record = leg->record;
	clear_meanings(record);
	if (role == HS_DESCRIPTION_ROLE_ANSWER) {
		mean(record, OFFER_TYPE_PCMU, RTP_PCMU);
		mean(record, OFFER_TYPE_PCMA, RTP_PCMA);
		mean(record, offer->event >= 0 ? OFFER_TYPE_EVENT : -1, RTP_EVENT);
	}
	for (int i = 0; i < offer->codecs_count; i++)
		mean(record, offer->types[i], meanings[offer->codecs[i]]);
	mean(record, offer->event, RTP_EVENT);
	mean(record, offer->comfort, RTP_COMFORT);
	mean(record, PACKET_COMFORT_NOISE, RTP_COMFORT);
	int chosen = choose_codec(leg, offer, role);
	leg->end.codec = offer->codecs[chosen];
	record->types[leg->end.codec] = offer->types[chosen];
	record->event_type = offer->event;
}

/* What we proposed is in force once it is answered; an offer that crosses it is met with what was in force before. */
static void set_directions(struct rtp_record *record, enum hs_description_role role, enum hs_direction theirs)
{
	if (role == HS_DESCRIPTION_ROLE_ANSWER)
		record->ours = record->proposed;
	record->proposed = record->ours;
	record->theirs = theirs;
	record->met = offer_meet(record->ours, theirs);
}

static void tell_described(const struct leg_rtp *leg, enum hs_description_role role)
{
	char what[160], address[ADDRESS_TEXT];
	const struct rtp_record *record = leg->record;
	address_format(&record->signalled, address);
	snprintf(what, sizeof what, "described: %s %s %s %s%s", hs_enum_description_role.names[role],
		 hs_enum_codec.names[leg->end.codec], hs_enum_direction.names[record->met], address,
		 record->nat ? " behind NAT" : "");
	trace(leg, what, &record->source);
	hs_log(INFO, "media.described", LOG_CALL(end_call(&leg->end)), LOG_LEG(leg->end.id),
	       LOG_TEXT("remote", address), LOG_TEXT("codec", hs_enum_codec.names[leg->end.codec]),
	       LOG_TEXT("direction", hs_enum_direction.names[record->met]), LOG_INT("nat", record->nat));
}

static int write_answer(struct leg_rtp *leg, const struct offer *offer, char *ret_answer, size_t size)
{
	leg->record->session_version++;
	struct offer_ours ours = describe_ours(leg, leg->record->met, leg->end.codec);
	return offer_write_answer(&ours, offer, ret_answer, size);
}

static void begin_sockets(struct leg_rtp *leg)
{
	struct reader *reader = leg->end.world->reader;
	if (rtp_socket_watch(&leg->rtp, reader, leg_rtp_rtp_readable) < 0 ||
	    rtp_socket_watch(&leg->rtcp, reader, leg_rtp_rtcp_readable) < 0)
		hs_log(ERROR, "media.unwatched", LOG_CALL(end_call(&leg->end)), LOG_LEG(leg->end.id),
		       LOG_WHY("the kernel watches no more sockets; nothing is heard on this leg"));
}

/* A description that names an address further inside than its sender: the sender's own inside, behind a NAT. Taken by
 * its word, a phone somewhere outside could aim packets at our loopback or our private network. */
static bool points_inside(const struct offer *offer, const struct address *source)
{
	int depth = address_depth(source);
	return address_depth(&offer->rtp) > depth || address_depth(&offer->rtcp) > depth;
}

int leg_rtp_describe(struct end *end, enum hs_description_role role, const struct offer *offer,
		     const struct address *source, bool nat, char *ret_answer, size_t size, char ret_why[OFFER_WHY])
{
	struct leg_rtp *leg = leg_rtp_of(end);
	struct rtp_record *record = leg->record;
	int64_t now_us = hs_clock_us();
	if (check(leg, offer, ret_why) < 0)
		return -EINVAL;
	agree(leg, offer, role);
	record->source = *source;
	record->nat = nat || points_inside(offer, source);
	record->signalled = offer->rtp;
	record->signalled_rtcp = offer->rtcp;
	record->rtcp_mux = role == HS_DESCRIPTION_ROLE_OFFER && offer->rtcp_mux;
	set_directions(record, role, offer->direction);
	int length = role == HS_DESCRIPTION_ROLE_OFFER ? write_answer(leg, offer, ret_answer, size) : 0;
	if (length < 0) {
		snprintf(ret_why, OFFER_WHY, "it has too many media lines to be answered");
		return -EINVAL;
	}
	if (record->nat)
		aim_latching(leg, now_us);
	else if (aim_straight(leg) < 0)
		hs_log(WARN, "media.unroutable", LOG_CALL(end_call(end)), LOG_LEG(end->id));
	if (!record->is_described) {
		begin_sockets(leg);
		leg->record->sent_at_us =
			now_us; /* the far end may wait as long for its first packet as for any other */
	}
	record->is_described = true;
	leg->record->heard_at_us = now_us;
	tell_described(leg, role);
	leg_rtp_stir(end);
	return 0;
}

bool leg_rtp_is_described(const struct end *end)
{
	return leg_rtp_of(end)->record->is_described;
}

/* The latch window and the silence watch begin. */
static void use(struct end *end)
{
	struct leg_rtp *leg = leg_rtp_of(end);
	int64_t now_us = hs_clock_us();
	if (!leg->record->is_used)
		leg->record->heard_at_us = now_us;
	leg->record->is_used = true;
	if (!leg->record->is_described || !leg->record->nat || leg->record->is_latched)
		return;
	rtp_socket_disconnect(&leg->rtp, &leg->rtp.peer);
	open_window(leg, now_us);
}

static bool takes_keys(const struct end *end)
{
	const struct leg_rtp *leg = leg_rtp_of(end);
	return leg->record->is_described && leg->record->event_type >= 0;
}

static int send_keys(struct end *end, const char *digits, int64_t duration_ms)
{
	struct leg_rtp *leg = leg_rtp_of(end);
	if (!takes_keys(end))
		return -ENOTSUP;
	if (!digits_queue(&leg->record->digits_out, digits, duration_ms))
		return -EBUSY;
	leg_rtp_stir(end);
	return 0;
}

/* ---- Time ---- */

static void watch_silence(struct leg_rtp *leg, int64_t now_us)
{
	struct world *world = leg->end.world;
	bool expected = (leg->record->is_used || leg->record->has_heard) && offer_may_receive(leg->record->met);
	if (!expected)
		leg->record->heard_at_us = now_us;
	if (!expected || leg->record->silence_told || now_us - leg->record->heard_at_us < world->silence_us)
		return;
	leg->record->silence_told = true;
	world->report->silent(world->report_context, &leg->end, (now_us - leg->record->heard_at_us) / 1000);
}

/* RFC 3550 section 6.2: intervals vary, so that reports of many sessions do not fall into step. */
static void schedule_report(struct leg_rtp *leg, int64_t now_us)
{
	leg->record->report_at_us =
		now_us + report_every_us * 3 / 4 + (int64_t)(leg->record->ssrc ^ (uint32_t)now_us) % 2500000;
}

void leg_rtp_tick(struct end *end, int64_t now_us)
{
	struct leg_rtp *leg = leg_rtp_of(end);
	player_tick(end->player, now_us);
	if (!leg->record->is_described)
		return;
	if (leg->record->is_latching && now_us > leg->record->latch_until_us)
		close_window(leg);
	watch_silence(leg, now_us);
	if (leg_rtp_may_send(leg) && !leg->record->is_filling && now_us - leg->record->sent_at_us > filling_after_us) {
		leg->record->is_filling = true;
		leg_rtp_stir(end);
	}
	if (now_us >= leg->record->report_at_us) {
		leg_rtp_report(leg, now_us);
		schedule_report(leg, now_us);
	}
}

/* ---- Life ---- */

static void measure(const struct end *end, struct hs_media_figures *ret_figures, char ret_remote[ADDRESS_TEXT])
{
	const struct leg_rtp *leg = leg_rtp_of(end);
	address_format(&leg->rtp.peer, ret_remote);
	*ret_figures = (struct hs_media_figures){
		.codec = end->codec,
		.remote = ret_remote[0] ? ret_remote : NULL,
		.latched = leg->record->is_latched,
		.packets_received = leg->record->packets_in,
		.packets_sent = leg->record->packets_out,
		.packets_lost = (int64_t)figures_lost(&leg->record->figures),
		.packets_refused = leg->record->refused,
		.jitter_us = (int64_t)figures_jitter_us(&leg->record->figures),
	};
}

static void destroy(struct end *end)
{
	struct leg_rtp *leg = leg_rtp_of(end);
	digits_stop(&leg->record->digits_in, leg_rtp_digit, leg);
	pace_remove(end->world->pace, &leg->beat);
	player_destroy(TAKE(end->player));
	ports_give(end->world->ports, leg->record->local.port, hs_clock_ms());
	trace(leg, "closed", &leg->rtp.peer);
	rtp_socket_close(&leg->rtp, end->world);
	rtp_socket_close(&leg->rtcp, end->world);
	kept_drop(end->world, end->id);
	free(leg);
}

static const struct end_kind kind = {
	.kind = HS_MEDIA_KIND_RTP,
	.keys = HS_DIGIT_SOURCE_RFC4733,
	.hear = leg_rtp_hear,
	.use = use,
	.digits = send_keys,
	.takes_keys = takes_keys,
	.stir = leg_rtp_stir,
	.tick = leg_rtp_tick,
	.measure = measure,
	.destroy = destroy,
};

/* SSRC, first sequence and first timestamp are random (RFC 3550 section 5.1). */
static void randomise(struct rtp_record *record)
{
	struct {
		uint32_t ssrc, timestamp, session, name[3];
		uint16_t sequence;
	} random = {0};
	hs_random(&random, sizeof random);
	record->ssrc = random.ssrc;
	record->timestamp = random.timestamp;
	record->sequence = random.sequence & 0x7fff; /* far from its wrap, as RFC 3711 advises */
	record->session_id = random.session;
	record->session_version = 1;
	snprintf(record->cname, sizeof record->cname, "%08x%08x%08x", random.name[0], random.name[1], random.name[2]);
}

/* Asking costs four system calls: the answer is believed for a second. */
static int find_route(struct world *world, const struct address *peer, struct address *ret_local)
{
	int64_t now_us = hs_clock_us();
	unsigned hash = 5381;
	for (size_t i = 0; i < sizeof peer->ip; i++)
		hash = hash * 33 + peer->ip[i];
	struct route *route = &world->routes[hash % END_ROUTES];
	if (!route->asked_us || now_us - route->asked_us > route_us || !address_same(&route->peer, peer)) {
		int error = address_local_for(peer, &route->local);
		route->asked_us = error < 0 ? 0 : now_us;
		route->peer = *peer;
		if (error < 0)
			return error;
	}
	*ret_local = route->local;
	return 0;
}

/* What our descriptions name: the advertised address, the one the sockets are bound to, else the route's to the peer.
 */
static int find_local(struct world *world, const struct address *peer, struct address *ret_local)
{
	if (world->advertised.family) {
		*ret_local = world->advertised;
		return 0;
	}
	if (world->host.family && !address_is_any(&world->host)) {
		*ret_local = world->host;
		return 0;
	}
	return find_route(world, peer, ret_local);
}

/* What the sockets are bound to: server.host when it names one address, else all of the same kind. */
static struct address bind_to(const struct world *world, const struct address *local)
{
	if (world->host.family == local->family && !address_is_any(&world->host))
		return world->host;
	return (struct address){.family = local->family};
}

static struct leg_rtp *make(struct world *world, const char *id, struct rtp_record *record)
{
	struct leg_rtp *leg = hs_zalloc(sizeof *leg);
	leg->end.kind = &kind;
	leg->end.world = world;
	leg->end.record = &record->end;
	hs_copy(leg->end.id, sizeof leg->end.id, id);
	leg->record = record;
	leg->beat.slot = leg_rtp_slot;
	return leg;
}

/* What a description of ours names at first. */
static void begin_record(struct rtp_record *record, enum hs_codec prefer)
{
	record->prefer = prefer;
	record->proposed = record->ours = record->met = HS_DIRECTION_SENDRECV;
	record->event_type = -1;
	randomise(record);
}

int leg_rtp_create(struct world *world, const char *id, const char *call, const struct address *peer,
		   enum hs_codec prefer, struct end **ret_end)
{
	struct address local = {0};
	int error = find_local(world, peer, &local);
	if (error < 0)
		return error;
	struct rtp_record *record = kept_make(world, id, HS_MEDIA_KIND_RTP, sizeof *record);
	if (!record)
		return -EAGAIN;
	AUTO(free) struct leg_rtp *leg = make(world, id, record);
	struct address bound = bind_to(world, &local);
	error = rtp_socket_open_pair(world, &bound, &leg->rtp, &leg->rtcp, &local.port);
	if (error < 0) {
		kept_drop(world, id);
		return error;
	}
	hs_copy(leg->end.call, sizeof leg->end.call, call);
	begin_record(record, prefer);
	record->local = local;
	leg->end.player = player_create(&leg->end);
	schedule_report(leg, hs_clock_us());
	*ret_end = &TAKE(leg)->end;
	return 0;
}

/* ---- A predecessor's leg ---- */

static bool are_meanings_sane(const struct rtp_record *record)
{
	for (size_t i = 0; i < HS_COUNT(record->meanings); i++)
		if (record->meanings[i] > RTP_COMFORT)
			return false;
	for (size_t i = 0; i < HS_COUNT(record->types); i++)
		if (record->types[i] > 127)
			return false;
	return true;
}

static bool is_direction(enum hs_direction direction)
{
	return (int)direction >= 0 && direction < HS_DIRECTION_COUNT;
}

static bool is_sane(const struct rtp_record *record)
{
	return is_direction(record->ours) && is_direction(record->proposed) && is_direction(record->theirs) &&
	       is_direction(record->met) && (int)record->prefer >= 0 && record->prefer < HS_CODEC_COUNT &&
	       (int)record->voice >= 0 && record->voice < VOICES && record->event_type >= -1 &&
	       record->event_type <= 127 && are_meanings_sane(record) && memchr(record->cname, 0, PACKET_CNAME_MAX) &&
	       frames_is_sane(&record->frames) && digits_is_sane(&record->digits_in, &record->digits_out) &&
	       (!record->is_described || record->end.codec);
}

/* The kernel knows whom connected sockets are for; while the window is open, it is as aim_latching says. */
static void aim_again(struct leg_rtp *leg)
{
	const struct rtp_record *record = leg->record;
	if (leg->rtp.is_connected || !record->is_described)
		return;
	if (record->is_latched)
		leg->rtp.peer = record->latched;
	else if (record->nat && address_is_usable(&record->signalled) &&
		 address_same_host(&record->signalled, &record->source))
		leg->rtp.peer = record->signalled;
}

int leg_rtp_restore(struct world *world, const char *id, struct end_record *found, size_t bytes, struct end **ret_end)
{
	struct rtp_record *record = (struct rtp_record *)found;
	if (bytes != sizeof *record || !is_sane(record))
		return -EPROTO;
	AUTO(free) struct leg_rtp *leg = make(world, id, record);
	kept_read(&leg->end, found);
	int error = rtp_socket_find_pair(world, record->local.port, &leg->rtp, &leg->rtcp);
	if (error < 0)
		return error;
	leg->end.player = player_create(&leg->end);
	aim_again(leg);
	if (record->is_described)
		begin_sockets(leg);
	trace(leg, "taken up again", &leg->rtp.peer);
	*ret_end = &TAKE(leg)->end;
	return 0;
}

bool leg_rtp_is(const struct end *end)
{
	return end->kind == &kind;
}
