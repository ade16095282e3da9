#include "cleanup.h"
#include "endpoint.h"
#include "log.h"
#include "secret.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH_KEY_BYTES 32
#define SECRET_FILE_BYTES 8192

static char *destination_of(const char *url)
{
	return hs_printf("url:%s", url);
}

static int open_key(struct endpoint *endpoint, const char *home, const char *destination)
{
	int error;

	if (!endpoint->sealed_key)
		return 0;
	error = hs_secret_open(home, HS_ROLE_HOOKD, destination, endpoint->sealed_key, &endpoint->key);
	endpoint->tls.key = endpoint->key;
	return error;
}

void endpoint_close_secrets(struct endpoint *endpoint)
{
	sign_wipe(&endpoint->secrets);
	hs_secret_wipe(TAKE(endpoint->key));
	endpoint->tls.key = NULL;
	endpoint->public_key[0] = '\0';
}

/* The text of a sealed one is read into secrets. */
static int open_sealed(const char *home, const char *destination, const char *sealed, struct sign_secrets *ret_secrets)
{
	char *secret = NULL;
	int error = hs_secret_open(home, HS_ROLE_HOOKD, destination, sealed, &secret);

	if (error < 0)
		return error;
	error = sign_read_secrets(secret, ret_secrets);
	hs_secret_wipe(secret);
	return error;
}

int endpoint_open_secrets(struct endpoint *endpoint, const char *home)
{
	AUTO(free) char *destination = destination_of(endpoint->given_url);
	int error;

	if (endpoint->secrets.count)
		return 0;
	error = open_sealed(home, destination, endpoint->sealed, &endpoint->secrets);
	if (error == 0)
		error = open_key(endpoint, home, destination);
	if (error < 0)
		endpoint_close_secrets(endpoint);
	else if (endpoint->style == HS_WEBHOOK_STYLE_TELNYX)
		sign_public(&endpoint->secrets, endpoint->public_key);
	return error;
}

/* ---- Rotation ---- */

/* Seals what is in secrets, as one text. NULL without our key. */
static char *seal_all(const char *home, const char *destination, const struct sign_secrets *secrets)
{
	char text[SIGN_SECRETS * SIGN_SECRET_TEXT] = "";
	size_t used = 0;
	char *sealed;

	for (size_t i = 0; i < secrets->count; i++) {
		if (i)
			text[used++] = ' ';
		sign_format_secret(secrets->secrets[i].key, secrets->secrets[i].bytes, text + used);
		used += strlen(text + used);
	}
	sealed = hs_secret_seal(home, HS_ROLE_HOOKD, destination, text);
	explicit_bzero(text, sizeof(text));
	return sealed;
}

/* From now on these are its secrets. Wipes what it is given. */
static int replace_secrets(struct endpoint *endpoint, const char *home, struct sign_secrets *secrets)
{
	AUTO(free) char *destination = destination_of(endpoint->given_url);
	char *sealed = seal_all(home, destination, secrets);

	sign_wipe(secrets);
	if (!sealed)
		return -ENOKEY;
	free(endpoint->sealed);
	endpoint->sealed = sealed;
	endpoint_close_secrets(endpoint);
	return endpoint_open_secrets(endpoint, home);
}

int endpoint_rotate(struct endpoint *endpoint, const char *home, const char *sealed, int64_t until_ms, int64_t now_ms)
{
	AUTO(free) char *destination = destination_of(endpoint->given_url);
	struct sign_secrets secrets = {0};
	int error = endpoint_open_secrets(endpoint, home);

	if (error == 0)
		error = open_sealed(home, destination, sealed, &secrets);
	if (error < 0)
		return error;
	secrets.count = 1;
	if (until_ms > now_ms)
		secrets.secrets[secrets.count++] = endpoint->secrets.secrets[0];
	endpoint->old_until_ms = until_ms > now_ms ? until_ms : 0;
	return replace_secrets(endpoint, home, &secrets);
}

bool endpoint_end_rotation(struct endpoint *endpoint, const char *home, int64_t now_ms)
{
	struct sign_secrets secrets = {0};

	if (!endpoint->old_until_ms || now_ms < endpoint->old_until_ms || endpoint_open_secrets(endpoint, home) < 0)
		return false;
	secrets.secrets[secrets.count++] = endpoint->secrets.secrets[0];
	endpoint->old_until_ms = 0;
	return replace_secrets(endpoint, home, &secrets) == 0;
}

/* ---- At rest ---- */

/* The file's text; NULL when there is none. */
static char *read_secret_file(const char *path)
{
	AUTO(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[SECRET_FILE_BYTES] = {0};

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return NULL;
	text[strcspn(text, "\r\n")] = '\0';
	return hs_strdup(text);
}

/* Whole or not at all: written beside, flushed, then renamed. */
static int write_secret_file(const char *path, const char *text)
{
	AUTO(free) char *beside = hs_printf("%s.new", path);
	AUTO(close) int fd = -1;
	size_t length = strlen(text);

	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
	if (fd < 0)
		return -errno;
	if (write(fd, text, length) != (ssize_t)length)
		return -EIO;
	if (fchmod(fd, 0400) < 0 || fsync(fd) < 0 || rename(beside, path) < 0)
		return -errno;
	return 0;
}

/* True when the file's text is for this URL. The file is ours alone: one for another URL was made before the
 * configuration changed. */
static bool is_for(const char *home, const char *destination, const char *sealed)
{
	AUTO(free) char *known = hs_secret_destination(home, HS_ROLE_HOOKD, sealed);

	return known && !strcmp(known, destination);
}

char *endpoint_make_secret(const char *home, const char *id, const char *url)
{
	AUTO(free) char *path = hs_printf("%s/hookd/secret-%s", home, id);
	AUTO(free) char *destination = destination_of(url);
	AUTO(free) char *sealed = read_secret_file(path);
	uint8_t random[FRESH_KEY_BYTES];
	char text[SIGN_SECRET_TEXT];
	int error;

	if (sealed && is_for(home, destination, sealed))
		return TAKE(sealed);
	if (sealed)
		hs_log(WARN, "webhook.secret_renewed", LOG_TEXT("webhook", id),
		       LOG_WHY("its URL is another one, for which it got a secret of its own: hookctl webhook-secret"));
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return NULL;
	sign_format_secret(random, sizeof(random), text);
	free(sealed);
	sealed = hs_secret_seal(home, HS_ROLE_HOOKD, destination, text);
	explicit_bzero(random, sizeof(random));
	explicit_bzero(text, sizeof(text));
	error = sealed ? write_secret_file(path, sealed) : -ENOKEY;
	if (error < 0) {
		errno = -error;
		return NULL;
	}
	return TAKE(sealed);
}

/* True when an older key was in use. */
static bool reseal_text(const char *home, char **sealed)
{
	char *fresh = *sealed ? hs_secret_reseal(home, HS_ROLE_HOOKD, *sealed) : NULL;

	if (!fresh)
		return false;
	free(*sealed);
	*sealed = fresh;
	return true;
}

int endpoint_reseal(struct endpoint *endpoint, const char *home)
{
	AUTO(free) char *path = hs_printf("%s/hookd/secret-%s", home, endpoint->id);
	AUTO(free) char *made = endpoint->declared ? read_secret_file(path) : NULL;
	int error = reseal_text(home, &made) ? write_secret_file(path, made) : 0;
	bool resealed = reseal_text(home, &endpoint->sealed);

	resealed |= reseal_text(home, &endpoint->sealed_key);
	return error < 0 ? error : resealed;
}
