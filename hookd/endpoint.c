#include "endpoint.h"
#include "cleanup.h"
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

static enum match_kind kind_of(const struct outbox_endpoint *row)
{
	if (!row->declared)
		return MATCH_EVENT;
	return !strcmp(row->id, "dtmf") ? MATCH_DTMF : MATCH_STATE;
}

static void add_word(struct endpoint *endpoint, const char *word, size_t length)
{
	endpoint->words = hs_resize(endpoint->words, endpoint->words_count + 1, sizeof(char *));
	endpoint->words[endpoint->words_count++] = hs_printf("%.*s", (int)length, word);
}

static void forget_words(struct endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->words_count; i++)
		free(endpoint->words[i]);
	endpoint->words_count = 0;
	free(endpoint->words_text);
	endpoint->words_text = NULL;
}

void endpoint_set_words(struct endpoint *endpoint, const char *words)
{
	forget_words(endpoint);
	endpoint->words_text = hs_strdup(words);
	for (const char *at = words + strspn(words, " "); *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");

		add_word(endpoint, at, length);
		at += length;
	}
}

struct endpoint *endpoint_create(const struct outbox_endpoint *row)
{
	struct endpoint *endpoint = hs_zalloc(sizeof(*endpoint));
	char why[EGRESS_WHY];

	endpoint->number = row->number;
	endpoint->id = hs_strdup(row->id);
	endpoint->given_url = hs_strdup(row->url);
	endpoint->sealed = hs_strdup(row->sealed);
	endpoint->kind = kind_of(row);
	endpoint->declared = row->declared;
	endpoint->enabled = row->enabled;
	endpoint->failing_since_ms = row->failing_since_ms;
	endpoint->delivered = row->delivered;
	endpoint->dead = row->dead;
	endpoint->last_status = row->last_status;
	hs_copy(endpoint->last_error, sizeof(endpoint->last_error), row->last_error);
	endpoint_set_words(endpoint, row->words);
	if (egress_parse_url(row->url, EGRESS_HTTP, &endpoint->url, why) < 0) {
		hs_log(ERROR, "webhook.bad_url", LOG_TEXT("webhook", row->id), LOG_WHY(why));
		endpoint_destroy(endpoint);
		return NULL;
	}
	return endpoint;
}

int endpoint_move(struct endpoint *endpoint, const char *url, const char *sealed)
{
	struct egress_url parsed;
	char why[EGRESS_WHY];

	if (egress_parse_url(url, EGRESS_HTTP, &parsed, why) < 0) {
		hs_log(ERROR, "webhook.bad_url", LOG_TEXT("webhook", endpoint->id), LOG_WHY(why));
		return -EINVAL;
	}
	endpoint->url = parsed;
	free(endpoint->given_url);
	endpoint->given_url = hs_strdup(url);
	free(endpoint->sealed);
	endpoint->sealed = hs_strdup(sealed);
	sign_wipe(&endpoint->secrets);
	endpoint->enabled = true;
	endpoint->failing_since_ms = 0;
	return 0;
}

void endpoint_destroy(struct endpoint *endpoint)
{
	if (!endpoint)
		return;
	sign_wipe(&endpoint->secrets);
	forget_words(endpoint);
	free(endpoint->words);
	free(endpoint->id);
	free(endpoint->given_url);
	free(endpoint->sealed);
	free(endpoint);
}

struct match_filter endpoint_filter(const struct endpoint *endpoint)
{
	return (struct match_filter){endpoint->kind, (const char *const *)endpoint->words, endpoint->words_count};
}

void endpoint_save(struct endpoint *endpoint, struct outbox *outbox)
{
	struct outbox_endpoint row = {
		.number = endpoint->number,
		.id = endpoint->id,
		.url = endpoint->given_url,
		.words = endpoint->words_text,
		.sealed = endpoint->sealed,
		.declared = endpoint->declared,
		.enabled = endpoint->enabled,
		.failing_since_ms = endpoint->failing_since_ms,
		.delivered = endpoint->delivered,
		.dead = endpoint->dead,
		.last_status = endpoint->last_status,
		.last_error = endpoint->last_error,
	};

	endpoint->number = outbox_save_endpoint(outbox, &row);
}

/* ---- Secrets ---- */

static char *destination_of(const char *url)
{
	return hs_printf("url:%s", url);
}

int endpoint_open_secrets(struct endpoint *endpoint, const char *home)
{
	AUTO(free) char *destination = destination_of(endpoint->given_url);
	char *secret = NULL;
	int error;

	if (endpoint->secrets.count)
		return 0;
	error = hs_secret_open(home, HS_ROLE_HOOKD, destination, endpoint->sealed, &secret);
	if (error < 0)
		return error;
	error = sign_read_secrets(secret, &endpoint->secrets);
	hs_secret_wipe(secret);
	return error;
}

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

int endpoint_reseal(struct endpoint *endpoint, const char *home)
{
	AUTO(free) char *path = hs_printf("%s/hookd/secret-%s", home, endpoint->id);
	AUTO(free) char *made = endpoint->declared ? read_secret_file(path) : NULL;
	AUTO(free) char *fresh_made = made ? hs_secret_reseal(home, HS_ROLE_HOOKD, made) : NULL;
	char *fresh = hs_secret_reseal(home, HS_ROLE_HOOKD, endpoint->sealed);

	int error = fresh_made ? write_secret_file(path, fresh_made) : 0;

	if (fresh) {
		free(endpoint->sealed);
		endpoint->sealed = fresh;
	}
	return error < 0 ? error : fresh != NULL;
}

/* ---- What others see ---- */

void endpoint_describe(const struct endpoint *endpoint, struct hs_webhook *ret_webhook)
{
	*ret_webhook = (struct hs_webhook){
		.id = endpoint->id,
		.url = endpoint->given_url,
		.events_count = endpoint->words_count,
		.events = (const char **)endpoint->words,
		.declared = endpoint->declared,
		.enabled = endpoint->enabled,
		.pending = endpoint->waiting,
		.delivered = endpoint->delivered,
		.dead = endpoint->dead,
		.has_last_status = endpoint->last_status > 0,
		.last_status = endpoint->last_status,
		.last_error = *endpoint->last_error ? endpoint->last_error : NULL,
	};
}

const char *endpoint_label(const struct endpoint *endpoint)
{
	static const char *const labels[] = {[MATCH_STATE] = "state", [MATCH_DTMF] = "dtmf", [MATCH_EVENT] = "api"};

	return labels[endpoint->kind];
}
