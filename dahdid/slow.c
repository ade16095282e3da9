#include "slow.h"
#include "cleanup.h"
#include "dahdid.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct job {
	uv_work_t work;
	struct port *port;
	struct chan chan;
	struct slow_call call;
	slow_done *done;
	void *context;
};

static void in_worker(uv_work_t *work)
{
	struct job *job = work->data;

	job->call.result = job->call.work(&job->chan, &job->call);
}

static void after_work(uv_work_t *work, int status)
{
	AUTO(free) struct job *job = work->data;

	chan_close(&job->chan);
	job->port->slow--;
	job->port->dahdid->slow--;
	if (job->done)
		job->done(job->context, job->port, &job->call);
}

int slow_begin(struct port *port, const struct slow_call *call, slow_done *done, void *context)
{
	int fd = port->chan.fd < 0 ? -1 : fcntl(port->chan.fd, F_DUPFD_CLOEXEC, 0), result;
	struct job *job;

	if (fd < 0)
		return -EBADF;
	job = hs_zalloc(sizeof(*job));
	job->work.data = job;
	job->port = port;
	job->chan = port->chan;
	job->chan.fd = fd;
	job->chan.is_quiet = true;
	job->call = *call;
	job->done = done;
	job->context = context;
	result = uv_queue_work(port->dahdid->house->loop, &job->work, in_worker, after_work);
	if (result < 0) {
		chan_close(&job->chan);
		free(job);
		return result;
	}
	port->slow++;
	port->dahdid->slow++;
	return 0;
}

static int set_polarity(struct chan *chan, struct slow_call *call)
{
	return chan_polarity(chan, call->value);
}

/* A card refuses it while it rings or drops the battery: whoever comes to rest turns it once more. */
static void turned(void *context, struct port *port, const struct slow_call *call)
{
	if (call->result < 0)
		port->r.reversed = !call->value;
}

int slow_polarity(struct port *port, bool is_reversed, slow_done *done)
{
	const struct slow_call call = {.work = set_polarity, .value = is_reversed};

	port->r.reversed = is_reversed;
	return slow_begin(port, &call, done ? done : turned, NULL);
}

static int transfer(struct chan *chan, struct slow_call *call)
{
	return chan_on_hook_transfer(chan, call->value);
}

int slow_on_hook_transfer(struct port *port, int ms, slow_done *done)
{
	const struct slow_call call = {.work = transfer, .value = ms};

	return slow_begin(port, &call, done, NULL);
}

/* value: the lamp's kind above, messages below */
static int light(struct chan *chan, struct slow_call *call)
{
	return chan_lamp(chan, (enum hs_lamp)(call->value >> 16), call->value & 0xffff);
}

static void lit(void *context, struct port *port, const struct slow_call *call)
{
	if (call->result < 0)
		hs_log(WARN, "port.no_lamp", LOG_LINE(port->r.line), LOG_TEXT("error", strerror(-call->result)),
		       LOG_WHY("the card cannot light this kind of lamp: correct the port's setting"));
}

int slow_lamp(struct port *port)
{
	const struct slow_call call = {.work = light, .value = (int)port->settings.lamp << 16 | port->r.messages};

	if (port->settings.lamp == HS_LAMP_NONE)
		return 0;
	return slow_begin(port, &call, lit, NULL);
}
