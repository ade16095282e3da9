#include "daemon.h"
#include "ceilings.h"
#include "cleanup.h"
#include "daemon_inner.h"
#include "handover.h"
#include "journal.h"
#include "keys.h"
#include "log.h"
#include "notify.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNDRAINED_MS 2000 /* for a child that does not end by itself when its time is over */
#define LOCK_TRIES 100
#define LOCK_WAIT_MS 5

extern char **environ;

struct options {
	const char *config;
	bool check, dump, dump_sandbox, upgrade, detach;
};

/* ---- surroundings ---- */

/* Variables by which a library would do something else than the configuration says: proxies, resolvers, loggers,
 * secret leaks. */
static const char *const foreign_variables[] = {
	"SU_PORT",
	"SIPCOMPACT",
	"SIP_UDP_CONNECT",
	"TPORT_LOG",
	"TPORT_DUMP",
	"TPORT_DUMP_END",
	"MSG_DUMP",
	"MSG_STREAM_LOG",
	"HOSTADDRESS",
	"HOSTADDR6",
	"GAI",
	"SRES_OPTIONS",
	"RES_OPTIONS",
	"LOCALDOMAIN",
	"SRESOLV_CONF",
	"HOSTALIASES",
	"http_proxy",
	"HTTP_PROXY",
	"https_proxy",
	"HTTPS_PROXY",
	"all_proxy",
	"ALL_PROXY",
	"no_proxy",
	"NO_PROXY",
	"SSLKEYLOGFILE",
	"OPENSSL_CONF",
	"OPENSSL_ENGINES",
	"NETRC",
	"RESOLV_HOST_CONF",
	"SQLITE_TMPDIR",
	"socks_proxy",
	"SOCKS_PROXY",
	"ws_proxy",
	"WS_PROXY",
	"wss_proxy",
	"WSS_PROXY",
};

static void clean_environment(void)
{
	for (size_t i = 0; i < HS_COUNT(foreign_variables); i++)
		unsetenv(foreign_variables[i]);
	for (char **at = environ; at && *at;) { /* NTA_DEBUG, TPORT_DEBUG and their like */
		AUTO(free) char *name = hs_strdup(*at);

		name[strcspn(name, "=")] = 0;
		if (strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_DEBUG") == 0 && unsetenv(name) == 0)
			continue; /* the next one moved here */
		at++;
	}
	setenv("UV_USE_IO_URING", "0", 1); /* the sandbox has no row for it */
}

/* One thread does nearly all: two arenas are plenty, and what was freed goes back early. */
static void tune_memory(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
}

/* $HOOKSWITCH_HOME or ./var, absolute and without links. The caller frees it. */
static char *find_home(void)
{
	const char *named = getenv("HOOKSWITCH_HOME");
	AUTO(free) char *home = hs_strdup(named && *named ? named : "var");
	AUTO(free) char *above = NULL;
	char *whole = realpath(home, NULL), *slash;
	size_t length = strlen(home);

	if (whole)
		return whole;
	while (length > 1 && home[length - 1] == '/')
		home[--length] = 0;
	slash = strrchr(home, '/');
	if (!slash) {
		above = realpath(".", NULL);
	} else if (slash == home) {
		above = hs_strdup("/");
	} else {
		*slash = 0;
		above = realpath(home, NULL);
	}
	if (!above) /* the folder it would be in is not there: whoever makes it will say so */
		return hs_strdup(named && *named ? named : "var");
	return hs_printf("%s/%s", strcmp(above, "/") == 0 ? "" : above, slash ? slash + 1 : home);
}

/* --config, $HOOKSWITCH_CONFIG, or the file in home if it is there; else NULL. The caller frees it. */
static char *find_config(const struct options *options, const char *home)
{
	const char *named = options->config ? options->config : getenv("HOOKSWITCH_CONFIG");
	AUTO(free) char *usual = hs_printf("%s/hookswitch.yaml", home);

	if (named && *named)
		return hs_strdup(named);
	return access(usual, F_OK) == 0 ? TAKE(usual) : NULL;
}

/* ---- options ---- */

static void print_help(const char *name)
{
	printf("usage: %s [--config FILE] [--upgrade [--detach] | --check-config | --dump-config | --dump-sandbox]\n\n"
	       "  --config FILE    read FILE (else $HOOKSWITCH_CONFIG, else hookswitch.yaml in the home, else "
	       "defaults)\n"
	       "  --upgrade        take over from the one that runs, with its calls; if there is none, just start\n"
	       "  --detach         end as soon as that is done, and leave the daemon running\n"
	       "  --check-config   say whether the configuration is good, and end\n"
	       "  --dump-config    write the configuration in force as commented YAML, and end\n"
	       "  --dump-sandbox   write which system calls, files and ports it may use, and why, and end\n"
	       "  --version        write the version, and end\n"
	       "  --help           write this, and end\n\n"
	       "The home is $HOOKSWITCH_HOME, else ./var. Each value of the configuration can be set from the "
	       "environment,\n"
	       "such as HOOKSWITCH_SERVER_REST_PORT=8010.\n",
	       name);
}

/* Exit code when all is said; -1 to go on. */
static int read_options(int argc, char **argv, const char *name, struct options *ret_options)
{
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, 'k'},
		{"dump-config", no_argument, NULL, 'd'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"dump-sandbox", no_argument, NULL, 's'},
		{"upgrade", no_argument, NULL, 'u'},
		{"detach", no_argument, NULL, 'b'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (option == 'c')
			ret_options->config = optarg;
		ret_options->upgrade = ret_options->upgrade || option == 'u';
		ret_options->detach = ret_options->detach || option == 'b';
		ret_options->check = ret_options->check || option == 'k';
		ret_options->dump = ret_options->dump || option == 'd';
		ret_options->dump_sandbox = ret_options->dump_sandbox || option == 's';
		if (option == 'v') {
			printf("%s (hookswitch) %s\n", name, HS_VERSION);
			return 0;
		}
		if (option == 'h') {
			print_help(name);
			return 0;
		}
		if (option == '?')
			return HS_KEEPER_GIVE_UP;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: %s is not understood; see --help\n", name, argv[optind]);
		return HS_KEEPER_GIVE_UP;
	}
	return -1;
}

/* ---- the keeper's preparations ---- */

static int fail(const char *event, const char *path, int error, const char *mend)
{
	hs_log(ERROR, event, LOG_TEXT("path", path), LOG_TEXT("error", strerror(-error)), LOG_WHY(mend));
	return error;
}

/* How what the children keep is laid out, for the keeper of another program. The caller frees it. */
static char *describe_layout(const struct hs_daemon *daemon)
{
	char *text = hs_printf("journal %d", HS_JOURNAL_LAYOUT);

	for (size_t i = 0; i < daemon->layouts_count; i++) {
		const struct hs_layout *layout = &daemon->layouts[i];
		AUTO(free) char *shorter = text;

		text = hs_printf("%s, %s %u/%zu", shorter, layout->what, layout->version, *layout->bytes);
	}
	return text;
}

/* Where a new keeper meets the old one: where no child gets to, if there is such a place. It is below the home, where
 * every keeper is by then. */
static const char *meeting_place(const struct daemon_plan *plan)
{
	static char path[64];

	snprintf(path, sizeof(path), hs_privs_placed() ? "run/%s/upgrade" : "run/%s.upgrade", plan->daemon->name);
	return path;
}

/* The keeper that has the lock hands over, if that is what is wanted. */
static int take_lock(const struct daemon_plan *plan, int fd)
{
	int result = plan->upgrade ? hs_handover_ask(fd) : -EBUSY;

	close(fd);
	return result != -EBUSY ? result
				: fail("daemon.already_runs", plan->home, -EBUSY,
				       "stop it first, give this one another HOOKSWITCH_HOME, or let it take over with "
				       "--upgrade");
}

/* One keeper a role and home: a second one would take the sockets away from the first. The lock is a file in a folder
 * that belongs to the keeper's user, and ends with the last process that has it open. */
static int lock(const struct daemon_plan *plan)
{
	AUTO(free) char *layout = describe_layout(plan->daemon);
	AUTO(free) char *path = hs_privs_lock_path(plan->home, plan->daemon->role);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0)
		return fail("daemon.no_lock", path, -errno, "the home must be writable");
	/* The child of a keeper that was just killed may need a moment to be gone. */
	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			hs_handover_setup(meeting_place(plan), layout, fd);
			return 0;
		}
		poll(NULL, 0, plan->upgrade ? 0 : LOCK_WAIT_MS);
	}
	hs_handover_setup(meeting_place(plan), layout, -1);
	return take_lock(plan, fd);
}

/* Socket paths must fit an address. */
static int check_length(const char *home)
{
	static const char longest[] = "/run/hook-stream/operations/socket";

	if (strlen(home) + sizeof(longest) <= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return 0;
	return fail("daemon.home_too_long", home, -ENAMETOOLONG, "HOOKSWITCH_HOME must have at most 70 letters");
}

char *daemon_ready_path(const char *home, const char *name)
{
	return hs_printf("%s/run/%s/ready", home, name);
}

/* A group too many would open a door of another daemon. */
static int check_groups(const struct daemon_plan *plan)
{
	gid_t group = 0;
	int result = hs_privs_check_groups(plan->daemon->role, &group);

	if (result < 0)
		hs_log(ERROR, "daemon.wrong_groups", LOG_INT("group", group),
		       LOG_TEXT("is", result == -ENOENT ? "missing" : "too many"),
		       LOG_WHY("started as its own user, it needs exactly the groups of its edges: see "
			       "deploy/systemd"));
	return result;
}

/* What reaches other hosts: a key of its own, and what is listened at. */
static int prepare_far(struct daemon_plan *plan)
{
	enum hs_role role = plan->daemon->role;
	int result;

	if (!hs_bus_is_far(plan->config->bus, role))
		return 0;
	result = hs_keys_make(plan->home, HS_KEYS_CURVE(role));
	if (result == 0)
		result = hs_keys_make_peers(plan->home);
	if (result < 0)
		return fail("daemon.no_keys", plan->home, result,
			    "keys/ in the home must be writable, and each key in it its daemon's alone");
	return hs_bus_listen(plan->config->bus, role, hs_keeper_is_bound, hs_keeper_hold);
}

static int prepare(struct daemon_plan *plan)
{
	AUTO(free) char *ready = daemon_ready_path(plan->home, plan->daemon->name);
	int result = check_length(plan->home);

	if (result < 0)
		return result;
	result = hs_privs_make_folders(plan->home, plan->daemon->role);
	if (result < 0)
		return fail("daemon.no_folders", plan->home, result,
			    hs_privs_placed()
				    ? "started as its own user, it needs what hookctl folders makes as root"
				    : "the home must be a folder that the starter may write; folders of another "
				      "user are not taken");
	if (chdir(plan->home) < 0)
		return fail("daemon.no_home", plan->home, -errno, "the home must be a folder");
	result = lock(plan);
	if (result < 0)
		return result;
	result = hs_privs_open_way(plan->home);
	if (result < 0)
		return fail(
			"daemon.closed_way", plan->home, result,
			"a folder above the home is closed to the daemons' users: open it with chmod o+x, or choose "
			"another HOOKSWITCH_HOME");
	result = hs_keys_make(plan->home, plan->daemon->role);
	if (result < 0)
		return fail("daemon.no_keys", plan->home, result,
			    "keys/ in the home must be writable, and each key in it its daemon's alone");
	result = prepare_far(plan);
	if (result < 0)
		return result;
	result = hs_ceilings_make(plan->home);
	if (result < 0)
		return fail("daemon.no_ceilings", plan->home, result,
			    "the home must be a folder that the starter may write");
	plan->unclean = access(ready, F_OK) == 0;
	if (chdir(plan->home) < 0) /* by the way that is open now */
		return fail("daemon.no_home", plan->home, -errno, "the home must be a folder");
	result = plan->daemon->open ? plan->daemon->open(plan->config, plan->home, hs_keeper_hold) : 0;
	return result < 0 ? result : check_groups(plan);
}

static int run(struct daemon_plan *plan)
{
	hs_notify_open();
	if (prepare(plan) < 0 || hs_privs_settle() < 0 || hs_sandbox_keeper(&plan->sandbox) < 0)
		return HS_KEEPER_GIVE_UP;
	hs_keeper_grace(plan->config->server->drain_s * 1000 + UNDRAINED_MS);
	return hs_keeper_run(plan->daemon->name, daemon_live, plan);
}

/* Goes on in a process of its own, and leaves when that one serves, or ends. -1 in the new one, else the exit code. */
static int detach(void)
{
	int pair[2], status = 0;
	char byte;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return HS_KEEPER_GIVE_UP;
	if (pid == 0) {
		close(pair[0]);
		hs_handover_tell(pair[1]);
		return -1;
	}
	close(pair[1]);
	if (read(pair[0], &byte, 1) == 1)
		return 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

int hs_daemon_main(int argc, char **argv, const struct hs_daemon *daemon)
{
	struct options options = {0};
	struct daemon_plan plan = {.daemon = daemon};
	int code = read_options(argc, argv, daemon->name, &options);
	AUTO(free) char *home = NULL;
	AUTO(free) char *file = NULL;

	if (code >= 0)
		return code;
	clean_environment();
	tune_memory();
	plan.home = home = find_home();
	file = find_config(&options, home);
	hs_log_setup(daemon->name, HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_INFO);
	plan.config = hs_config_load(file, daemon->role, stderr);
	if (!plan.config)
		return HS_KEEPER_GIVE_UP;
	hs_log_setup(daemon->name, plan.config->log->format, plan.config->log->level);
	hs_privs_setup(plan.config->security->uid_base);
	plan.sandbox = (struct hs_sandbox_plan){daemon->role, daemon->name, home, daemon->sandbox, plan.config};
	plan.upgrade = options.upgrade;
	code = 0;
	if (options.dump_sandbox)
		hs_sandbox_dump(&plan.sandbox);
	else if (options.dump)
		hs_config_dump(plan.config, stdout);
	else if (options.check)
		printf("%s: good\n", file ? file : "defaults and environment");
	else
		code = options.upgrade && options.detach ? detach() : -1;
	code = code < 0 ? run(&plan) : code;
	hs_config_destroy(plan.config);
	return code;
}
