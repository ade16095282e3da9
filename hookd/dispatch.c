#include "cleanup.h"
#include "clock.h"
#include "dispatch_inner.h"
#include "log.h"
#include "metrics.h"
#include "outbox.h"
#include "table.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_MS 50      /* what came, and results, are written together after this long */
#define PLACE_MS 1000     /* a place in the log, if nothing else is written; behind it stand events that nobody wants */
#define STUCK_MS 1000     /* the disk is asked again */
#define PRUNE_MS 60000    /* dead letters are looked through */
#define WAKE_MAX_MS 60000 /* the wall clock may step: due times are looked at again */
#define DAY_MS (24 * 3600 * 1000ll)

/* ---- Transactions ---- */

static void pump(struct lane *lane);
static void reload(struct dispatch *dispatch);

/* While there is a backlog, what stands before this one on the disk was not loaded yet. */
static void keep(void *context, struct outbox_delivery *delivery)
{
	struct lane *lane = context;

	outbox_add(lane->dispatch->outbox, delivery);
	if (!lane->backlog)
		lane->loaded = delivery->number;
}

void dispatch_keep(struct lane *lane)
{
	if (lane->unkept && !lane->dispatch->stuck)
		lane_keep(lane, keep, lane);
}

static void save_lanes(struct dispatch *dispatch)
{
	for (size_t i = 0; i < hs_table_count(dispatch->lanes); i++) {
		struct lane *lane = dispatch->order[i];

		dispatch_keep(lane);
		if (lane->dirty)
			endpoint_save(lane->endpoint, dispatch->outbox);
		lane->dirty = false;
	}
}

static void on_stuck(uv_timer_t *timer)
{
	struct dispatch *dispatch = timer->data;
	char cursor[65];
	int64_t seq;

	if (outbox_cursor(dispatch->outbox, cursor, &seq) == 0)
		outbox_set_cursor(dispatch->outbox, cursor, seq);
	if (outbox_commit(dispatch->outbox, false) < 0)
		return;
	hs_log(WARN, "outbox.works_again");
	hs_daemon_degraded(dispatch->setup.house, "outbox", NULL);
	dispatch->stuck = false;
	uv_timer_stop(timer);
	reload(dispatch);
	dispatch->setup.undone(dispatch->setup.context);
}

static void get_stuck(struct dispatch *dispatch, int error)
{
	dispatch->stuck = true;
	hs_daemon_degraded(dispatch->setup.house, "outbox",
			   error == -ENOSPC ? "the disk is full: no webhook leaves until there is room"
					    : "the outbox cannot be written: see the log, check disk and permissions");
	uv_timer_start(&dispatch->commit, on_stuck, STUCK_MS, STUCK_MS);
}

static int commit(struct dispatch *dispatch, bool durable)
{
	int error;

	if (dispatch->stuck)
		return -EIO;
	save_lanes(dispatch);
	if (*dispatch->cursor)
		outbox_set_cursor(dispatch->outbox, dispatch->cursor, dispatch->seq);
	dispatch->cursor[0] = '\0';
	error = outbox_commit(dispatch->outbox, durable);
	if (error < 0) {
		get_stuck(dispatch, error);
		return error;
	}
	uv_timer_stop(&dispatch->commit);
	uv_timer_stop(&dispatch->place);
	hs_metric_set(dispatch->depth, outbox_depth(dispatch->outbox));
	return 0;
}

bool dispatch_is_stuck(const struct dispatch *dispatch)
{
	return dispatch->stuck;
}

int dispatch_commit(struct dispatch *dispatch)
{
	return commit(dispatch, true);
}

static void on_turn(uv_idle_t *idle)
{
	struct dispatch *dispatch = idle->data;

	uv_idle_stop(idle);
	while (dispatch->to_pump_count) {
		struct lane *lane = dispatch->to_pump[--dispatch->to_pump_count];

		lane->listed = false;
		pump(lane);
	}
	deliver_flush(dispatch->setup.deliver);
}

static void on_commit(uv_timer_t *timer)
{
	commit(timer->data, false);
}

void dispatch_commit_later(struct dispatch *dispatch)
{
	if (!dispatch->stuck && !uv_is_active((uv_handle_t *)&dispatch->commit))
		uv_timer_start(&dispatch->commit, on_commit, COMMIT_MS, 0);
}

/* ---- Loading ---- */

struct loading {
	struct lane *lane;
	bool first;
};

static void take_loaded(void *context, struct outbox_delivery *delivery)
{
	struct loading *loading = context;
	struct lane *lane = loading->lane;

	if (loading->first)
		lane->loaded = delivery->number;
	if (lane_is_flying(lane, delivery->number))
		free(delivery);
	else
		lane_push(lane, delivery, loading->first);
}

static void load_fresh(struct lane *lane)
{
	struct loading loading = {lane, true};
	int room = LANE_WINDOW - lane->waiting;

	if (!lane->backlog || room < LANE_WINDOW / 2 || commit(lane->dispatch, false) < 0)
		return;
	lane->backlog = outbox_load_fresh(lane->dispatch->outbox, lane->endpoint->number, lane->loaded, room,
					  take_loaded, &loading) == room;
}

static void load_due(struct lane *lane, int64_t now_ms)
{
	struct loading loading = {lane, false};
	struct outbox *outbox = lane->dispatch->outbox;
	int64_t number = lane->endpoint->number;

	if (lane->retries || lane->next_due_ms > now_ms || commit(lane->dispatch, false) < 0)
		return;
	if (outbox_load_due(outbox, number, now_ms, LANE_RETRIES, take_loaded, &loading) < LANE_RETRIES)
		lane->next_due_ms = outbox_next_due(outbox, number, now_ms);
}

static void on_wake(uv_timer_t *timer)
{
	pump(timer->data);
}

/* Wakes for the next retry, or when the breaker lets the next request through. */
static void arm(struct lane *lane)
{
	int64_t now_ms = hs_clock_ms(), wait = INT64_MAX;

	if (!lane->retries && lane->next_due_ms < INT64_MAX)
		wait = lane->next_due_ms - hs_clock_lasting_ms();
	if (lane->waiting && lane->breaker.not_before_ms > now_ms)
		wait = 0;
	if (wait == INT64_MAX) {
		uv_timer_stop(&lane->timer);
		return;
	}
	if (wait < lane->breaker.not_before_ms - now_ms)
		wait = lane->breaker.not_before_ms - now_ms;
	if (wait > WAKE_MAX_MS)
		wait = WAKE_MAX_MS;
	uv_update_time(lane->dispatch->setup.house->loop);
	uv_timer_start(&lane->timer, on_wake, wait > 0 ? (uint64_t)wait : 0, 0);
}

/* ---- Attempts ---- */

static void done(void *context, const struct deliver_result *result);

/* Whether some lane cannot sign, as health tells it. */
static void tell_locked(struct dispatch *dispatch)
{
	bool locked = false;

	for (size_t i = 0; i < hs_table_count(dispatch->lanes); i++)
		locked |= dispatch->order[i]->locked;
	hs_daemon_degraded(dispatch->setup.house, "webhook-secret",
			   locked ? "a webhook secret cannot be opened: nothing is sent unsigned; the log says which"
				  : NULL);
}

static bool can_sign(struct lane *lane)
{
	struct hs_house *house = lane->dispatch->setup.house;
	int error = endpoint_open_secrets(lane->endpoint, house->home);

	if (!error) {
		lane->dirty |= endpoint_end_rotation(lane->endpoint, house->home, hs_clock_wall_ms());
		return true;
	}
	hs_log(ERROR, "webhook.secret_unusable", LOG_TEXT("webhook", lane->endpoint->id),
	       LOG_TEXT("error", strerror(-error)),
	       LOG_WHY(error == -EXDEV ? "it was sealed for another URL: seal it for this one"
				       : "it is not a whsec_ secret sealed to hookd: give it anew"));
	lane->locked = true;
	tell_locked(lane->dispatch);
	return false;
}

static void send_job(struct lane *lane, struct job *job)
{
	const struct outbox_delivery *delivery = job->delivery;
	const struct endpoint *endpoint = lane->endpoint;
	struct sign_lines lines;
	struct sign_request to_sign = {
		.style = endpoint->style,
		.secrets = &endpoint->secrets,
		.url = endpoint->given_url,
		.id = delivery->id,
		.timestamp_s = hs_clock_wall_ms() / 1000,
		.body = delivery->body,
		.bytes = delivery->bytes,
	};
	struct deliver_request request = {
		.url = &endpoint->url,
		.tls = &endpoint->tls,
		.lines = &lines,
		.body = delivery->body,
		.bytes = delivery->bytes,
		.done = done,
		.context = job,
	};

	sign_attempt(&to_sign, &lines);
	deliver_start(lane->dispatch->setup.deliver, &request);
}

static void pump(struct lane *lane)
{
	struct dispatch *dispatch = lane->dispatch;
	int64_t now_ms = hs_clock_lasting_ms();

	if (!dispatch->running || dispatch->stuck || lane->removed || lane->locked || lane->endpoint->paused)
		return;
	load_fresh(lane);
	load_due(lane, now_ms);
	if (lane->waiting && !can_sign(lane))
		return;
	while (lane->flying_count < breaker_allows(&lane->breaker,
						   (int)dispatch->setup.house->config->webhooks->concurrency,
						   hs_clock_ms())) {
		struct job *job = lane_pick(lane);

		if (!job)
			break;
		send_job(lane, job);
	}
	hs_metric_set(dispatch->flying, (int64_t)deliver_count(dispatch->setup.deliver));
	arm(lane);
}

static void free_lane(uv_handle_t *handle)
{
	struct lane *lane = handle->data;

	ledger_destroy(lane->ledger);
	endpoint_destroy(lane->endpoint);
	free(lane);
}

static void close_lane(struct lane *lane)
{
	lane_clear(lane);
	while (lane->flying)
		lane_land(lane, lane->flying);
	uv_close((uv_handle_t *)&lane->timer, free_lane);
}

/* The last request of a removed endpoint is over. */
static void leave(struct lane *lane)
{
	struct lane **at = &lane->dispatch->leaving;

	while (*at != lane)
		at = &(*at)->next_leaving;
	*at = lane->next_leaving;
	close_lane(lane);
}

static void done(void *context, const struct deliver_result *result)
{
	struct job *job = context;
	struct lane *lane = job->lane;

	if (!lane->removed)
		verdict_take(lane, job->delivery, result);
	lane_land(lane, job);
	if (!lane->removed)
		pump(lane);
	else if (!lane->flying_count && !lane->held)
		leave(lane);
}

struct lane *dispatch_hold(struct dispatch *dispatch, const struct endpoint *endpoint)
{
	struct lane *lane = hs_table_get(dispatch->lanes, endpoint->id);

	lane->held++;
	return lane;
}

void dispatch_let_go(struct lane *lane)
{
	if (!--lane->held && lane->removed && !lane->flying_count)
		leave(lane);
}

/* ---- Lanes ---- */

static int by_id(const void *a, const void *b)
{
	const struct lane *const *left = a, *const *right = b;

	return strcmp((*left)->endpoint->id, (*right)->endpoint->id);
}

static bool list_lane(void *context, const char *key, void *object)
{
	struct lane ***at = context;

	*(*at)++ = object;
	return true;
}

static void list_again(struct dispatch *dispatch)
{
	size_t count = hs_table_count(dispatch->lanes);
	struct lane **at;

	dispatch->order = hs_resize(dispatch->order, count + 1, sizeof(struct lane *));
	dispatch->to_pump = hs_resize(dispatch->to_pump, count + 1, sizeof(struct lane *));
	at = dispatch->order;
	hs_table_each(dispatch->lanes, list_lane, &at);
	qsort(dispatch->order, count, sizeof(struct lane *), by_id);
}

/* All that waits is read from the disk again. */
static void rewind_lane(struct lane *lane)
{
	lane_clear(lane);
	lane->loaded = 0;
	lane->dirty = true;
	lane->backlog = true;
	lane->next_due_ms = 0;
	verdict_recount_waiting(lane);
}

static void reload(struct dispatch *dispatch)
{
	for (size_t i = 0; i < hs_table_count(dispatch->lanes); i++) {
		rewind_lane(dispatch->order[i]);
		pump(dispatch->order[i]);
	}
}

static void add_lane(struct dispatch *dispatch, struct endpoint *endpoint)
{
	struct lane *lane = hs_zalloc(sizeof(*lane));

	lane->dispatch = dispatch;
	lane->endpoint = endpoint;
	lane->ledger = ledger_create(dispatch->setup.house->folder, endpoint->number,
				     (int)dispatch->setup.house->config->webhooks->log_attempts);
	uv_timer_init(dispatch->setup.house->loop, &lane->timer);
	lane->timer.data = lane;
	hs_table_put(dispatch->lanes, endpoint->id, lane);
	list_again(dispatch);
	rewind_lane(lane);
}

static void load_endpoint(void *context, const struct outbox_endpoint *row)
{
	struct dispatch *dispatch = context;
	struct endpoint *endpoint = endpoint_create(row);

	if (endpoint)
		add_lane(dispatch, endpoint);
}

static struct lane *lane_of(const struct dispatch *dispatch, const char *id)
{
	return hs_table_get(dispatch->lanes, id);
}

/* Pumped at the beginning of the next turn, with all that comes in this one; committed later. */
static void pump_soon(struct lane *lane)
{
	struct dispatch *dispatch = lane->dispatch;

	if (!lane->listed)
		dispatch->to_pump[dispatch->to_pump_count++] = lane;
	lane->listed = true;
	uv_idle_start(&dispatch->turn, on_turn);
	dispatch_commit_later(dispatch);
}

/* ---- Events ---- */

static void queue(struct lane *lane, const struct follow_event *event)
{
	const struct hs_event_head *head = event->head;
	struct dispatch *dispatch = lane->dispatch;
	struct endpoint *endpoint = lane->endpoint;
	AUTO(free) char *body = match_body(endpoint->kind, event->json, event->text, event->bytes);
	struct outbox_delivery *delivery;
	char id[SIGN_MESSAGE_ID];

	sign_message_id(head->cursor, endpoint->id, id);
	delivery = outbox_delivery_make(endpoint->number, id, head->type, head->call_id ? head->call_id : "",
					head->line ? head->line : "", head->cursor, body, strlen(body));
	delivery->created_at_ms = head->timestamp;
	endpoint->waiting++;
	if (lane->backlog || lane->waiting >= LANE_WINDOW) {
		dispatch_keep(lane); /* what came before gets the lower numbers */
		lane->backlog = true;
		outbox_add(dispatch->outbox, delivery);
		free(delivery);
	} else {
		lane_push(lane, delivery, true);
	}
	pump_soon(lane);
}

/* One endpoint's messages never fill the outbox for all. What is not kept for it is in the log, from this cursor on. */
static bool is_skipped(struct lane *lane, const struct follow_event *event)
{
	struct endpoint *endpoint = lane->endpoint;

	if (endpoint->waiting < OUTBOX_MAX_OF_ONE)
		return false;
	if (!endpoint->skipped++) {
		hs_copy(endpoint->skipped_from, sizeof(endpoint->skipped_from), event->head->cursor);
		hs_log(ERROR, "webhook.skipping", LOG_TEXT("webhook", endpoint->id),
		       LOG_TEXT("cursor", event->head->cursor), LOG_INT("waiting", endpoint->waiting),
		       LOG_WHY("too many messages wait for it: replay from this cursor when it works again"));
	}
	lane->dirty = true;
	return true;
}

static void set_place(struct dispatch *dispatch, const char *cursor, int64_t seq)
{
	hs_copy(dispatch->cursor, sizeof(dispatch->cursor), cursor);
	dispatch->seq = seq;
}

/* The place goes to the disk with what was queued, with any change of an endpoint, or else later: who reads from an
 * earlier one finds only events that no endpoint of then wanted. */
void dispatch_take(struct dispatch *dispatch, const struct follow_event *event)
{
	if (dispatch->stuck)
		return; /* read again from the cursor when the disk takes writes */
	for (size_t i = 0; i < hs_table_count(dispatch->lanes); i++) {
		struct lane *lane = dispatch->order[i];
		struct match_filter filter = endpoint_filter(lane->endpoint);

		if (lane->endpoint->enabled && match_wants(&filter, event->head, event->json) &&
		    !is_skipped(lane, event))
			queue(lane, event);
	}
	set_place(dispatch, event->head->cursor, event->head->seq);
	if (!uv_is_active((uv_handle_t *)&dispatch->place))
		uv_timer_start(&dispatch->place, on_commit, PLACE_MS, 0);
}

void dispatch_place(struct dispatch *dispatch, const char *cursor, int64_t seq)
{
	set_place(dispatch, cursor, seq);
	commit(dispatch, false);
}

/* ---- Endpoints ---- */

struct endpoint *dispatch_find(struct dispatch *dispatch, const char *id)
{
	struct lane *lane = lane_of(dispatch, id);

	return lane ? lane->endpoint : NULL;
}

int dispatch_add(struct dispatch *dispatch, struct endpoint *endpoint)
{
	if (dispatch_count(dispatch) >= DISPATCH_MAX_ENDPOINTS)
		return -ENOSPC;
	endpoint_save(endpoint, dispatch->outbox);
	add_lane(dispatch, endpoint);
	dispatch_commit_later(dispatch);
	return 0;
}

void dispatch_changed(struct dispatch *dispatch, struct endpoint *endpoint)
{
	struct lane *lane = lane_of(dispatch, endpoint->id);

	outbox_hasten(dispatch->outbox, endpoint->number, hs_clock_lasting_ms());
	lane->next_due_ms = 0;
	lane->locked = false;
	lane->dirty = true;
	memset(&lane->breaker, 0, sizeof(lane->breaker));
	pump_soon(lane);
}

int dispatch_reseal(struct dispatch *dispatch)
{
	int count = 0, error = 0;

	if (dispatch->stuck)
		return -EIO;
	for (size_t i = 0; i < hs_table_count(dispatch->lanes) && error >= 0; i++) {
		struct lane *lane = dispatch->order[i];

		error = endpoint_reseal(lane->endpoint, dispatch->setup.house->home);
		lane->dirty = true; /* all: what a commit that failed took back is written, too */
		count += error > 0;
	}
	if (error >= 0)
		error = dispatch_commit(dispatch);
	return error < 0 ? error : count;
}

void dispatch_remove(struct dispatch *dispatch, struct endpoint *endpoint)
{
	struct lane *lane = hs_table_remove(dispatch->lanes, endpoint->id);

	outbox_drop_endpoint(dispatch->outbox, endpoint->number);
	for (size_t i = 0; i < dispatch->to_pump_count; i++)
		if (dispatch->to_pump[i] == lane)
			dispatch->to_pump[i--] = dispatch->to_pump[--dispatch->to_pump_count];
	list_again(dispatch);
	tell_locked(dispatch);
	lane_clear(lane);
	lane->removed = true;
	ledger_remove(lane->ledger);
	uv_timer_stop(&lane->timer);
	lane->next_leaving = dispatch->leaving;
	dispatch->leaving = lane;
	if (!lane->flying_count && !lane->held)
		leave(lane);
	dispatch_commit_later(dispatch);
}

void dispatch_each(struct dispatch *dispatch, void (*visit)(void *context, struct endpoint *endpoint), void *context)
{
	for (size_t i = 0; i < dispatch_count(dispatch); i++)
		visit(context, dispatch->order[i]->endpoint);
}

size_t dispatch_count(const struct dispatch *dispatch)
{
	return hs_table_count(dispatch->lanes);
}

const char *dispatch_name(const struct dispatch *dispatch, int64_t number)
{
	for (size_t i = 0; i < dispatch_count(dispatch); i++)
		if (dispatch->order[i]->endpoint->number == number)
			return dispatch->order[i]->endpoint->id;
	return "gone";
}

int dispatch_replay(struct dispatch *dispatch, const char *delivery)
{
	int64_t number = outbox_replay(dispatch->outbox, delivery, hs_clock_lasting_ms());

	for (size_t i = 0; i < dispatch_count(dispatch) && number >= 0; i++) {
		struct lane *lane = dispatch->order[i];

		if (lane->endpoint->number != number)
			continue;
		lane->next_due_ms = 0;
		verdict_recount(lane);
		pump_soon(lane);
		return 0;
	}
	return -ENOENT;
}

int64_t dispatch_replay_all(struct dispatch *dispatch, const struct endpoint *endpoint)
{
	int64_t revived = 0;

	for (size_t i = 0; i < dispatch_count(dispatch); i++) {
		struct lane *lane = dispatch->order[i];

		if (endpoint && lane->endpoint != endpoint)
			continue;
		revived += outbox_replay_all(dispatch->outbox, lane->endpoint->number, hs_clock_lasting_ms());
		lane->next_due_ms = 0;
		verdict_recount(lane);
		pump_soon(lane);
	}
	return revived;
}

int dispatch_repeat(struct dispatch *dispatch, struct endpoint *endpoint, const struct follow_event *event)
{
	struct match_filter filter = endpoint_filter(endpoint);
	char id[SIGN_MESSAGE_ID];

	if (!match_wants(&filter, event->head, event->json))
		return 0;
	sign_message_id(event->head->cursor, endpoint->id, id);
	if (dispatch_replay(dispatch, id) == 0)
		return 1;
	if (endpoint->waiting >= OUTBOX_MAX_OF_ONE)
		return -EBUSY;
	queue(lane_of(dispatch, endpoint->id), event);
	return 1;
}

struct ledger *dispatch_ledger(struct dispatch *dispatch, const struct endpoint *endpoint)
{
	return lane_of(dispatch, endpoint->id)->ledger;
}

/* ---- Life ---- */

/* Also of an endpoint that nothing is sent to. */
static void end_rotation(struct lane *lane)
{
	struct dispatch *dispatch = lane->dispatch;

	if (!endpoint_end_rotation(lane->endpoint, dispatch->setup.house->home, hs_clock_wall_ms()))
		return;
	lane->dirty = true;
	dispatch_commit_later(dispatch);
}

static void on_prune(uv_timer_t *timer)
{
	struct dispatch *dispatch = timer->data;
	int64_t keep_ms = dispatch->setup.house->config->store->retention_days * DAY_MS;

	for (size_t i = 0; i < dispatch_count(dispatch) && !dispatch->stuck; i++)
		end_rotation(dispatch->order[i]);
	if (dispatch->stuck || !outbox_prune(dispatch->outbox, hs_clock_lasting_ms() - keep_ms))
		return;
	for (size_t i = 0; i < dispatch_count(dispatch); i++)
		verdict_recount(dispatch->order[i]);
}

struct dispatch *dispatch_create(const struct dispatch_setup *setup)
{
	struct dispatch *dispatch = hs_zalloc(sizeof(*dispatch));
	uv_loop_t *loop = setup->house->loop;

	dispatch->setup = *setup;
	dispatch->outbox = setup->outbox;
	dispatch->lanes = hs_table_create();
	list_again(dispatch);
	verdict_set_up(dispatch);
	uv_idle_init(loop, &dispatch->turn);
	uv_timer_init(loop, &dispatch->commit);
	uv_timer_init(loop, &dispatch->place);
	uv_timer_init(loop, &dispatch->prune);
	dispatch->turn.data = dispatch->commit.data = dispatch->place.data = dispatch->prune.data = dispatch;
	outbox_each_endpoint(setup->outbox, load_endpoint, dispatch);
	return dispatch;
}

void dispatch_start(struct dispatch *dispatch)
{
	int64_t latest_ms = hs_clock_lasting_ms() + RETRY_LONGEST_MS;

	dispatch->running = true;
	uv_timer_start(&dispatch->prune, on_prune, PRUNE_MS, PRUNE_MS);
	hs_metric_set(dispatch->depth, outbox_depth(dispatch->outbox));
	hs_metric_set(dispatch->dead, outbox_dead_letters(dispatch->outbox, 0));
	for (size_t i = 0; i < dispatch_count(dispatch); i++) {
		/* what is due later than that was put off before somebody set the clock back */
		outbox_hasten(dispatch->outbox, dispatch->order[i]->endpoint->number, latest_ms);
		pump_soon(dispatch->order[i]);
	}
	dispatch_commit_later(dispatch);
}

void dispatch_stop(struct dispatch *dispatch)
{
	dispatch->running = false;
}

/* libuv lets go of its handles in an order of its own. */
static void handle_closed(uv_handle_t *handle)
{
	struct dispatch *dispatch = handle->data;

	if (--dispatch->handles == 0)
		free(dispatch);
}

void dispatch_destroy(struct dispatch *dispatch)
{
	if (!dispatch)
		return;
	commit(dispatch, false);
	for (size_t i = 0; i < dispatch_count(dispatch); i++)
		close_lane(dispatch->order[i]);
	while (dispatch->leaving)
		leave(dispatch->leaving);
	hs_table_destroy(dispatch->lanes);
	free(dispatch->order);
	free(dispatch->to_pump);
	dispatch->handles = 4;
	uv_close((uv_handle_t *)&dispatch->turn, handle_closed);
	uv_close((uv_handle_t *)&dispatch->commit, handle_closed);
	uv_close((uv_handle_t *)&dispatch->place, handle_closed);
	uv_close((uv_handle_t *)&dispatch->prune, handle_closed);
}
