#include "cleanup.h"
#include "keys_inner.h"
#include "log.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(HS_KEY_BYTES == crypto_box_SECRETKEYBYTES, "libsodium's keys all have one length");

struct key_names keys_names(int key)
{
	enum hs_role role = (enum hs_role)(key % HS_ROLES);
	const char *use = key >= HS_ROLES ? ".curve" : "";
	bool is_token = key == HS_ROLE_APID;
	struct key_names names = {
		.mode = is_token ? 0440 : 0400,
		.owner = is_token ? hs_privs_uid(HS_ROLE_OPS) : hs_privs_uid(role),
		.group = (gid_t)hs_privs_uid(role),
	};

	snprintf(names.private, sizeof(names.private), "%s%s.key", is_token ? "token" : hs_role_names[role], use);
	if (!is_token)
		snprintf(names.public, sizeof(names.public), "%s%s.pub", hs_role_names[role], use);
	snprintf(names.copy, sizeof(names.copy), "%s.sealed", names.private);
	return names;
}

/* ---- files ---- */

/* The folder. To change something in it: made unless it is there, and locked until it is closed. */
/* A volume of its own, which is mounted here, begins with the mode that its maker chose. */
static bool is_new_volume(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && status.st_uid == geteuid() && (status.st_mode & 066);
}

int keys_open(const char *home, bool change)
{
	AUTO(free) char *path = hs_printf("%s/keys", home);
	bool made = change && mkdir(path, 0700) == 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = 0;

	if (fd < 0 && !change) /* a daemon's user may pass through the folder, not read it */
		fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if ((made || is_new_volume(fd)) && fchmod(fd, hs_privs_separate() ? 0711 : 0700) < 0)
		result = -errno;
	if (result == 0 && change && flock(fd, LOCK_EX) < 0)
		result = -errno;
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

static bool is_wiped(const unsigned char *key)
{
	return sodium_is_zero(key, HS_KEY_BYTES) == 1;
}

/* Only whole keys count: the rest of one is what a death left. */
int keys_read(int folder, const char *name, struct hs_keys *ret_keys)
{
	AUTO(close) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	off_t at;

	*ret_keys = (struct hs_keys){0};
	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	at = status.st_size - status.st_size % HS_KEY_BYTES;
	for (at -= HS_KEY_BYTES; at >= 0 && ret_keys->count < HS_KEYS_READ; at -= HS_KEY_BYTES) {
		unsigned char *key = ret_keys->keys[ret_keys->count];

		if (pread(fd, key, HS_KEY_BYTES, at) != HS_KEY_BYTES)
			return -EIO;
		ret_keys->count += !is_wiped(key);
	}
	return ret_keys->count ? 0 : -EINVAL;
}

/* A new file that appears whole, or replaces the old one whole. */
int keys_write(int folder, const char *name, const void *data, size_t bytes, mode_t mode, uid_t owner, gid_t group)
{
	AUTO(free) char *fresh = hs_printf(".%s.new", name);
	AUTO(close) int fd = -1;

	unlinkat(folder, fresh, 0);
	fd = openat(folder, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, data, bytes) != (ssize_t)bytes || (hs_privs_separate() && fchown(fd, owner, group) < 0) ||
	    fchmod(fd, mode) < 0 || fsync(fd) < 0 || renameat(folder, fresh, folder, name) < 0 || fsync(folder) < 0)
		return -errno;
	return 0;
}

/* Key files are read-only, also for their owner where he is not root: the descriptor outlives the mode. */
static int open_to_change(int folder, const char *name)
{
	int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC, fd = openat(folder, name, flags);
	struct stat status;

	if (fd >= 0 || errno != EACCES)
		return fd < 0 ? -errno : fd;
	if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode) ||
	    fchmodat(folder, name, 0600, 0) < 0)
		return -errno;
	fd = openat(folder, name, flags);
	if (fd < 0 || fchmod(fd, status.st_mode & 07777) < 0) {
		hs_auto_close(&fd);
		return -EACCES;
	}
	return fd;
}

static int append_key(int folder, const char *name, const unsigned char *key)
{
	AUTO(close) int fd = open_to_change(folder, name);
	struct stat status;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (pwrite(fd, key, HS_KEY_BYTES, status.st_size - status.st_size % HS_KEY_BYTES) != HS_KEY_BYTES)
		return -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

static int wipe_older(int folder, const char *name, const unsigned char *newest)
{
	static const unsigned char zeros[HS_KEY_BYTES];
	AUTO(close) int fd = open_to_change(folder, name);
	unsigned char key[HS_KEY_BYTES];

	if (fd < 0)
		return fd;
	for (off_t at = 0; pread(fd, key, sizeof(key), at) == sizeof(key); at += HS_KEY_BYTES)
		if (sodium_memcmp(key, newest, sizeof(key)) != 0 &&
		    pwrite(fd, zeros, sizeof(zeros), at) != sizeof(zeros))
			return -EIO;
	sodium_memzero(key, sizeof(key));
	return fsync(fd) < 0 ? -errno : 0;
}

static int wipe_older_public(int folder, const struct key_names *names, const unsigned char *newest)
{
	unsigned char public[HS_KEY_BYTES];

	crypto_scalarmult_base(public, newest);
	return wipe_older(folder, names->public, public);
}

bool keys_exist(int folder, const char *name)
{
	return *name && faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- making, checking, mending ---- */

static int tell(const char *event, int folder, const char *name, int error, const char *mend)
{
	hs_log(ERROR, event, LOG_TEXT("key", name), LOG_TEXT("error", strerror(-error)), LOG_WHY(mend));
	return error;
}

/* A key that was there is not made anew: what was sealed to it would be lost without a word. */
static int make_first(int folder, const struct key_names *names, struct hs_keys *ret_keys)
{
	if (keys_exist(folder, names->public) || keys_exist(folder, names->copy))
		return tell(
			"keys.lost", folder, names->private, -ENOKEY,
			"this key was here and is not any more. Restore it with: hookctl keys recover; or remove its "
			".pub and .sealed in keys/ as well, and seal every secret anew");
	*ret_keys = (struct hs_keys){.count = 1};
	randombytes_buf(ret_keys->keys[0], HS_KEY_BYTES);
	return keys_write(folder, names->private, ret_keys->keys[0], HS_KEY_BYTES, names->mode, names->owner,
			  names->group);
}

static int check_mode(int folder, const struct key_names *names)
{
	mode_t strangers = names->mode == 0440 ? 0037 : 0077;
	struct stat status;

	if (fstatat(folder, names->private, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISREG(status.st_mode) && !(status.st_mode & strangers) && status.st_uid == names->owner &&
	    (names->mode != 0440 || status.st_gid == names->group || !hs_privs_separate()))
		return 0;
	return tell(
		"keys.open", folder, names->private, -EPERM,
		"others may read or change this key: it must belong to its daemon's user, with mode 0400 (token.key: "
		"root, apid's group, 0440). If it was read, make all secrets anew");
}

static int mend_public(int folder, const struct key_names *names, const struct hs_keys *keys)
{
	unsigned char public[HS_KEY_BYTES];
	struct hs_keys known;

	if (!*names->public)
		return 0;
	crypto_scalarmult_base(public, keys->keys[0]);
	if (keys_read(folder, names->public, &known) == 0 && memcmp(known.keys[0], public, sizeof(public)) == 0)
		return 0;
	if (keys_exist(folder, names->public))
		return append_key(folder, names->public, public);
	return keys_write(folder, names->public, public, sizeof(public), 0644, names->owner, names->group);
}

/* The folder is locked. ret_keys: what the private file has now, to be wiped. */
int keys_make(int folder, int key, struct hs_keys *ret_keys)
{
	struct key_names names = keys_names(key);
	int result = keys_read(folder, names.private, ret_keys);

	if (result == -ENOENT)
		result = make_first(folder, &names, ret_keys);
	if (result == 0)
		result = check_mode(folder, &names);
	if (result == 0)
		result = mend_public(folder, &names, ret_keys);
	return result < 0 ? result : keys_mend_copy(folder, &names, ret_keys);
}

bool hs_keys_has_pair(enum hs_role role)
{
	return role == HS_ROLE_SIPD || role == HS_ROLE_HOOKD || role == HS_ROLE_HOOK_STREAM;
}

int hs_keys_make(const char *home, int key)
{
	AUTO(close) int folder = keys_open(home, !hs_privs_placed());
	struct key_names names = keys_names(key);
	struct hs_keys keys;
	int result;

	if (key < HS_ROLES && key != HS_ROLE_APID && !hs_keys_has_pair((enum hs_role)key))
		return 0;
	if (folder < 0 || sodium_init() < 0)
		return folder < 0 ? folder : -ENOTSUP;
	if (hs_privs_placed()) /* they are root's to make: hookctl folders */
		return check_mode(folder, &names);
	result = keys_make(folder, key, &keys);
	sodium_memzero(&keys, sizeof(keys));
	return result;
}

int hs_keys_read(const char *home, const char *name, struct hs_keys *ret_keys)
{
	AUTO(close) int folder = keys_open(home, false);

	if (folder < 0 || sodium_init() < 0)
		return folder < 0 ? folder : -ENOTSUP;
	return keys_read(folder, name, ret_keys);
}

/* ---- other hosts ---- */

int hs_keys_make_peers(const char *home)
{
	AUTO(close) int folder = keys_open(home, !hs_privs_placed());

	if (folder < 0)
		return folder;
	if (hs_privs_placed())
		return keys_exist(folder, "peers") ? 0 : -ENOENT;
	return mkdirat(folder, "peers", 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int hs_keys_read_peer(const char *home, const char *name, struct hs_keys *ret_keys)
{
	AUTO(free) char *path = hs_printf("%s/" HS_KEYS_PEERS, home);
	AUTO(close) int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uid_t owner = hs_privs_uid(HS_ROLE_OPS);
	struct stat status;

	if (folder < 0 || fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_mode & 022 || (status.st_uid != owner && status.st_uid != 0))
		return -EPERM;
	return keys_read(folder, name, ret_keys);
}

/* ---- rotation ---- */

int hs_keys_rotate(const char *home, int key)
{
	AUTO(close) int folder = keys_open(home, true);
	struct key_names names = keys_names(key);
	struct hs_keys keys;
	int result;

	if (folder < 0 || sodium_init() < 0)
		return folder < 0 ? folder : -ENOTSUP;
	result = keys_make(folder, key, &keys);
	if (result == 0 && keys.count == 1) {
		unsigned char fresh[HS_KEY_BYTES];

		randombytes_buf(fresh, sizeof(fresh));
		result = append_key(folder, names.private, fresh);
		sodium_memzero(fresh, sizeof(fresh));
		if (result == 0)
			result = keys_make(folder, key, &keys);
		result = result < 0 ? result : 1;
	}
	sodium_memzero(&keys, sizeof(keys));
	return result;
}

int hs_keys_forget_old(const char *home, int key)
{
	AUTO(close) int folder = keys_open(home, true);
	struct key_names names = keys_names(key);
	struct hs_keys keys;
	int result;

	if (folder < 0 || sodium_init() < 0)
		return folder < 0 ? folder : -ENOTSUP;
	result = keys_make(folder, key, &keys);
	if (result == 0)
		result = wipe_older(folder, names.private, keys.keys[0]);
	if (result == 0 && *names.public)
		result = wipe_older_public(folder, &names, keys.keys[0]);
	if (result == 0)
		result = keys_make(folder, key, &keys);
	sodium_memzero(&keys, sizeof(keys));
	return result;
}
