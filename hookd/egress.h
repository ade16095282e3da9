/* Egress: which URLs and addresses may be reached from here, and which must not (request forgery towards the inside).
 * Called by serve, deliver, resolve's users and hook-stream; calls nobody. Pure: no name is resolved here.
 * Owns the parsed rules. A host written as a number is read as browsers read it (decimal, octal, hexadecimal, short
 * forms), so that no spelling of a private address gets past the ranges.
 */
#ifndef HOOKD_EGRESS_H
#define HOOKD_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EGRESS_URL_BYTES 2304   /* longest canonical URL, with NUL */
#define EGRESS_HOST_BYTES 256   /* longest host, with NUL */
#define EGRESS_ADDRESS_TEXT 46  /* longest address as text, with NUL */
#define EGRESS_MAX_ADDRESSES 16 /* of one name; more are not looked at and not used */
#define EGRESS_WHY 200          /* room for a sentence */

/* An IPv4 or IPv6 address. IPv4-mapped IPv6 is kept as IPv4. */
struct egress_address {
	uint8_t bytes[16]; /* network order; IPv4: the first four */
	bool is_v6;
};

struct egress_network {
	struct egress_address base;
	int bits;
};

/* What the configuration opens. */
struct egress_rules {
	struct egress_network *networks; /* may be reached, also without TLS and on any port */
	size_t networks_count;
	uint16_t *ports; /* of configured URLs: allowed beside 80, 443 and 8443 */
	size_t ports_count;
	/* A ceiling above all else; NULL: none. False with a sentence (EGRESS_WHY bytes). */
	bool (*permits)(const void *context, const char *host, char *ret_why);
	const void *context;
};

enum egress_family {
	EGRESS_HTTP,      /* http, https */
	EGRESS_WEBSOCKET, /* ws, wss */
};

struct egress_url {
	char text[EGRESS_URL_BYTES];  /* canonical: lower-case scheme and host, numeric hosts in dotted form */
	char host[EGRESS_HOST_BYTES]; /* without brackets */
	size_t path_at;               /* path and query begin here in text */
	uint16_t port;
	bool tls;
	bool numeric; /* host is an address */
	struct egress_address address;
};

/* Reads "10.0.0.0/8", "fd00::/8" or a plain address. -EINVAL. */
int egress_parse_network(const char *text, struct egress_network *ret_network);

/* Builds rules from CIDR texts; those that cannot be read are left out (the configuration was checked). */
void egress_rules_init(struct egress_rules *rules, const char *const *networks, size_t count);

/* Opens a port on public addresses, because the configuration names it in a URL. */
void egress_rules_add_port(struct egress_rules *rules, uint16_t port);
void egress_rules_finish(struct egress_rules *rules);

/* Reads an address in its usual text form. -EINVAL. */
int egress_parse_address(const char *text, struct egress_address *ret_address);

/* From a socket address (struct sockaddr of AF_INET or AF_INET6). -EAFNOSUPPORT for others. */
int egress_from_sockaddr(const void *sockaddr, struct egress_address *ret_address);

/* Writes the usual text form. */
void egress_format_address(const struct egress_address *address, char ret_text[EGRESS_ADDRESS_TEXT]);

/* Reads a URL strictly: known scheme, no user or password, a sane host and port, printable path, no fragment.
 * -EINVAL with a sentence in ret_why (EGRESS_WHY bytes), ret_url untouched. */
int egress_parse_url(const char *text, enum egress_family family, struct egress_url *ret_url, char *ret_why);

/* Whether this address may be reached for this URL. -EACCES with a sentence in ret_why (EGRESS_WHY bytes). */
int egress_check_address(const struct egress_rules *rules, const struct egress_url *url,
			 const struct egress_address *address, char *ret_why);

/* Whether any address could be reached for this URL: refuses what no name server can make good. -EACCES with a sentence
 * in ret_why (EGRESS_WHY bytes). */
int egress_check_url(const struct egress_rules *rules, const struct egress_url *url, char *ret_why);

/* Whether all of them may: one bad answer spoils the name. -EACCES, or -ENOENT when there are none. */
int egress_check(const struct egress_rules *rules, const struct egress_url *url, const struct egress_address *addresses,
		 size_t count, char *ret_why);

#endif
