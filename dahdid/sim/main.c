/* dahdisim: DAHDI's device files without hardware, with a telephone or an exchange line behind each channel. */
#include "bank.h"
#include "cleanup.h"
#include "clock.h"
#include "control.h"
#include "files.h"
#include "law.h"
#include "log.h"
#include "words.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define STALE_MOUNTS 8

struct options {
	struct files_options files;
	const char *control, *zone;
	enum law law;
	bool no_zone;
	bool is_fxo[BANK_PORTS];
	int ports;
};

struct simulator {
	uv_loop_t loop;
	uv_poll_t clock;
	uv_signal_t signals[2];
	int timer;
	struct bank bank;
	struct files *files;
	struct control *control;
	bool stopping;
};

static void usage(FILE *stream)
{
	fputs("usage: dahdisim --mount FOLDER --control SOCKET [OPTIONS]\n"
	      "Serves FOLDER/ctl, channel, timer and a numbered file for each port, as /dev/dahdi does.\n"
	      "  --mount FOLDER     where; an empty folder, made when it is not there\n"
	      "  --control SOCKET   where dahdisim-phone finds it\n"
	      "  --fxs N            N more ports with a telephone each (2 when no port is asked for)\n"
	      "  --fxo N            N more ports with an exchange line each\n"
	      "  --law mulaw|alaw   of the card (mulaw)\n"
	      "  --zone COUNTRY     its tones and ringing, two letters (us)\n"
	      "  --no-zone          as before dahdi_cfg loaded one: no ringing, no tones\n"
	      "  --owner UID:GID    of the files and the socket (who starts it)\n"
	      "  --mode MODE        of the files, octal (0660)\n"
	      "  --allow-other      other accounts may use them by owner and mode (as root: always)\n",
	      stream);
}

/* ---- Options ---- */

static bool add_ports(struct options *options, const char *word, bool is_fxo)
{
	int count;

	if (words_number(word, 0, BANK_PORTS - options->ports, &count))
		return false;
	while (count-- > 0)
		options->is_fxo[options->ports++] = is_fxo;
	return true;
}

static bool take_owner(struct options *options, const char *word)
{
	unsigned int uid, gid;
	char end;

	if (sscanf(word, "%u:%u%c", &uid, &gid, &end) != 2)
		return false;
	options->files.owner = uid;
	options->files.group = gid;
	return true;
}

static bool take_mode(struct options *options, const char *word)
{
	char *end;
	unsigned long mode = strtoul(word, &end, 8);

	options->files.mode = (mode_t)mode;
	return end != word && !*end && mode <= 0777;
}

static bool take_law(struct options *options, const char *word)
{
	options->law = strcmp(word, "alaw") ? LAW_MULAW : LAW_ALAW;
	return !strcmp(word, "alaw") || !strcmp(word, "mulaw");
}

static bool take_option(struct options *options, int option, const char *word)
{
	switch (option) {
	case 'm':
		options->files.folder = word;
		return true;
	case 'c':
		options->control = word;
		return true;
	case 's':
	case 'o':
		return add_ports(options, word, option == 'o');
	case 'l':
		return take_law(options, word);
	case 'z':
		options->zone = word;
		return true;
	case 'n':
		return options->no_zone = true;
	case 'u':
		return take_owner(options, word);
	case 'p':
		return take_mode(options, word);
	case 'a':
		return options->files.allow_other = true;
	default:
		return false;
	}
}

/* 0: go on, otherwise 1 + the exit code. */
static int parse(struct options *options, int count, char **words)
{
	static const struct option names[] = {
		{"mount", required_argument, NULL, 'm'}, {"control", required_argument, NULL, 'c'},
		{"fxs", required_argument, NULL, 's'},   {"fxo", required_argument, NULL, 'o'},
		{"law", required_argument, NULL, 'l'},   {"zone", required_argument, NULL, 'z'},
		{"no-zone", no_argument, NULL, 'n'},     {"owner", required_argument, NULL, 'u'},
		{"mode", required_argument, NULL, 'p'},  {"allow-other", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(count, words, "", names, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return 1;
		}
		if (option == '?' || !take_option(options, option, optarg)) {
			if (option != '?')
				fprintf(stderr, "dahdisim: %s is not what this option takes\n", optarg);
			usage(stderr);
			return 3;
		}
	}
	if (optind < count || !options->files.folder || !options->control) {
		usage(stderr);
		return 3;
	}
	return options->ports || add_ports(options, "2", false) ? 0 : 3;
}

/* ---- Running ---- */

static void settle(struct simulator *simulator)
{
	control_settle(simulator->control);
	files_settle(simulator->files);
}

static void ticked(uv_poll_t *handle, int status, int events)
{
	struct simulator *simulator = handle->data;
	uint64_t times;

	if (read(simulator->timer, &times, sizeof(times)) < 0)
		return;
	bank_run(&simulator->bank, hs_clock_us());
	settle(simulator);
}

static void stop(struct simulator *simulator)
{
	if (simulator->stopping)
		return;
	simulator->stopping = true;
	hs_log(INFO, "dahdisim.stops", LOG_INT("requests", (int64_t)files_served(simulator->files)));
	control_stop(simulator->control);
	files_stop(simulator->files);
	uv_close((uv_handle_t *)&simulator->clock, NULL);
	uv_close((uv_handle_t *)&simulator->signals[0], NULL);
	uv_close((uv_handle_t *)&simulator->signals[1], NULL);
}

static void signalled(uv_signal_t *handle, int number)
{
	stop(handle->data);
}

static void unmounted(void *owner)
{
	hs_log(WARN, "dahdisim.unmounted");
	stop(owner);
}

static void watch_signal(struct simulator *simulator, uv_signal_t *handle, int number)
{
	uv_signal_init(&simulator->loop, handle);
	handle->data = simulator;
	uv_signal_start(handle, signalled, number);
}

/* A thousand times a second, as the interrupt of a card. */
static int start_clock(struct simulator *simulator)
{
	const struct itimerspec often = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};

	simulator->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (simulator->timer < 0 || timerfd_settime(simulator->timer, 0, &often, NULL))
		return -errno;
	uv_poll_init(&simulator->loop, &simulator->clock, simulator->timer);
	simulator->clock.data = simulator;
	return uv_poll_start(&simulator->clock, UV_READABLE, ticked);
}

/* Takes a mount away whose process is dead; an ordinary user has fusermount3 do it. */
static int unmount_stale(const char *folder)
{
	const char *const words[] = {"fusermount3", "-u", "-q", "-z", folder, NULL};
	int status;
	pid_t child;

	if (!umount2(folder, MNT_DETACH))
		return 0;
	int result = posix_spawnp(&child, words[0], NULL, NULL, (char *const *)words, environ);

	if (result)
		return -result;
	return waitpid(child, &status, 0) == child && !status ? 0 : -EPERM;
}

/* Whoever served it is dead, or died while he was asked. */
static bool is_forsaken(int error)
{
	return error == ENOTCONN || error == ECONNABORTED;
}

/* The folder, fresh: what dead predecessors left mounted there is taken down first, one after the other. */
static int prepare_folder(const char *folder)
{
	struct stat status;
	int error = 0;

	if (!mkdir(folder, 0755))
		return 0;
	for (int mounts = 0; mounts < STALE_MOUNTS; mounts++) {
		error = stat(folder, &status) ? errno : 0;
		if (!error && S_ISDIR(status.st_mode))
			return 0;
		if (!is_forsaken(error) || unmount_stale(folder))
			break;
	}
	if (!error)
		error = ENOTDIR;
	hs_log(ERROR, "dahdisim.no_folder", LOG_TEXT("folder", folder), LOG_TEXT("why", strerror(error)),
	       LOG_TEXT("mend", is_forsaken(error) ? "umount FOLDER, as root" : "another folder"));
	return -error;
}

static int run(struct simulator *simulator, const struct options *options)
{
	int result = prepare_folder(options->files.folder);

	if (!result)
		result = files_create(&simulator->loop, &simulator->bank, &options->files, unmounted, simulator,
				      &simulator->files);
	if (result)
		return result;
	result = control_create(&simulator->loop, &simulator->bank, options->control, options->files.owner,
				options->files.group, &simulator->control);
	watch_signal(simulator, &simulator->signals[0], SIGTERM);
	watch_signal(simulator, &simulator->signals[1], SIGINT);
	if (!result)
		result = start_clock(simulator);
	if (result)
		stop(simulator);
	else
		hs_log(INFO, "dahdisim.ready", LOG_TEXT("folder", options->files.folder),
		       LOG_TEXT("control", options->control), LOG_INT("ports", simulator->bank.count));
	uv_run(&simulator->loop, UV_RUN_DEFAULT);
	files_destroy(simulator->files);
	control_destroy(simulator->control);
	close(simulator->timer);
	return result;
}

int main(int argc, char **argv)
{
	static struct simulator simulator;
	struct options options = {
		.files = {.owner = geteuid(), .group = getegid(), .mode = 0660, .allow_other = geteuid() == 0},
		.zone = "us",
		.law = LAW_MULAW,
	};
	int verdict = parse(&options, argc, argv);

	if (verdict)
		return verdict - 1;
	signal(SIGPIPE, SIG_IGN);
	hs_log_setup("dahdisim", HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_INFO);
	law_setup();
	int result =
		bank_init(&simulator.bank, options.is_fxo, options.ports, options.law, options.zone, !options.no_zone);

	if (result) {
		hs_log(ERROR, "dahdisim.no_zone", LOG_TEXT("zone", options.zone));
		return 1;
	}
	uv_loop_init(&simulator.loop);
	result = run(&simulator, &options);
	uv_loop_close(&simulator.loop);
	bank_finish(&simulator.bank);
	return result ? 1 : 0;
}
