/* keys: how the daemons' keys are, their rotation, and the recovery key. */
#include "keys.h"
#include "cleanup.h"
#include "link.h"
#include "secret.h"
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (16 << 20)

#define KEYS_MAX 8

/* Whose secrets are at rest; apid's key is that of token hashes, which cannot be made anew. */
static const enum hs_role owners[] = {HS_ROLE_SIPD, HS_ROLE_HOOKD, HS_ROLE_HOOK_STREAM};

/* Those of this host that reach others: how many of their keys there are. */
static size_t far_keys(const struct hookctl *ctl, int ret_keys[2])
{
	size_t count = 0;
	if (ctl->config->bus->listen_count)
		ret_keys[count++] = HS_KEYS_CURVE(HS_ROLE_APID);
	if (ctl->config->bus->connect_count) {
		ret_keys[count++] = HS_KEYS_CURVE(HS_ROLE_HOOKD);
		ret_keys[count++] = HS_KEYS_CURVE(HS_ROLE_OPS);
	}
	return count;
}

/* All of this host that are made anew by a rotation, and (with_token) the one of token hashes, which is not. */
static size_t all_keys(const struct hookctl *ctl, bool with_token, int ret_keys[KEYS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < HS_COUNT(owners); i++)
		if (!hookctl_is_elsewhere(ctl, owners[i]))
			ret_keys[count++] = (int)owners[i];
	count += far_keys(ctl, ret_keys + count);
	if (with_token && !hookctl_is_elsewhere(ctl, HS_ROLE_APID))
		ret_keys[count++] = HS_ROLE_APID;
	return count;
}

static const char *name_of(int key)
{
	static char name[32];
	if (key == HS_ROLE_APID)
		return "token";
	snprintf(name, sizeof(name), "%s%s", hs_role_names[key % HS_ROLES], key >= HS_ROLES ? ".curve" : "");
	return name;
}

static int cannot(struct hookctl *ctl, const char *what, int key, int error)
{
	return hookctl_fail(ctl, "cannot %s the key of %s in %s/keys: %s", what, name_of(key), ctl->home,
			    strerror(-error));
}

/* ---- status ---- */

static void print_status(int key, const struct hs_keys_status *status)
{
	printf("%-12s %s  %s%s\n", name_of(key), status->mark,
	       status->has_copy ? "can be recovered" : "no copy for a recovery key",
	       status->has_old ? "; an old key is still readable: hookctl keys finish" : "");
}

static int show(struct hookctl *ctl)
{
	AUTO(json_put) struct json_object *out = json_object_new_array();
	bool has_copies = true;
	int kept[KEYS_MAX];
	if (far_keys(ctl, kept) > 0 && hs_keys_make_peers(ctl->home) < 0)
		return hookctl_fail(ctl, "cannot make %s/" HS_KEYS_PEERS, ctl->home);
	size_t kept_count = all_keys(ctl, true, kept);
	for (size_t i = 0; i < kept_count; i++) {
		struct hs_keys_status status;
		int error = hs_keys_make(ctl->home, kept[i]);
		if (error)
			return cannot(ctl, "make", kept[i], error);
		hs_keys_status(ctl->home, kept[i], &status);
		has_copies &= status.has_copy;
		if (!ctl->json)
			print_status(kept[i], &status);
		struct json_object *row = json_object_new_object();
		json_object_object_add(row, "key", json_object_new_string(name_of(kept[i])));
		json_object_object_add(row, "mark", json_object_new_string(status.mark));
		json_object_object_add(row, "old", json_object_new_boolean(status.has_old));
		json_object_object_add(row, "copy", json_object_new_boolean(status.has_copy));
		json_object_array_add(out, row);
	}
	if (ctl->json)
		puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (!has_copies)
		puts("\nIf this machine is lost, so is every secret sealed here. hookctl keys recovery-key makes a key "
		     "that\n"
		     "restores them from a backup; keep it on paper or elsewhere, never on this machine.");
	return HOOKCTL_OK;
}

/* ---- the configuration file ---- */

/* A growing text. */
struct text {
	char *all;
	size_t bytes;
};

static void add(struct text *text, const char *more, size_t bytes)
{
	text->all = hs_resize(text->all, text->bytes + bytes + 1, 1);
	memcpy(text->all + text->bytes, more, bytes);
	text->bytes += bytes;
	text->all[text->bytes] = '\0';
}

/* The same sealed to its owner's newest key; NULL: it is. */
static char *reseal(const struct hookctl *ctl, const char *sealed)
{
	char *fresh = NULL;
	for (size_t i = 0; i < HS_COUNT(owners) && !fresh; i++)
		fresh = hs_secret_reseal(ctl->home, owners[i], sealed);
	return fresh;
}

/* Copies a text, each sealed value in it sealed to the newest key; how many there were. */
static int reseal_text(const struct hookctl *ctl, const char *from, struct text *ret_text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	int count = 0;
	for (const char *at; (at = strstr(from, "sealed:")) != NULL;) {
		size_t length = 7 + strspn(at + 7, letters);
		AUTO(free) char *old = hs_printf("%.*s", (int)length, at);
		AUTO(free) char *fresh = reseal(ctl, old);
		add(ret_text, from, (size_t)(at - from));
		add(ret_text, fresh ? fresh : old, fresh ? strlen(fresh) : length);
		count += fresh != NULL;
		from = at + length;
	}
	add(ret_text, from, strlen(from));
	return count;
}

static char *read_whole(int fd)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || status.st_size > FILE_BYTES)
		return NULL;
	char *text = hs_zalloc((size_t)status.st_size + 1);
	if (read(fd, text, (size_t)status.st_size) == status.st_size)
		return text;
	free(text);
	return NULL;
}

static int sync_folder(const char *path)
{
	AUTO(free) char *copy = hs_strdup(path);
	AUTO(close) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Takes the old one's place whole, with its owner and mode. */
static int replace(const char *path, int old, const struct text *text)
{
	AUTO(free) char *beside = hs_printf("%s.new", path);
	struct stat status;
	unlink(beside);
	AUTO(close) int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(old, &status) < 0)
		return -errno;
	if (write(fd, text->all, text->bytes) != (ssize_t)text->bytes)
		return -EIO;
	if (fchown(fd, status.st_uid, status.st_gid) < 0 || fchmod(fd, status.st_mode & 07777) < 0 || fsync(fd) < 0 ||
	    rename(beside, path) < 0)
		return -errno;
	return sync_folder(path);
}

/* How many sealed values of the configuration file were or (look only) would be sealed anew; -errno. */
static int reseal_file(const struct hookctl *ctl, bool look_only)
{
	if (!ctl->config_path)
		return 0;
	errno = 0;
	AUTO(free) char *path = realpath(ctl->config_path, NULL);
	AUTO(close) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	AUTO(free) char *old = fd < 0 ? NULL : read_whole(fd);
	if (!old)
		return errno ? -errno : -EFBIG;
	struct text text = {0};
	int count = reseal_text(ctl, old, &text);
	int error = count && !look_only ? replace(path, fd, &text) : 0;
	free(text.all);
	return error < 0 ? error : count;
}

/* ---- rotation ---- */

static int64_t member(const struct reply *reply, const char *name)
{
	struct json_object *value = NULL;
	json_object_object_get_ex(reply->body, name, &value);
	return json_object_get_int64(value);
}

/* What the daemons said; left: what of each still needs an older key, -1: unknown; standing: connections that did. */
struct answers {
	int64_t resealed[HS_ROLES], left[HS_ROLES], standing[HS_ROLES];
};

/* Has the daemons seal what they keep to their newest keys, and begin connections between hosts anew with them. */
static int ask_daemons(struct hookctl *ctl, struct answers *ret_answers)
{
	struct reply replies[HS_ROLES];
	if (!link_open(ctl))
		return HOOKCTL_FAILED;
	link_ask_all(ctl, HS_KEYS_RESEAL, NULL, replies);
	for (enum hs_role role = HS_ROLE_NONE; role < HS_ROLES; role++) {
		bool answered = replies[role].error == HS_OK && replies[role].body;
		ret_answers->resealed[role] = answered ? member(&replies[role], "resealed") : 0;
		ret_answers->left[role] = answered ? member(&replies[role], "left") : -1;
		ret_answers->standing[role] = answered ? member(&replies[role], "standing") : -1;
		reply_finish(&replies[role]);
	}
	return HOOKCTL_OK;
}

static void tell_others(const struct hookctl *ctl)
{
	int keys[KEYS_MAX];
	for (size_t i = far_keys(ctl, keys); i > 0; i--)
		printf("%s.pub in %s/keys belongs into keys/peers of the other hosts, in the place of the last one\n",
		       name_of(keys[i - 1]), ctl->home);
	if (hookctl_is_elsewhere(ctl, HS_ROLE_APID))
		printf("hookd.pub belongs into keys/ where apid is, which seals to it\n");
}

static int rotate(struct hookctl *ctl)
{
	struct answers answers;
	int keys[KEYS_MAX];
	size_t keys_count = all_keys(ctl, false, keys);
	for (size_t i = 0; i < keys_count; i++) {
		int made = hs_keys_rotate(ctl->home, keys[i]);
		if (made < 0)
			return cannot(ctl, "rotate", keys[i], made);
		printf("%-12s %s\n", name_of(keys[i]), made ? "has a new key" : "goes on with the rotation under way");
	}
	int count = reseal_file(ctl, false);
	if (count < 0)
		return hookctl_fail(ctl, "cannot seal %s anew: %s. The old keys still open it", ctl->config_path,
				    strerror(-count));
	printf("%d secrets of %s sealed anew\n", count, ctl->config_path ? ctl->config_path : "the configuration");
	if (ask_daemons(ctl, &answers))
		return HOOKCTL_FAILED;
	for (size_t i = 0; i < HS_COUNT(owners); i++)
		if (hookctl_is_elsewhere(ctl, owners[i]))
			continue;
		else if (answers.left[owners[i]] < 0)
			printf("%-12s is away; it is asked again by: hookctl keys finish\n", name_of(owners[i]));
		else
			printf("%-12s sealed %lld secrets of its store anew\n", name_of(owners[i]),
			       (long long)answers.resealed[owners[i]]);
	tell_others(ctl);
	puts("The old keys still open what is left. When the daemons were started anew: hookctl keys finish");
	return HOOKCTL_OK;
}

/* Why a key's old one must stay, as a sentence with its end; or NULL. */
static char *why_needed(int key, const struct answers *answers)
{
	enum hs_role role = (enum hs_role)(key % HS_ROLES);
	bool is_far = key >= HS_ROLES;
	if (is_far && role == HS_ROLE_OPS)
		return NULL; /* no connection of hookctl lasts */
	if (answers->left[role] < 0)
		return hs_printf("is away or cannot write its store: its old key stays");
	if (!is_far && answers->left[role] > 0)
		return hs_printf("still has %lld secrets as its configuration was when it started: start it anew",
				 (long long)answers->left[role]);
	if (is_far && answers->standing[role] > 0)
		return hs_printf("had %lld connections on its old key, which are begun anew. If it says so again, the "
				 "other host does not have its new %s.pub in keys/peers yet",
				 (long long)answers->standing[role], name_of(key));
	return NULL;
}

/* One old key, as far as nothing needs it. */
static int finish_one(struct hookctl *ctl, int key, const struct answers *answers)
{
	struct hs_keys_status status;
	hs_keys_status(ctl->home, key, &status);
	if (!status.has_old) {
		printf("%-12s has no old key\n", name_of(key));
		return HOOKCTL_OK;
	}
	AUTO(free) char *why = why_needed(key, answers);
	if (why)
		return hookctl_fail(ctl, "%s %s", hs_role_names[key % HS_ROLES], why);
	int error = hs_keys_forget_old(ctl->home, key);
	if (error)
		return cannot(ctl, "wipe", key, error);
	printf("%-12s old key wiped\n", name_of(key));
	return HOOKCTL_OK;
}

static int finish(struct hookctl *ctl)
{
	struct answers answers;
	int keys[KEYS_MAX];
	size_t keys_count = all_keys(ctl, false, keys);
	int code = HOOKCTL_OK, in_file = reseal_file(ctl, true);
	if (in_file)
		return hookctl_fail(ctl, "%s still has secrets for old keys: hookctl keys rotate", ctl->config_path);
	if (ask_daemons(ctl, &answers))
		return HOOKCTL_FAILED;
	for (size_t i = 0; i < keys_count; i++)
		if (finish_one(ctl, keys[i], &answers))
			code = HOOKCTL_FAILED;
	return code;
}

/* ---- recovery ---- */

static int make_recovery(struct hookctl *ctl)
{
	char text[HS_RECOVERY_TEXT];
	int error = hs_keys_make_recovery(ctl->home, text);
	if (error)
		return hookctl_fail(ctl, "cannot seal the keys in %s/keys: %s", ctl->home, strerror(-error));
	printf("recovery %s\n", text);
	sodium_memzero(text, sizeof(text));
	if (!ctl->json)
		puts("\nWrite it down; it is not kept here and not shown again, and an earlier one opens nothing any "
		     "more.\n"
		     "With a backup it restores all keys: hookctl keys recover");
	return HOOKCTL_OK;
}

static const char *why_not(int error)
{
	if (error == -EACCES)
		return "this is not the recovery key it was sealed to, or it is mistyped";
	if (error == -EEXIST)
		return "another key is there; move it away first";
	return error == -ENOENT ? "there is no sealed copy" : strerror(-error);
}

static int recover(struct hookctl *ctl)
{
	char text[HS_RECOVERY_TEXT + 2] = "";
	int code = HOOKCTL_OK, kept[KEYS_MAX];
	size_t kept_count = all_keys(ctl, true, kept);
	if (!fgets(text, sizeof(text), stdin))
		return hookctl_usage(ctl, "the recovery key is read from standard input");
	for (size_t i = 0; i < kept_count; i++) {
		int done = hs_keys_recover(ctl->home, kept[i], text);
		printf("%-12s %s\n", name_of(kept[i]), done > 0 ? "restored" : done == 0 ? "is there" : why_not(done));
		if (done < 0)
			code = HOOKCTL_FAILED;
	}
	sodium_memzero(text, sizeof(text));
	return code;
}

int keys_run(struct hookctl *ctl, int count, char **words)
{
	static const struct {
		const char *word;
		int (*run)(struct hookctl *ctl);
	} actions[] = {
		{"status", show},     {"rotate", rotate}, {"finish", finish}, {"recovery-key", make_recovery},
		{"recover", recover},
	};
	if (count == 0)
		return show(ctl);
	for (size_t i = 0; count == 1 && i < HS_COUNT(actions); i++)
		if (!strcmp(actions[i].word, words[0]))
			return actions[i].run(ctl);
	return hookctl_usage(ctl, "%s is not understood", words[0]);
}
