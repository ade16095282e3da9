#include "sources.h"
#include "cleanup.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 8192 /* power of two */
#define WINDOW_MS 600000
#define PROVEN_MS 3600000
#define REPORT_MS 10000
#define SLOW_MS 600000 /* how long a spared address is slowed down */
#define SLOW_PER_S 2   /* and to what */
#define LONGEST_BAN_MS (30LL * 86400 * 1000)

struct tokens {
	int64_t milli, refilled_ms;
};

struct source {
	struct source_key key;
	struct source *next;          /* in its bucket */
	struct source *newer, *older; /* by use */
	struct tokens tokens;
	int64_t window_ms, failures, probes; /* failed logins and requests that proved nothing, since window_ms */
	int64_t proven_ms;                   /* when somebody proved who he is; 0: never */
	int64_t banned_until_ms, slow_until_ms, last_ban_ms;
	unsigned bans;
	int64_t untold, told_ms; /* failures not yet told; when the last report went out */
	bool tell_ban;
	char host[SOURCES_HOST], line[65];
};

struct network {
	struct source_key key;
	unsigned bits;
};

struct sources {
	struct sources_rules rules;
	struct network *networks;
	size_t networks_count;
	struct source *buckets[BUCKETS];
	struct source *newest, *oldest;
	size_t count;
	size_t untold;       /* sources with something to tell */
	struct tokens crowd; /* of all strangers */
};

static const char *const private_networks[] = {"127.0.0.0/8",    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
					       "169.254.0.0/16", "::1/128",    "fc00::/7",      "fe80::/10"};
static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static int parse_network(const char *text, struct network *ret)
{
	char host[64];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	if (length >= sizeof(host))
		return -1;
	memcpy(host, text, length);
	host[length] = 0;
	unsigned bits = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : 128;
	if (inet_pton(AF_INET6, host, ret->key.bytes) == 1) {
		ret->bits = bits > 128 ? 128 : bits;
		return 0;
	}
	memcpy(ret->key.bytes, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, host, ret->key.bytes + 12) != 1)
		return -1;
	ret->bits = 96 + (bits > 32 ? 32 : bits);
	return 0;
}

static bool in_network(const struct network *network, const struct source_key *key)
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;
	if (memcmp(network->key.bytes, key->bytes, whole) != 0)
		return false;
	return !rest || !((network->key.bytes[whole] ^ key->bytes[whole]) >> (8 - rest));
}

struct sources *sources_create(const struct sources_rules *rules)
{
	struct sources *sources = hs_zalloc(sizeof(*sources));
	bool own = rules->local_networks_count > 0;
	const char *const *texts = own ? rules->local_networks : private_networks;
	size_t count = own ? rules->local_networks_count : HS_COUNT(private_networks);
	sources->rules = *rules;
	sources->crowd.milli = rules->strangers_per_s * 1000;
	sources->networks = hs_zalloc(count * sizeof(*sources->networks));
	for (size_t i = 0; i < count; i++)
		if (!parse_network(texts[i], &sources->networks[sources->networks_count]))
			sources->networks_count++;
	return sources;
}

bool sources_key(const struct sockaddr *address, struct source_key *ret_key)
{
	ret_key->port = 0;
	if (address->sa_family == AF_INET) {
		memcpy(ret_key->bytes, mapped, sizeof(mapped));
		memcpy(ret_key->bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(ret_key->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	if (memcmp(ret_key->bytes, mapped, sizeof(mapped)) != 0 &&
	    !IN6_IS_ADDR_LOOPBACK((struct in6_addr *)ret_key->bytes))
		memset(ret_key->bytes + 8, 0, 8); /* one customer has a /64 */
	return true;
}

/* As inet_ntop does, which prints through the whole of stdio: this is done several times a message. */
static void write_ipv4(const uint8_t bytes[4], char *at)
{
	for (int i = 0; i < 4; i++) {
		unsigned number = bytes[i];
		if (number >= 100)
			*at++ = (char)('0' + number / 100);
		if (number >= 10)
			*at++ = (char)('0' + number / 10 % 10);
		*at++ = (char)('0' + number % 10);
		*at++ = i < 3 ? '.' : 0;
	}
}

void sources_write(const struct sockaddr *address, char ret_host[SOURCES_HOST])
{
	ret_host[0] = 0;
	if (address->sa_family == AF_INET)
		write_ipv4((const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr, ret_host);
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, ret_host, SOURCES_HOST);
}

bool sources_is_local(const struct sources *sources, const struct source_key *key)
{
	for (size_t i = 0; i < sources->networks_count; i++)
		if (in_network(&sources->networks[i], key))
			return true;
	return false;
}

static size_t bucket_of(const struct source_key *key)
{
	uint64_t hash = 14695981039346656037u;
	for (size_t i = 0; i < sizeof(key->bytes); i++)
		hash = (hash ^ key->bytes[i]) * 1099511628211u;
	hash = (hash ^ key->port) * 1099511628211u;
	return (hash ^ hash >> 32) & (BUCKETS - 1);
}

static struct source *find(const struct sources *sources, const struct source_key *key)
{
	struct source *source = sources->buckets[bucket_of(key)];
	while (source && memcmp(&source->key, key, sizeof(*key)) != 0)
		source = source->next;
	return source;
}

static void unlink_use(struct sources *sources, struct source *source)
{
	*(source->newer ? &source->newer->older : &sources->newest) = source->older;
	*(source->older ? &source->older->newer : &sources->oldest) = source->newer;
	source->newer = source->older = NULL;
}

static void link_newest(struct sources *sources, struct source *source)
{
	source->older = sources->newest;
	*(sources->newest ? &sources->newest->newer : &sources->oldest) = source;
	sources->newest = source;
}

static bool is_untold(const struct source *source)
{
	return source->untold || source->tell_ban;
}

static void forget(struct sources *sources, struct source *source)
{
	struct source **at = &sources->buckets[bucket_of(&source->key)];
	while (*at != source)
		at = &(*at)->next;
	*at = source->next;
	unlink_use(sources, source);
	sources->count--;
	sources->untold -= is_untold(source);
	free(source);
}

/* A flood of forged addresses pushes out the quiet ones first; those under a ban get a second round. */
static void make_room(struct sources *sources, int64_t now_ms)
{
	for (int i = 0; i < 64; i++) {
		struct source *oldest = sources->oldest;
		if (oldest->banned_until_ms <= now_ms)
			break;
		unlink_use(sources, oldest);
		link_newest(sources, oldest);
	}
	forget(sources, sources->oldest);
}

static struct source *get(struct sources *sources, const struct source_key *key, int64_t now_ms)
{
	struct source *source = find(sources, key);
	if (source) {
		unlink_use(sources, source);
		link_newest(sources, source);
		return source;
	}
	if (sources->count >= SOURCES_MAX)
		make_room(sources, now_ms);
	source = hs_zalloc(sizeof(*source));
	source->key = *key;
	source->tokens = (struct tokens){sources->rules.burst * 1000, now_ms};
	source->told_ms = now_ms - REPORT_MS;
	size_t bucket = bucket_of(key);
	source->next = sources->buckets[bucket];
	sources->buckets[bucket] = source;
	link_newest(sources, source);
	sources->count++;
	return source;
}

static bool take_token(struct tokens *tokens, int64_t per_s, int64_t burst, int64_t now_ms)
{
	int64_t most = 1000 * burst, elapsed = now_ms - tokens->refilled_ms;
	tokens->refilled_ms = now_ms;
	tokens->milli += elapsed > most ? most : elapsed * per_s;
	if (tokens->milli > most)
		tokens->milli = most;
	if (tokens->milli < 1000)
		return false;
	tokens->milli -= 1000;
	return true;
}

enum sources_verdict sources_take(struct sources *sources, const struct source_key *key, bool stranger, int64_t now_ms)
{
	const struct sources_rules *rules = &sources->rules;
	struct source *source = get(sources, key, now_ms);
	if (source->banned_until_ms > now_ms)
		return SOURCES_BANNED;
	bool slow = source->slow_until_ms > now_ms;
	if (!take_token(&source->tokens, slow ? SLOW_PER_S : rules->requests_per_s,
			slow ? 2 * SLOW_PER_S : rules->burst, now_ms))
		return SOURCES_LIMITED;
	if (stranger && !take_token(&sources->crowd, rules->strangers_per_s, rules->strangers_per_s, now_ms))
		return SOURCES_CROWDED;
	return SOURCES_PASS;
}

bool sources_is_banned(const struct sources *sources, const struct source_key *key, int64_t now_ms)
{
	const struct source *source = find(sources, key);
	return source && source->banned_until_ms > now_ms;
}

static void ban(const struct sources *sources, struct source *source, int64_t now_ms)
{
	if (source->last_ban_ms && now_ms - source->last_ban_ms > 7LL * 86400 * 1000)
		source->bans = 0; /* a quiet week is forgiven */
	int64_t length = sources->rules.ban_ms;
	for (unsigned i = 0; i < source->bans && length < LONGEST_BAN_MS; i++)
		length *= 2;
	source->bans++;
	source->last_ban_ms = now_ms;
	source->banned_until_ms = now_ms + (length < LONGEST_BAN_MS ? length : LONGEST_BAN_MS);
	source->tell_ban = true;
}

static struct source *get_window(struct sources *sources, const struct source_key *key, int64_t now_ms)
{
	struct source *source = get(sources, key, now_ms);
	if (now_ms - source->window_ms > WINDOW_MS) {
		source->window_ms = now_ms;
		source->failures = source->probes = 0;
	}
	return source;
}

static void note(struct sources *sources, struct source *source, const char *host, const char *line, int64_t failures)
{
	sources->untold += !is_untold(source);
	source->untold += failures;
	hs_copy(source->host, sizeof(source->host), host);
	hs_copy(source->line, sizeof(source->line), line);
}

/* True: it was spared. */
static bool slow_down(const struct sources *sources, struct source *source, bool spare, int64_t now_ms)
{
	source->failures = source->probes = 0;
	source->window_ms = now_ms;
	if (!spare && !sources_is_local(sources, &source->key))
		return false;
	source->slow_until_ms = now_ms + SLOW_MS;
	return true;
}

bool sources_fail(struct sources *sources, const struct source_key *key, const char *host, const char *line, bool spare,
		  int64_t now_ms)
{
	struct source *source = get_window(sources, key, now_ms);
	source->failures++;
	note(sources, source, host, line, 1);
	if (source->failures < sources->rules.failures || slow_down(sources, source, spare, now_ms))
		return false;
	ban(sources, source, now_ms);
	return true;
}

bool sources_probe(struct sources *sources, const struct source_key *key, const char *host, bool spare, int64_t now_ms)
{
	struct source *source = get_window(sources, key, now_ms);
	if (source->proven_ms && now_ms - source->proven_ms < PROVEN_MS)
		return false;
	if (++source->probes < sources->rules.probes)
		return false;
	note(sources, source, host, "", source->probes);
	if (slow_down(sources, source, spare, now_ms))
		return false;
	source->banned_until_ms = now_ms + (sources->rules.ban_ms < WINDOW_MS ? sources->rules.ban_ms : WINDOW_MS);
	source->tell_ban = true;
	return true;
}

void sources_prove(struct sources *sources, const struct source_key *key, int64_t now_ms)
{
	struct source *source = get(sources, key, now_ms);
	source->proven_ms = now_ms;
	source->probes = 0;
}

int64_t sources_report(struct sources *sources, int64_t now_ms,
		       void (*tell)(void *context, const struct sources_report *report), void *context)
{
	int64_t next = -1;
	size_t left = sources->untold;
	for (struct source *source = sources->newest; source && left; source = source->older) {
		if (!is_untold(source))
			continue;
		left--;
		int64_t due = source->told_ms + REPORT_MS - now_ms;
		if (due > 0 && !source->tell_ban) {
			next = next < 0 || due < next ? due : next;
			continue;
		}
		struct sources_report report = {.failures = source->untold, .banned = source->tell_ban};
		hs_copy(report.host, sizeof(report.host), source->host);
		hs_copy(report.line, sizeof(report.line), source->line);
		source->untold = 0;
		source->tell_ban = false;
		source->told_ms = now_ms;
		sources->untold--;
		tell(context, &report);
	}
	return next;
}

size_t sources_banned_ipv4(const struct sources *sources, int64_t now_ms, uint32_t *ret_addresses, size_t max)
{
	size_t count = 0;
	for (const struct source *source = sources->newest; source && count < max; source = source->older) {
		if (source->banned_until_ms <= now_ms || memcmp(source->key.bytes, mapped, sizeof(mapped)) != 0)
			continue;
		memcpy(&ret_addresses[count++], source->key.bytes + 12, 4);
	}
	return count;
}

int64_t sources_next_release(const struct sources *sources, int64_t now_ms)
{
	int64_t next = -1;
	for (const struct source *source = sources->newest; source; source = source->older) {
		int64_t left = source->banned_until_ms - now_ms;
		if (left > 0 && (next < 0 || left < next))
			next = left;
	}
	return next;
}

void sources_destroy(struct sources *sources)
{
	if (!sources)
		return;
	for (struct source *source = sources->newest, *older; source; source = older) {
		older = source->older;
		free(source);
	}
	free(sources->networks);
	free(sources);
}
