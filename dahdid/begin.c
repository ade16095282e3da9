#include "begin.h"
#include "cleanup.h"
#include "dahdid.h"
#include "figures.h"
#include "find.h"
#include "frames.h"
#include "inventory.h"
#include "life.h"
#include "lift.h"
#include "log.h"
#include "outgoing.h"
#include "privs.h"
#include "restore.h"
#include "watch.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A real-time process that never sleeps is stopped; a slow host may take a second to start one. */
#define RUNAWAY_US 2000000

/* ---- the keeper's part ---- */

/* The group of the device's own file. Root's own group is never handed on. */
static void find_group(const struct hs_config_dahdi *config)
{
	char path[300];
	struct stat file;

	snprintf(path, sizeof(path), "%s/channel", config->device);
	if (stat(path, &file) < 0)
		hs_log(WARN, "dahdi.no_device", LOG_TEXT("path", path), LOG_TEXT("error", strerror(errno)),
		       LOG_WHY("its group cannot be taken; load the driver before the suite is started"));
	else if (file.st_gid != 0)
		hs_privs_keep_group(file.st_gid);
	else if (hs_privs_separate())
		hs_log(WARN, "dahdi.root_group", LOG_TEXT("path", path),
		       LOG_WHY("the device belongs to root's group: give it another one with a udev rule for "
			       "SUBSYSTEM==\"dahdi*\""));
}

static void allow(int resource, rlim_t value)
{
	struct rlimit limit = {value, value};

	setrlimit(resource, &limit);
}

int begin_open(const struct hs_config *config, const char *home, int (*hold)(const char *name, int fd))
{
	find_group(config->dahdi);
	hs_keeper_urgent((int)config->dahdi->priority);
	if (config->dahdi->priority)
		allow(RLIMIT_RTPRIO, (rlim_t)config->dahdi->priority);
	if (config->dahdi->lock_memory)
		allow(RLIMIT_MEMLOCK, RLIM_INFINITY);
	return 0;
}

/* ---- the child's ---- */

/* As far as the host grants it. Threads that are made later are ordinary ones. */
static void become_quick(const struct hs_config_dahdi *config)
{
	struct sched_param priority = {.sched_priority = (int)config->priority};
	bool is_locked = false, is_quick = false;

	if (config->lock_memory)
		is_locked = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
	if (config->priority) {
		allow(RLIMIT_RTTIME, RUNAWAY_US);
		is_quick = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) == 0;
	}
	hs_log(INFO, "dahdi.scheduling", LOG_TEXT("real_time", is_quick ? "yes" : "not granted"),
	       LOG_TEXT("locked_memory", is_locked ? "yes" : "not granted"));
}

static void make_timer(struct dahdid *dahdid, uv_timer_t *timer)
{
	uv_timer_init(dahdid->house->loop, timer);
	timer->data = dahdid;
}

int begin_start(struct hs_house *house)
{
	struct dahdid *dahdid = house->daemon = hs_zalloc(sizeof(*dahdid));
	int result;

	dahdid->house = house;
	dahdid->config = house->config->dahdi;
	dahdid->block_bytes = (int)dahdid->config->block_ms * 8;
	make_timer(dahdid, &dahdid->survey);
	make_timer(dahdid, &dahdid->voltages);
	meters_create(&dahdid->meters);
	dahdid->ports = ports_create(dahdid, life_of);
	dahdid->outgoing = outgoing_create(dahdid);
	result = frames_open(dahdid);
	if (result < 0)
		return result;
	become_quick(dahdid->config);
	inventory_report(dahdid->config->device, dahdid->version, sizeof(dahdid->version));
	restore_ports(dahdid);
	find_begin(dahdid);
	figures_begin(dahdid);
	return 0;
}

static void hang_up_one(void *context, struct port *port)
{
	const struct port_end end = {HS_CAUSE_DRIVER_RESTARTED, "the suite stops"};

	if (port->r.leg[0])
		port_step(port, PORT_HANGUP, &end);
}

void begin_stop(struct hs_house *house)
{
	struct dahdid *dahdid = house->daemon;

	dahdid->stopping = true;
	ports_each(dahdid->ports, hang_up_one, NULL);
	hs_daemon_stopped(house);
}

static void close_one(void *context, struct port *port)
{
	enum hs_trouble none = HS_TROUBLE_DEVICE;

	port->trouble = none; /* the suite ends: nobody is told */
	watch_end(port);
	chan_close(&port->chan);
}

void begin_finish(struct hs_house *house)
{
	struct dahdid *dahdid = TAKE(house->daemon);

	dahdid->stopping = true;
	ports_each(dahdid->ports, close_one, NULL);
	ports_stop(dahdid->ports);
	outgoing_destroy(dahdid->outgoing);
	uv_close((uv_handle_t *)&dahdid->survey, NULL);
	uv_close((uv_handle_t *)&dahdid->voltages, NULL);
	while (dahdid->slow > 0)
		uv_run(house->loop, UV_RUN_ONCE);
	for (int i = 0; i < 2; i++) /* what was closed is freed in the next turns */
		uv_run(house->loop, UV_RUN_NOWAIT);
	ports_destroy(dahdid->ports);
	free(dahdid);
}
