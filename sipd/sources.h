/* Sources: what each address on the network may do: a token bucket, failed logins, bans (security model 6.5). Pure.
 * Called by wiretap (each datagram) and auth; calls nobody; takes the time as an argument.
 * Owns a bounded table of addresses (IPv4 whole, IPv6 by /64) and of registered phones, each of which counts for
 * itself: what another one behind the same NAT does is not its fault. The least recently seen one makes room.
 */
#ifndef SOURCES_H
#define SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCES_HOST 46 /* longest numeric address with NUL */
#define SOURCES_MAX 32768

struct sockaddr;

/* An address as the table knows it. */
struct source_key {
	uint8_t bytes[16];
	uint16_t port; /* of a registered phone; 0: all the rest of the address */
};

struct sources_rules {
	int64_t requests_per_s, burst;     /* of one source */
	int64_t strangers_per_s;           /* of all addresses together where no phone is registered */
	int64_t failures;                  /* in ten minutes, then a ban */
	int64_t probes;                    /* likewise: requests that proved nothing */
	int64_t ban_ms;                    /* the first; it doubles */
	const char *const *local_networks; /* CIDR; NULL: loopback and the private ranges */
	size_t local_networks_count;
};

enum sources_verdict {
	SOURCES_PASS,
	SOURCES_LIMITED, /* too many requests: drop */
	SOURCES_CROWDED, /* too many strangers: drop */
	SOURCES_BANNED,  /* drop unseen */
};

/* What is to be told of an address. */
struct sources_report {
	char host[SOURCES_HOST];
	char line[65];    /* line it tried last; "" when it is none of ours */
	int64_t failures; /* failed logins, and probes that began a ban */
	bool banned;
};

struct sources;

struct sources *sources_create(const struct sources_rules *rules);

/* The key of an address, without its port; false for families other than IPv4 and IPv6. */
bool sources_key(const struct sockaddr *address, struct source_key *ret_key);

/* Writes a numeric address, at most SOURCES_HOST bytes with NUL; "" for other families. */
void sources_write(const struct sockaddr *address, char ret_host[SOURCES_HOST]);

/* True when the address is in one of the local networks. */
bool sources_is_local(const struct sources *sources, const struct source_key *key);

/* Takes a token for one request; of a stranger, one of all strangers' as well. */
enum sources_verdict sources_take(struct sources *sources, const struct source_key *key, bool stranger, int64_t now_ms);

/* True while the address is banned; takes nothing. */
bool sources_is_banned(const struct sources *sources, const struct source_key *key, int64_t now_ms);

/* Counts a failed login that echoed a fresh nonce. spare: a phone is registered from there, so it is slowed down
 * instead of banned, as local networks are. Returns true when this failure began a ban. */
bool sources_fail(struct sources *sources, const struct source_key *key, const char *host, const char *line, bool spare,
		  int64_t now_ms);

/* Counts a request that proved nothing, as scans are made of. Not counted where somebody proved who he is within an
 * hour. The ban it ends in is short and does not grow, for anybody can forge a datagram's source. As sources_fail. */
bool sources_probe(struct sources *sources, const struct source_key *key, const char *host, bool spare, int64_t now_ms);

/* Somebody there proved who he is. */
void sources_prove(struct sources *sources, const struct source_key *key, int64_t now_ms);

/* Visits what is to be told now: failures not yet told, at most once in 10 s an address, bans at once. Returns ms until
 * the next one is due, -1: nothing waits. */
int64_t sources_report(struct sources *sources, int64_t now_ms,
		       void (*tell)(void *context, const struct sources_report *report), void *context);

/* IPv4 addresses under a ban, in network order, at most max: for the kernel's filter. */
size_t sources_banned_ipv4(const struct sources *sources, int64_t now_ms, uint32_t *ret_addresses, size_t max);

/* ms until the next ban ends, -1: nobody is banned. */
int64_t sources_next_release(const struct sources *sources, int64_t now_ms);

void sources_destroy(struct sources *sources); /* NULL is fine */

#endif
