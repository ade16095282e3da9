#include "egress.h"
#include "cleanup.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ranges that no public receiver lives in: IANA special-purpose registries, and the v6 ranges that embed a v4 address,
 * through which a packet could come back to the inside. */
struct range {
	const char *network;
	const char *what;
};

static const struct range v4_ranges[] = {
	{"0.0.0.0/8", "this host"},
	{"10.0.0.0/8", "private"},
	{"100.64.0.0/10", "carrier-grade NAT"},
	{"127.0.0.0/8", "loopback"},
	{"169.254.0.0/16", "link-local"},
	{"172.16.0.0/12", "private"},
	{"192.0.0.0/24", "reserved"},
	{"192.0.2.0/24", "documentation"},
	{"192.88.99.0/24", "6to4 relay"},
	{"192.168.0.0/16", "private"},
	{"198.18.0.0/15", "benchmark"},
	{"198.51.100.0/24", "documentation"},
	{"203.0.113.0/24", "documentation"},
	{"224.0.0.0/4", "multicast"},
	{"240.0.0.0/4", "reserved or broadcast"},
};

static const struct range v6_ranges[] = {
	{"::/128", "unspecified"},
	{"::1/128", "loopback"},
	{"::/96", "IPv4-compatible"},
	{"64:ff9b::/96", "NAT64"},
	{"64:ff9b:1::/48", "NAT64"},
	{"100::/64", "discard"},
	{"2001::/23", "Teredo or protocol assignment"},
	{"2001:db8::/32", "documentation"},
	{"2002::/16", "6to4"},
	{"3fff::/20", "documentation"},
	{"5f00::/16", "segment routing"},
	{"fc00::/7", "private"},
	{"fe80::/10", "link-local"},
	{"fec0::/10", "site-local"},
	{"ff00::/8", "multicast"},
};

static const uint16_t usual_ports[] = {80, 443, 8443};

static int fail(int error, char *ret_why, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(int error, char *ret_why, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret_why, EGRESS_WHY, format, arguments);
	va_end(arguments);
	return error;
}

static void set_v4(struct egress_address *ret_address, const uint8_t *bytes)
{
	memset(ret_address, 0, sizeof(*ret_address));
	memcpy(ret_address->bytes, bytes, 4);
}

static void set_v6(struct egress_address *ret_address, const uint8_t *bytes)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (!memcmp(bytes, mapped, sizeof(mapped))) {
		set_v4(ret_address, bytes + 12);
		return;
	}
	memcpy(ret_address->bytes, bytes, 16);
	ret_address->is_v6 = true;
}

int egress_parse_address(const char *text, struct egress_address *ret_address)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		set_v4(ret_address, bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		set_v6(ret_address, bytes);
	else
		return -EINVAL;
	return 0;
}

int egress_from_sockaddr(const void *sockaddr, struct egress_address *ret_address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	sa_family_t family;

	memcpy(&family, (const char *)sockaddr + offsetof(struct sockaddr, sa_family), sizeof(family));
	if (family == AF_INET) {
		memcpy(&v4, sockaddr, sizeof(v4));
		set_v4(ret_address, (const uint8_t *)&v4.sin_addr);
	} else if (family == AF_INET6) {
		memcpy(&v6, sockaddr, sizeof(v6));
		set_v6(ret_address, v6.sin6_addr.s6_addr);
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}

void egress_format_address(const struct egress_address *address, char ret_text[EGRESS_ADDRESS_TEXT])
{
	inet_ntop(address->is_v6 ? AF_INET6 : AF_INET, address->bytes, ret_text, EGRESS_ADDRESS_TEXT);
}

int egress_parse_network(const char *text, struct egress_network *ret_network)
{
	char address[EGRESS_ADDRESS_TEXT];
	const char *slash = strchr(text, '/');
	struct egress_network network = {0};
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char *end = NULL;
	int most;

	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';
	if (egress_parse_address(address, &network.base) < 0)
		return -EINVAL;
	most = network.base.is_v6 ? 128 : 32;
	network.bits = most;
	if (slash) {
		if (!isdigit((unsigned char)slash[1]))
			return -EINVAL;
		long bits = strtol(slash + 1, &end, 10);

		/* ::ffff:10.0.0.0/104 means 10.0.0.0/8 */
		if (!network.base.is_v6 && strchr(address, ':'))
			bits -= 96;
		if (*end || bits < 0 || bits > most)
			return -EINVAL;
		network.bits = (int)bits;
	}
	*ret_network = network;
	return 0;
}

static bool contains(const struct egress_network *network, const struct egress_address *address)
{
	int whole = network->bits / 8, rest = network->bits % 8;

	if (network->base.is_v6 != address->is_v6)
		return false;
	if (memcmp(network->base.bytes, address->bytes, (size_t)whole) != 0)
		return false;
	return !rest || !((network->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest));
}

void egress_rules_init(struct egress_rules *rules, const char *const *networks, size_t count)
{
	memset(rules, 0, sizeof(*rules));
	rules->networks = hs_zalloc((count + 1) * sizeof(*rules->networks));
	for (size_t i = 0; i < count; i++)
		if (!egress_parse_network(networks[i], &rules->networks[rules->networks_count]))
			rules->networks_count++;
}

void egress_rules_add_port(struct egress_rules *rules, uint16_t port)
{
	rules->ports = hs_resize(rules->ports, rules->ports_count + 1, sizeof(*rules->ports));
	rules->ports[rules->ports_count++] = port;
}

void egress_rules_finish(struct egress_rules *rules)
{
	free(rules->networks);
	free(rules->ports);
	memset(rules, 0, sizeof(*rules));
}

/* ---- URLs ---- */

/* A part of a host written as a number: decimal, 0 octal, 0x hexadecimal. False when it is not, or is over 32 bits. */
static bool read_number(const char *text, size_t length, uint64_t *ret_number)
{
	int base = 10;
	uint64_t number = 0;

	if (length > 1 && text[0] == '0') {
		bool hex = text[1] == 'x' || text[1] == 'X';

		base = hex ? 16 : 8;
		text += hex ? 2 : 1;
		length -= hex ? 2 : 1;
	}
	for (size_t i = 0; i < length; i++) {
		int c = tolower((unsigned char)text[i]);
		int digit = isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;

		if (digit >= base)
			return false;
		number = number * (uint64_t)base + (uint64_t)digit;
		if (number > UINT32_MAX)
			return false;
	}
	*ret_number = number;
	return true;
}

/* Whether the last label is a number, so that the whole host must be an address (WHATWG "ends in a number"). */
static bool ends_in_number(const char *host)
{
	const char *last = strrchr(host, '.');

	last = last ? last + 1 : host;
	if (*last && strspn(last, "0123456789") == strlen(last))
		return true;
	return !strncmp(last, "0x", 2) && strspn(last + 2, "0123456789abcdef") == strlen(last + 2);
}

/* 1 to 4 numbers; the last one fills what is left of the 32 bits, as inet_aton and browsers do. */
static int read_v4(const char *host, struct egress_address *ret_address)
{
	uint64_t parts[4], address;
	size_t count = 0;

	for (const char *at = host;; count++) {
		size_t length = strcspn(at, ".");

		if (count == 4 || !length || !read_number(at, length, &parts[count]))
			return -EINVAL;
		if (!at[length])
			break;
		at += length + 1;
	}
	address = parts[count];
	if (address >= 1ull << (8 * (4 - count)))
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (parts[i] > 255)
			return -EINVAL;
		address |= parts[i] << (8 * (3 - i));
	}
	uint32_t network = htonl((uint32_t)address);

	set_v4(ret_address, (const uint8_t *)&network);
	return 0;
}

struct scheme {
	const char *text;
	enum egress_family family;
	bool tls;
};

static const struct scheme schemes[] = {
	{"https://", EGRESS_HTTP, true},
	{"http://", EGRESS_HTTP, false},
	{"wss://", EGRESS_WEBSOCKET, true},
	{"ws://", EGRESS_WEBSOCKET, false},
};

static const struct scheme *read_scheme(const char *text, enum egress_family family)
{
	for (size_t i = 0; i < HS_COUNT(schemes); i++)
		if (schemes[i].family == family && !strncasecmp(text, schemes[i].text, strlen(schemes[i].text)))
			return &schemes[i];
	return NULL;
}

static int read_port(const char *text, size_t length, uint16_t *ret_port)
{
	uint32_t port = 0;

	if (!length || length > 5)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		if (!isdigit((unsigned char)text[i]))
			return -EINVAL;
		port = port * 10 + (uint32_t)(text[i] - '0');
	}
	if (!port || port > 65535)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

static int read_host(struct egress_url *url, const char *text, size_t length, bool bracketed)
{
	if (!length || length >= sizeof(url->host))
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		url->host[i] = (char)tolower((unsigned char)text[i]);
	url->host[length] = '\0';
	if (bracketed) {
		uint8_t bytes[16];

		if (inet_pton(AF_INET6, url->host, bytes) != 1)
			return -EINVAL;
		set_v6(&url->address, bytes);
		url->numeric = true;
		return 0;
	}
	if (url->host[0] == '.' || strstr(url->host, ".."))
		return -EINVAL;
	if (url->host[length - 1] == '.') /* the root's dot means the same name */
		url->host[--length] = '\0';
	if (!length || strspn(url->host, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != length)
		return -EINVAL;
	if (ends_in_number(url->host)) {
		url->numeric = true;
		return read_v4(url->host, &url->address);
	}
	return 0;
}

/* Splits "[v6]:port" or "host:port". */
static int read_authority(struct egress_url *url, const char *text, size_t length, char *ret_why)
{
	const char *host = text, *port = NULL, *end = text + length;
	bool bracketed = length && *text == '[';
	size_t host_length;

	if (memchr(text, '@', length))
		return fail(-EINVAL, ret_why, "a URL must not carry a user or password");
	if (bracketed) {
		const char *close = memchr(text, ']', length);

		if (!close || (close + 1 != end && close[1] != ':'))
			return fail(-EINVAL, ret_why, "the address in brackets cannot be read");
		host++;
		host_length = (size_t)(close - host);
		port = close + 1 == end ? NULL : close + 2;
	} else {
		const char *colon = memchr(text, ':', length);

		host_length = colon ? (size_t)(colon - text) : length;
		port = colon ? colon + 1 : NULL;
	}
	if (read_host(url, host, host_length, bracketed) < 0)
		return fail(-EINVAL, ret_why, "the host of the URL is neither a name nor an address");
	if (port && read_port(port, (size_t)(end - port), &url->port) < 0)
		return fail(-EINVAL, ret_why, "the port of the URL is not a number from 1 to 65535");
	return 0;
}

static bool path_is_clean(const char *path)
{
	for (; *path; path++)
		if (*path <= ' ' || *path > '~' || *path == '\\' || *path == '#' || *path == '"' || *path == '<' ||
		    *path == '>')
			return false;
	return true;
}

static void write_canonical(struct egress_url *url, const struct scheme *scheme, const char *path)
{
	bool usual = url->port == (scheme->tls ? 443 : 80);
	bool is_v6 = url->numeric && url->address.is_v6;
	char port[8] = "";

	if (url->numeric)
		egress_format_address(&url->address, url->host);
	if (!usual)
		snprintf(port, sizeof(port), ":%u", url->port);
	url->path_at = (size_t)snprintf(url->text, sizeof(url->text), "%s%s%s%s%s", scheme->text, is_v6 ? "[" : "",
					url->host, is_v6 ? "]" : "", port);
	snprintf(url->text + url->path_at, sizeof(url->text) - url->path_at, "%s%s", *path == '/' ? "" : "/", path);
}

int egress_parse_url(const char *text, enum egress_family family, struct egress_url *ret_url, char *ret_why)
{
	const struct scheme *scheme = read_scheme(text, family);
	struct egress_url url = {0};
	const char *authority, *path;
	int error;

	if (strnlen(text, 2049) > 2048)
		return fail(-EINVAL, ret_why, "the URL is longer than 2048 bytes");
	if (!scheme)
		return fail(-EINVAL, ret_why, "the URL must begin with %s",
			    family == EGRESS_HTTP ? "https:// or http://" : "wss:// or ws://");
	authority = text + strlen(scheme->text);
	path = authority + strcspn(authority, "/?#");
	url.tls = scheme->tls;
	url.port = scheme->tls ? 443 : 80;
	if (!path_is_clean(path))
		return fail(-EINVAL, ret_why, "the path must be printable ASCII without blanks, and have no fragment");
	error = read_authority(&url, authority, (size_t)(path - authority), ret_why);
	if (error < 0)
		return error;
	write_canonical(&url, scheme, path);
	*ret_url = url;
	return 0;
}

/* ---- Addresses ---- */

static const char *forbidden_range(const struct egress_address *address)
{
	const struct range *ranges = address->is_v6 ? v6_ranges : v4_ranges;
	size_t count = address->is_v6 ? HS_COUNT(v6_ranges) : HS_COUNT(v4_ranges);

	for (size_t i = 0; i < count; i++) {
		struct egress_network network;

		if (!egress_parse_network(ranges[i].network, &network) && contains(&network, address))
			return ranges[i].what;
	}
	/* Of IPv6 only 2000::/3 is given out for the public. */
	return address->is_v6 && address->bytes[0] >> 5 != 1 ? "not public" : NULL;
}

static bool port_is_open(const struct egress_rules *rules, uint16_t port)
{
	for (size_t i = 0; i < HS_COUNT(usual_ports); i++)
		if (usual_ports[i] == port)
			return true;
	for (size_t i = 0; i < rules->ports_count; i++)
		if (rules->ports[i] == port)
			return true;
	return false;
}

/* What a host outside webhooks.allow_networks needs. */
static int check_public(const struct egress_rules *rules, const struct egress_url *url, const char *host, char *ret_why)
{
	if (!url->tls)
		return fail(-EACCES, ret_why, "%s may only be reached with TLS; webhooks.allow_networks opens networks",
			    host);
	if (!port_is_open(rules, url->port))
		return fail(-EACCES, ret_why, "port %u is not open for public addresses (80, 443, 8443 are)",
			    url->port);
	return 0;
}

int egress_check_address(const struct egress_rules *rules, const struct egress_url *url,
			 const struct egress_address *address, char *ret_why)
{
	char text[EGRESS_ADDRESS_TEXT];
	const char *what;

	for (size_t i = 0; i < rules->networks_count; i++)
		if (contains(&rules->networks[i], address))
			return 0;
	egress_format_address(address, text);
	what = forbidden_range(address);
	if (what)
		return fail(-EACCES, ret_why,
			    "%s is not reachable from here (%s); webhooks.allow_networks opens networks", text, what);
	return check_public(rules, url, text, ret_why);
}

static bool is_permitted(const struct egress_rules *rules, const struct egress_url *url, char *ret_why)
{
	return !rules->permits || rules->permits(rules->context, url->host, ret_why);
}

int egress_check_url(const struct egress_rules *rules, const struct egress_url *url, char *ret_why)
{
	if (!is_permitted(rules, url, ret_why))
		return -EACCES;
	if (url->numeric)
		return egress_check_address(rules, url, &url->address, ret_why);
	if (rules->networks_count) /* the name may lead into one of them */
		return 0;
	return check_public(rules, url, "a name", ret_why);
}

int egress_check(const struct egress_rules *rules, const struct egress_url *url, const struct egress_address *addresses,
		 size_t count, char *ret_why)
{
	if (!count)
		return fail(-ENOENT, ret_why, "the name %s has no address", url->host);
	if (!is_permitted(rules, url, ret_why))
		return -EACCES;
	for (size_t i = 0; i < count; i++) {
		int error = egress_check_address(rules, url, &addresses[i], ret_why);

		if (error < 0)
			return error;
	}
	return 0;
}
