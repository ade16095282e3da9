#include "ceilings.h"
#include "cleanup.h"
#include "log.h"
#include "metrics.h"
#include "number.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 1000
#define FILE_NAME "ceilings/ceilings.yaml"

static const char first_file[] =
	"# What no configuration and nobody at the API may go beyond; a change counts within a second. Emergency "
	"routes\n"
	"# are exempt. All keys: proto/docs/config.md.\n"
	"calls:\n"
	"  at_once: 100   # calls over exchange lines at once\n"
	"  per_hour: 200  # over one exchange line in an hour\n"
	"  refused: [\"00.\", \"+.\", \"011.\", \"0900.\", \"1900.\", \"900.\", \"976.\"]  # international and premium "
	"numbers\n"
	"# outgoing:\n"
	"#   hosts: [hooks.example.com, .example.org]  # the only ones that webhooks and operators may be at\n"
	"# tokens:\n"
	"#   scopes: [\"calls:read\", \"calls:control\", audio, digits, webhooks, metrics]\n";

struct hs_ceiling {
	struct hs_house *house;
	struct hs_ceilings *now; /* NULL: nothing is permitted */
	char *path;
	struct stat seen;
	bool looked;
	uv_timer_t timer;
};

/* ---- the first file ---- */

static int write_first(const char *folder)
{
	AUTO(free) char *path = hs_printf("%s/ceilings.yaml", folder);
	AUTO(close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t bytes = strlen(first_file);

	if (fd < 0)
		return -errno;
	if (write(fd, first_file, bytes) != (ssize_t)bytes)
		return -EIO;
	return fchmod(fd, 0644) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The folder appears with the file in it: whoever comes second finds it there. */
int hs_ceilings_make(const char *home)
{
	AUTO(free) char *folder = hs_printf("%s/ceilings", home);
	AUTO(free) char *fresh = hs_printf("%s/.ceilings.%d", home, (int)getpid());
	AUTO(free) char *file = hs_printf("%s/ceilings.yaml", fresh);
	int result;

	if (access(folder, F_OK) == 0 || hs_privs_placed()) /* placed: root made it, or nothing goes out */
		return 0;
	if (mkdir(fresh, 0700) < 0 && errno != EEXIST)
		return -errno;
	result = write_first(fresh);
	if (result == 0 && (chmod(fresh, 0755) < 0 || rename(fresh, folder) < 0))
		result = -errno;
	if (result < 0) {
		unlink(file);
		rmdir(fresh);
	}
	return result == -ENOTEMPTY || result == -EEXIST ? 0 : result;
}

/* ---- reading ---- */

static bool is_believable(const struct stat *status)
{
	uid_t owner = hs_privs_uid(HS_ROLE_OPS);

	return S_ISREG(status->st_mode) && !(status->st_mode & 022) && (status->st_uid == owner || status->st_uid == 0);
}

/* Reads the file; its faults as a text, to be freed. */
static struct hs_ceilings *read_file(const char *path, char **ret_faults)
{
	size_t bytes;
	FILE *faults = open_memstream(ret_faults, &bytes);
	struct hs_ceilings *read = faults ? hs_config_load_ceilings(path, faults) : NULL;

	if (faults)
		fclose(faults);
	return read;
}

static void refuse_all(struct hs_ceiling *ceiling, const char *why)
{
	hs_log(ERROR, "ceilings.unusable", LOG_TEXT("path", ceiling->path), LOG_WHY(why));
	hs_daemon_degraded(
		ceiling->house, "ceilings",
		"ceilings/ceilings.yaml is missing, faulty or not root's: nothing new goes out; see the log");
}

static void take(struct hs_ceiling *ceiling, bool is_there, const struct stat *status)
{
	AUTO(free) char *faults = NULL;

	hs_config_destroy_ceilings(ceiling->now);
	ceiling->now = NULL;
	if (!is_there) {
		refuse_all(ceiling, "it is not there");
		return;
	}
	if (!is_believable(status)) {
		refuse_all(ceiling, "others than root (or the suite's starter) own it or may write it");
		return;
	}
	ceiling->now = read_file(ceiling->path, &faults);
	if (!ceiling->now) {
		refuse_all(ceiling, faults ? faults : "it cannot be read");
		return;
	}
	hs_log(INFO, "ceilings.read");
	hs_daemon_degraded(ceiling->house, "ceilings", NULL);
}

static bool is_same(const struct stat *one, const struct stat *other)
{
	return one->st_ino == other->st_ino && one->st_size == other->st_size && one->st_mode == other->st_mode &&
	       one->st_uid == other->st_uid && one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
	       one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

static void look(struct hs_ceiling *ceiling)
{
	struct stat status = {0};
	bool is_there = fstatat(AT_FDCWD, ceiling->path, &status, AT_SYMLINK_NOFOLLOW) == 0;

	if (ceiling->looked && is_same(&status, &ceiling->seen))
		return;
	ceiling->looked = true;
	ceiling->seen = status;
	take(ceiling, is_there, &status);
}

static void on_look(uv_timer_t *timer)
{
	look(timer->data);
}

struct hs_ceiling *hs_ceiling_create(struct hs_house *house)
{
	struct hs_ceiling *ceiling = hs_zalloc(sizeof(*ceiling));

	ceiling->house = house;
	ceiling->path = hs_printf("%s/" FILE_NAME, house->home);
	uv_timer_init(house->loop, &ceiling->timer);
	ceiling->timer.data = ceiling;
	look(ceiling);
	uv_timer_start(&ceiling->timer, on_look, LOOK_MS, LOOK_MS);
	uv_unref((uv_handle_t *)&ceiling->timer);
	return ceiling;
}

const struct hs_ceilings *hs_ceiling_now(const struct hs_ceiling *ceiling)
{
	return ceiling->now;
}

static void free_ceiling(uv_handle_t *handle)
{
	free(handle->data);
}

void hs_ceiling_destroy(struct hs_ceiling *ceiling)
{
	if (!ceiling)
		return;
	hs_config_destroy_ceilings(ceiling->now);
	free(ceiling->path);
	uv_close((uv_handle_t *)&ceiling->timer, free_ceiling);
}

/* ---- judging ---- */

/* False, counted under its name, with a sentence. */
static bool reached(const char *name, char *ret_why, const char *what)
{
	AUTO(free) char *labels = hs_printf("ceiling=\"%s\"", name);

	hs_metric_add(hs_metric_counter("hookswitch_ceilings_reached_total", labels,
					"What was refused because of ceilings/ceilings.yaml."),
		      1);
	snprintf(ret_why, HS_CEILING_WHY, "%s: the ceiling %s; root raises it in ceilings/ceilings.yaml", what, name);
	return false;
}

static bool is_missing(const struct hs_ceiling *ceiling, char *ret_why)
{
	if (ceiling->now)
		return false;
	reached("file", ret_why, "nothing goes out without ceilings that can be believed");
	snprintf(ret_why, HS_CEILING_WHY,
		 "ceilings/ceilings.yaml is missing, faulty or not root's: nothing new goes out");
	return true;
}

static bool has_number(const char *const *patterns, size_t count, const char *number)
{
	for (size_t i = 0; i < count; i++)
		if (hs_number_fits(patterns[i], number))
			return true;
	return false;
}

bool hs_ceiling_number(const struct hs_ceiling *ceiling, const char *number, char *ret_why)
{
	const struct hs_ceilings_calls *calls;
	char keys[HS_NUMBER_BYTES];

	if (is_missing(ceiling, ret_why))
		return false;
	hs_number_keys(number, keys);
	calls = ceiling->now->calls;
	if (calls->allowed && !has_number(calls->allowed, calls->allowed_count, keys))
		return reached("calls.allowed", ret_why, "no call goes out to this number");
	if (has_number(calls->refused, calls->refused_count, keys))
		return reached("calls.refused", ret_why, "no call goes out to this number");
	return true;
}

/* ".example.com" is all below it. */
static bool host_fits(const char *pattern, const char *host)
{
	size_t length = strlen(pattern), whole = strlen(host);

	if (*pattern == '.')
		return whole > length && strcasecmp(host + whole - length, pattern) == 0;
	return strcasecmp(host, pattern) == 0;
}

bool hs_ceiling_host(const struct hs_ceiling *ceiling, const char *host, char *ret_why)
{
	const struct hs_ceilings_outgoing *outgoing;

	if (is_missing(ceiling, ret_why))
		return false;
	outgoing = ceiling->now->outgoing;
	for (size_t i = 0; i < outgoing->hosts_count; i++)
		if (host_fits(outgoing->hosts[i], host))
			return true;
	return !outgoing->hosts || reached("outgoing.hosts", ret_why, "nothing is sent to this host");
}

bool hs_ceiling_scope(const struct hs_ceiling *ceiling, const char *scope, char *ret_why)
{
	const struct hs_ceilings_tokens *tokens = ceiling->now ? ceiling->now->tokens : NULL;

	for (size_t i = 0; tokens && i < tokens->scopes_count; i++)
		if (strcmp(tokens->scopes[i], scope) == 0)
			return true;
	/* Without a file calls that are up can still be seen and ended: what goes out stands before ceilings of its
	 * own. */
	return !tokens || !tokens->scopes || reached("tokens.scopes", ret_why, "no token may have this scope");
}

bool hs_ceiling_count(const struct hs_ceiling *ceiling, const char *name, int64_t count, int64_t most, char *ret_why)
{
	return count < most || reached(name, ret_why, "there are as many as may be");
}
