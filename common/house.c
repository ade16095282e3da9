/* The child's life: one can read the wall go up in daemon_live. */
#include "cleanup.h"
#include "clock.h"
#include "daemon_inner.h"
#include "id.h"
#include "log.h"
#include "metrics.h"
#include "privs.h"
#include "pulse.h"
#include "secret.h"
#include "table.h"
#include "trace.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLOSE_MS 500 /* for handles that are being closed */
#define TEXT_BYTES 60000
#define TRACES 1000
#define TRACE_BYTES 200000 /* of all records in an answer: the bus takes 256 KiB */
#define TRACE_MEMBERS 180  /* of one record: names, times, punctuation */

struct life {
	struct hs_house house; /* first: hs_daemon_* find the rest by it */
	const struct hs_daemon *daemon;
	uv_loop_t loop;
	uv_signal_t terminate, interrupt;
	uv_timer_t drain, beat;
	uv_work_t first_work;
	struct hs_table *degraded; /* name -> why */
	char incarnation[HS_ID_BYTES];
	char *folder, *ready;
	int64_t started_at_ms;
	bool stopping, is_announced;
};

/* ---- what every daemon answers ---- */

static _Bool join_why(void *context, const char *key, void *object)
{
	char *why = context;
	size_t used = strlen(why);

	snprintf(why + used, HS_DAEMON_WHY - used, "%s%s", used ? "; " : "", (const char *)object);
	return used + 1 < HS_DAEMON_WHY;
}

void hs_daemon_part(struct hs_house *house, char why[HS_DAEMON_WHY], struct hs_part *ret_part)
{
	struct life *life = (struct life *)(void *)house;

	why[0] = 0;
	*ret_part = (struct hs_part){
		.daemon = life->daemon->name,
		.state = life->stopping ? HS_HEALTH_STATE_AWAY : HS_HEALTH_STATE_OK,
		.incarnation = life->incarnation,
		.has_pid = true,
		.pid = getpid(),
		.has_restarts = true,
		.restarts = hs_keep_deaths(life->house.keep),
		.has_uptime_ms = true,
		.uptime_ms = hs_clock_ms() - life->started_at_ms,
		.sandbox = hs_sandbox_summary(),
	};
	if (hs_table_count(life->degraded) && !life->stopping) {
		hs_table_each(life->degraded, join_why, why);
		ret_part->state = HS_HEALTH_STATE_DEGRADED;
		ret_part->why = why;
	}
}

static void serve_status(void *context, struct hs_request *request)
{
	char why[HS_DAEMON_WHY];
	struct hs_part part;

	hs_daemon_part(context, why, &part);
	hs_bus_answer(request, &(struct hs_daemon_status_answer){.part = &part});
}

static void serve_metrics(void *context, struct hs_request *request)
{
	const struct life *life = context;
	AUTO(free) char *text = hs_metrics_text(life->daemon->name);
	char *end;

	if (strlen(text) > TEXT_BYTES) { /* whole lines only */
		text[TEXT_BYTES] = 0;
		end = strrchr(text, '\n');
		if (end)
			end[1] = 0;
	}
	hs_bus_answer(request, &(struct hs_daemon_metrics_answer){.text = text});
}

static size_t length_of(const char *text)
{
	return text ? strlen(text) : 0;
}

/* How many of the newest records fit into an answer. */
static size_t newest_that_fit(const struct hs_trace *records, size_t count)
{
	size_t bytes = 0, fits = 0;

	for (; fits < count && bytes < TRACE_BYTES; fits++) {
		const struct hs_trace *record = &records[count - 1 - fits];

		bytes += TRACE_MEMBERS + length_of(record->call) + length_of(record->leg) + length_of(record->from) +
			 length_of(record->to) + length_of(record->what);
	}
	return fits;
}

static void serve_trace(void *context, struct hs_request *request)
{
	const struct hs_daemon_trace *body = request->body;
	AUTO(free) struct hs_trace *records = hs_zalloc(TRACES * sizeof(*records));
	size_t count = hs_trace_read(body->call, records, TRACES);
	size_t fits = newest_that_fit(records, count);

	hs_bus_answer(request,
		      &(struct hs_daemon_trace_answer){.records_count = fits, .records = records + count - fits});
}

static void serve_log(void *context, struct hs_request *request)
{
	const struct hs_log_set *body = request->body;

	hs_log_set_level(body->level);
	hs_log(INFO, "log.level", LOG_TEXT("level", hs_enum_log_level.names[body->level]));
	hs_bus_answer(request, NULL);
}

struct old_secrets {
	const struct hs_house *house;
	int64_t count;
};

static void count_old(void *context, const char *secret)
{
	struct old_secrets *old = context;
	AUTO(free) char *fresh = hs_secret_reseal(old->house->home, old->house->role, secret);

	old->count += fresh != NULL;
}

static void serve_reseal(void *context, struct hs_request *request)
{
	struct life *life = context;
	int resealed = life->daemon->reseal ? life->daemon->reseal(&life->house) : 0;
	struct old_secrets left = {&life->house, 0};

	if (resealed < 0) {
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "its store cannot be written; see health");
		return;
	}
	hs_config_each_secret(life->house.config, life->house.role, count_old, &left);
	hs_log(INFO, "keys.resealed", LOG_INT("resealed", resealed), LOG_INT("left", left.count));
	hs_bus_answer(request, &(struct hs_keys_reseal_answer){.resealed = resealed,
							       .left = left.count,
							       .standing = hs_bus_renew(life->house.bus)});
}

static const struct hs_door common_doors[] = {
	{HS_DAEMON_STATUS, serve_status}, {HS_DAEMON_METRICS, serve_metrics},
	{HS_DAEMON_TRACE, serve_trace},   {HS_KEYS_RESEAL, serve_reseal},
	{HS_LOG_SET, serve_log},
};

/* ---- stopping ---- */

static void on_drained(uv_timer_t *timer)
{
	struct life *life = timer->data;

	hs_log(WARN, "daemon.drain_timeout", LOG_INT("after_s", life->house.config->server->drain_s));
	hs_daemon_stopped(&life->house);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct life *life = handle->data;

	if (life->stopping)
		return;
	life->stopping = true;
	hs_log(INFO, "daemon.stopping", LOG_INT("signal", number));
	unlink(life->ready);
	uv_timer_start(&life->drain, on_drained, (uint64_t)life->house.config->server->drain_s * 1000, 0);
	if (life->daemon->stop)
		life->daemon->stop(&life->house);
	else
		hs_daemon_stopped(&life->house);
}

void hs_daemon_stopped(struct hs_house *house)
{
	uv_stop(house->loop);
}

void hs_daemon_degraded(struct hs_house *house, const char *name, const char *why)
{
	struct life *life = (struct life *)(void *)house;
	AUTO(free) char *labels = hs_printf("reason=\"%s\"", name);
	char *old = why ? hs_table_put(life->degraded, name, hs_strdup(why)) : hs_table_remove(life->degraded, name);

	if (!old != !why)
		hs_log(WARN, why ? "daemon.degraded" : "daemon.recovered", LOG_TEXT("name", name), LOG_WHY(why));
	free(old);
	hs_metric_set(hs_metric_gauge("hookswitch_degraded", labels, "1: something is less than meant."), why != NULL);
}

/* ---- beginning ---- */

/* Says that the daemon serves: its pid and incarnation in a file that appears whole. */
static int write_ready(const struct life *life)
{
	AUTO(free) char *fresh = hs_printf("%s.new", life->ready);
	AUTO(free) char *text = hs_printf("%d %s\n", (int)getpid(), life->incarnation);
	AUTO(close) int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	errno = 0;
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, 0644) < 0 ||
	    rename(fresh, life->ready) < 0)
		return errno ? -errno : -ENOSPC;
	return 0;
}

/* A full disk keeps nobody from serving: the file comes when there is room. */
static void announce(struct life *life)
{
	int result = write_ready(life);

	life->is_announced = result == 0;
	if (result < 0 || hs_table_get(life->degraded, "ready_file"))
		hs_daemon_degraded(&life->house, "ready_file", result < 0 ? strerror(-result) : NULL);
}

static void on_beat(uv_timer_t *timer)
{
	struct life *life = timer->data;

	hs_pulse_beat();
	if (!life->is_announced && !life->stopping)
		announce(life);
}

/* The keeper watches from now on whether the loop turns. */
static void begin_pulse(struct life *life)
{
	hs_metric_set(hs_metric_gauge("hookswitch_hangs", "", "Children that hung and were killed by their keeper."),
		      hs_pulse_hangs());
	hs_metric_set(hs_metric_gauge("hookswitch_quarantined", "", "Pieces of work that killed three children."),
		      hs_pulse_poisons());
	if (hs_pulse_poisons())
		hs_daemon_degraded(&life->house, "quarantine",
				   "something killed it three times and is left alone: see keeper.poison in its log");
	uv_timer_start(&life->beat, on_beat, 0, HS_PULSE_BEAT_MS);
}

static void watch_signal(struct life *life, uv_signal_t *handle, int number)
{
	uv_signal_init(&life->loop, handle);
	handle->data = life;
	uv_signal_start(handle, on_signal, number);
}

static int build(struct life *life, const struct daemon_plan *plan, struct hs_keep *keep)
{
	struct hs_bus_setup setup = {&life->loop, plan->daemon->role, plan->home, life->incarnation,
				     NULL,        plan->config->bus,  keep};

	life->daemon = plan->daemon;
	life->started_at_ms = hs_clock_ms();
	life->degraded = hs_table_create();
	life->folder = hs_printf("%s/%s", plan->home, plan->daemon->name);
	life->ready = daemon_ready_path(plan->home, plan->daemon->name);
	unlink(life->ready); /* the predecessor's */
	hs_id_make('i', plan->config->node, life->incarnation);
	if (uv_loop_init(&life->loop) < 0)
		abort();
	life->house = (struct hs_house){
		.config = plan->config,
		.loop = &life->loop,
		.keep = keep,
		.role = plan->daemon->role,
		.home = plan->home,
		.folder = life->folder,
		.incarnation = life->incarnation,
		.predecessor_died = plan->unclean || hs_keep_deaths(keep) > 0,
	};
	uv_timer_init(&life->loop, &life->drain);
	uv_unref((uv_handle_t *)&life->drain);
	life->drain.data = life;
	uv_timer_init(&life->loop, &life->beat);
	life->beat.data = life;
	uv_unref((uv_handle_t *)&life->beat);
	watch_signal(life, &life->terminate, SIGTERM);
	watch_signal(life, &life->interrupt, SIGINT);
	if (plan->daemon->journal_bytes) {
		life->house.journal = setup.journal = hs_journal_open(keep, plan->daemon->journal_bytes);
		if (!setup.journal)
			return -ENOMEM;
	}
	life->house.bus = hs_bus_create(&setup);
	return life->house.bus ? 0 : -EADDRNOTAVAIL;
}

static void tell_refused(void *context, const char *call, int64_t count)
{
	struct life *life = context;
	AUTO(free) char *labels = hs_printf("call=\"%s\"", call);

	hs_metric_add(hs_metric_counter("hookswitch_sandbox_refused_total", labels,
					"Deaths by a system call that the sandbox refused."),
		      (uint64_t)count);
	hs_daemon_degraded(&life->house, "sandbox_refused",
			   "it was killed at a forbidden system call: see sandbox.refused in its log");
}

static void do_nothing(uv_work_t *work)
{
}

static void nothing_done(uv_work_t *work, int status)
{
}

/* libuv makes its threads at the first work; later there are no more to be had. */
static void make_workers(struct life *life)
{
	if (life->daemon->sandbox && life->daemon->sandbox->has_workers)
		uv_queue_work(&life->loop, &life->first_work, do_nothing, nothing_done);
}

static void tell_sandbox(struct life *life)
{
	if (hs_sandbox_missing())
		hs_daemon_degraded(&life->house, "sandbox", hs_sandbox_missing());
	hs_sandbox_each_refused(tell_refused, life);
}

static int begin(struct life *life, const struct hs_sandbox_plan *sandbox)
{
	int result;

	hs_trace_setup(life->daemon->name, life->house.bus);
	if (!hs_privs_separate())
		hs_daemon_degraded(&life->house, "one_uid",
				   "all daemons run under one user; start the suite as root to separate them");
	tell_sandbox(life);
	result = hs_sandbox_start(sandbox);
	if (result == 0)
		result = life->daemon->start(&life->house);
	if (result < 0)
		return result;
	hs_bus_serve(life->house.bus, common_doors, HS_COUNT(common_doors), life);
	if (life->daemon->doors_count)
		hs_bus_serve(life->house.bus, life->daemon->doors, life->daemon->doors_count, life->house.daemon);
	if (life->house.journal && hs_bus_tell(life->house.bus, HS_DRIVER_STARTED,
					       &(struct hs_driver_started){
						       .incarnation = life->incarnation,
						       .clean = !life->house.predecessor_died,
						       .has_keeps = life->daemon->keeps_legs,
						       .keeps = hs_journal_is_found(life->house.journal),
					       }) < 0)
		hs_log(ERROR, "daemon.untold", LOG_WHY("the journal is full: the restart is not in the event log"));
	make_workers(life);
	result = hs_sandbox_run(sandbox);
	if (result < 0)
		return result;
	hs_log(INFO, "ready", LOG_TEXT("incarnation", life->incarnation),
	       LOG_INT("deaths", hs_keep_deaths(life->house.keep)),
	       LOG_INT("start_ms", hs_clock_ms() - life->started_at_ms));
	announce(life);
	hs_keep_serves(life->house.keep);
	begin_pulse(life);
	return 0;
}

/* ---- ending ---- */

static void close_left(uv_handle_t *handle, void *context)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void on_guard(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* Lets closing handles close. What is still there after it would wait for ever: the process ends anyway. */
static void close_loop(struct life *life)
{
	uv_timer_t *own[] = {&life->drain};
	uv_close((uv_handle_t *)&life->beat, NULL);
	uv_signal_t *signals[] = {&life->terminate, &life->interrupt};

	for (size_t i = 0; i < HS_COUNT(signals); i++)
		uv_close((uv_handle_t *)signals[i], NULL);
	uv_timer_start(own[0], on_guard, CLOSE_MS, 0);
	uv_run(&life->loop, UV_RUN_DEFAULT);
	uv_walk(&life->loop, close_left, NULL);
	uv_run(&life->loop, UV_RUN_NOWAIT);
	if (uv_loop_close(&life->loop) < 0)
		hs_log(DEBUG, "daemon.loop_busy");
}

static _Bool free_why(void *context, const char *key, void *object)
{
	free(object);
	return true;
}

static void end(struct life *life)
{
	hs_trace_setup(life->daemon->name, NULL);
	hs_bus_destroy(life->house.bus);
	close_loop(life);
	hs_journal_close(life->house.journal);
	hs_table_each(life->degraded, free_why, NULL);
	hs_table_destroy(life->degraded);
	free(life->folder);
	free(life->ready);
	free(life);
}

int daemon_live(struct hs_keep *keep, void *argument)
{
	const struct daemon_plan *plan = argument;
	struct life *life;
	int result = hs_privs_drop(plan->daemon->role);

	if (result < 0) {
		hs_log(ERROR, "daemon.not_dropped", LOG_TEXT("error", strerror(-result)),
		       LOG_WHY("privileges could not be given up; it does not run with them"));
		return HS_KEEPER_GIVE_UP;
	}
	hs_metrics_open();
	if (hs_sandbox_enclose(&plan->sandbox) < 0)
		return HS_KEEPER_GIVE_UP;
	life = hs_zalloc(sizeof(*life));
	result = build(life, plan, keep);
	if (result == 0)
		result = begin(life, &plan->sandbox);
	if (result == 0)
		uv_run(&life->loop, UV_RUN_DEFAULT);
	else
		hs_log(ERROR, "daemon.not_started", LOG_TEXT("error", strerror(-result)));
	if (result < 0 && hs_keep_deaths(keep))
		_exit(1); /* what its predecessor left stays as it is: the next one may do better */
	if (life->daemon->finish && life->house.daemon)
		life->daemon->finish(&life->house);
	end(life);
	if (result == 0)
		hs_log(INFO, "daemon.stopped");
	return result == 0 ? 0 : HS_KEEPER_GIVE_UP;
}
