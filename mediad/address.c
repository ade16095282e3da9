#include "address.h"
#include "cleanup.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void unmap(struct address *address)
{
	if (address->family != AF_INET6 || memcmp(address->ip, mapped_prefix, sizeof mapped_prefix) != 0)
		return;
	address->family = AF_INET;
	memmove(address->ip, address->ip + sizeof mapped_prefix, 4);
	memset(address->ip + 4, 0, 12);
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	uint32_t port = 0;
	if (!*text || strlen(text) > 5)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (uint32_t)(*text - '0');
	}
	if (port == 0 || port > 65535)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

/* Cuts "host:port" and "[host]:port" in two; host is changed in place. */
static int split_port(char **host, uint16_t *ret_port)
{
	char *colon = strrchr(*host, ':');
	if (**host == '[') {
		char *end = strchr(*host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		colon = end[1] ? end + 1 : NULL;
		*end = 0;
		(*host)++;
	} else if (colon && strchr(*host, ':') != colon) {
		colon = NULL; /* bare IPv6 */
	}
	if (!colon)
		return 0;
	*colon = 0;
	return parse_port(colon + 1, ret_port);
}

int address_parse(const char *text, struct address *ret_address)
{
	char copy[ADDRESS_TEXT + 8];
	struct address address = {0};
	char *host = copy;
	if (!text || !hs_copy(copy, sizeof copy, text) || split_port(&host, &address.port) < 0)
		return -EINVAL;
	if (inet_pton(AF_INET, host, address.ip) == 1)
		address.family = AF_INET;
	else if (inet_pton(AF_INET6, host, address.ip) == 1)
		address.family = AF_INET6;
	else
		return -EINVAL;
	unmap(&address);
	*ret_address = address;
	return 0;
}

bool address_same_host(const struct address *a, const struct address *b)
{
	return a->family && a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool address_same(const struct address *a, const struct address *b)
{
	return a->port == b->port && address_same_host(a, b);
}

bool address_is_any(const struct address *address)
{
	static const uint8_t zeros[16];
	return address->family && memcmp(address->ip, zeros, sizeof zeros) == 0;
}

bool address_is_usable(const struct address *address)
{
	if (!address->family || !address->port || address_is_any(address))
		return false;
	if (address->family == AF_INET)
		return address->ip[0] != 0 && address->ip[0] < 224; /* 0/8, multicast, class E and broadcast */
	return address->ip[0] != 0xff;
}

int address_depth(const struct address *address)
{
	static const struct {
		int family;
		uint8_t ip[2], mask[2];
		int depth;
	} rows[] = {
		{AF_INET, {127, 0}, {0xff, 0}, 2},     {AF_INET, {10, 0}, {0xff, 0}, 1},
		{AF_INET, {172, 16}, {0xff, 0xf0}, 1}, {AF_INET, {192, 168}, {0xff, 0xff}, 1},
		{AF_INET, {100, 64}, {0xff, 0xc0}, 1}, {AF_INET, {169, 254}, {0xff, 0xff}, 1},
		{AF_INET6, {0xfc, 0}, {0xfe, 0}, 1},   {AF_INET6, {0xfe, 0x80}, {0xff, 0xc0}, 1},
	};
	static const uint8_t this_host[16] = {[15] = 1};
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (address->family == rows[i].family && (address->ip[0] & rows[i].mask[0]) == rows[i].ip[0] &&
		    (address->ip[1] & rows[i].mask[1]) == rows[i].ip[1])
			return rows[i].depth;
	return address->family == AF_INET6 && memcmp(address->ip, this_host, sizeof this_host) == 0 ? 2 : 0;
}

void address_format_host(const struct address *address, char ret_text[ADDRESS_TEXT])
{
	ret_text[0] = 0;
	if (address->family)
		inet_ntop(address->family, address->ip, ret_text, ADDRESS_TEXT);
}

void address_format(const struct address *address, char ret_text[ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "";
	ret_text[0] = 0;
	if (!address->family)
		return;
	inet_ntop(address->family, address->ip, host, sizeof host);
	snprintf(ret_text, ADDRESS_TEXT, address->family == AF_INET ? "%s:%u" : "[%s]:%u", host, address->port);
}

socklen_t address_to_kernel(const struct address *address, struct sockaddr_storage *ret_kernel)
{
	memset(ret_kernel, 0, sizeof *ret_kernel);
	if (address->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret_kernel;
		in->sin_family = AF_INET;
		in->sin_port = htons(address->port);
		memcpy(&in->sin_addr, address->ip, 4);
		return sizeof *in;
	}
	if (address->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_kernel;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(address->port);
		memcpy(&in6->sin6_addr, address->ip, 16);
		return sizeof *in6;
	}
	return 0;
}

void address_from_kernel(const struct sockaddr_storage *kernel, struct address *ret_address)
{
	memset(ret_address, 0, sizeof *ret_address);
	if (kernel->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)kernel;
		ret_address->port = ntohs(in->sin_port);
		memcpy(ret_address->ip, &in->sin_addr, 4);
	} else if (kernel->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)kernel;
		ret_address->port = ntohs(in6->sin6_port);
		memcpy(ret_address->ip, &in6->sin6_addr, 16);
	} else {
		return;
	}
	ret_address->family = kernel->ss_family;
	unmap(ret_address);
}

/* A documentation address (RFC 5737) stands for "anywhere": connecting a UDP socket sends nothing. */
static const struct address anywhere = {AF_INET, 9, {192, 0, 2, 1}};
static const struct address loopback = {AF_INET, 0, {127, 0, 0, 1}};

int address_local_for(const struct address *peer, struct address *ret_local)
{
	struct sockaddr_storage kernel;
	struct address to = peer->family ? *peer : anywhere;
	if (!to.port)
		to.port = 9;
	socklen_t length = address_to_kernel(&to, &kernel);
	AUTO(close) int fd = socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&kernel, length) < 0) {
		if (peer->family)
			return -errno;
		*ret_local = loopback;
		return 0;
	}
	length = sizeof kernel;
	if (getsockname(fd, (struct sockaddr *)&kernel, &length) < 0)
		return -errno;
	address_from_kernel(&kernel, ret_local);
	ret_local->port = 0;
	return 0;
}

bool address_is_ours(const struct address *address)
{
	struct sockaddr_storage kernel;
	struct address any_port = *address;
	any_port.port = 0;
	socklen_t length = address_to_kernel(&any_port, &kernel);
	AUTO(close) int fd = socket(address->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return length && fd >= 0 && bind(fd, (struct sockaddr *)&kernel, length) == 0;
}
