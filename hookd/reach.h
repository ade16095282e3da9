/* What a process that connects outwards needs of its sandbox: hookd and hook-stream.
 * Used by their wall.c; calls egress.
 * Owns nothing.
 */
#ifndef HOOKD_REACH_H
#define HOOKD_REACH_H

#include "daemon.h"
#include "egress.h"
#include "sandbox.h"
#include <sys/socket.h>

#define REACH_CALLS                                                                                                    \
	HS_ALLOW("socket", HS_ALWAYS, "HTTP and WebSocket", HS_IS(0, AF_INET), HS_KIND(1, SOCK_STREAM)),               \
		HS_ALLOW("socket", HS_ALWAYS, "HTTP and WebSocket", HS_IS(0, AF_INET6), HS_KIND(1, SOCK_STREAM)),      \
		HS_ALLOW("socket", HS_ALWAYS, "names", HS_IS(0, AF_INET), HS_KIND(1, SOCK_DGRAM)),                     \
		HS_ALLOW("socket", HS_ALWAYS, "names", HS_IS(0, AF_INET6), HS_KIND(1, SOCK_DGRAM)),                    \
		HS_ALLOW("socketpair", HS_START, "curl wakes itself"),                                                 \
		HS_ALLOW("uname", HS_START, "the domain that names are in"),                                           \
		HS_ALLOW("access", HS_ALWAYS, "certificate authorities"),                                              \
		HS_ALLOW_INSTEAD("faccessat", "access", HS_ALWAYS, "certificate authorities")

#define REACH_FOLDERS                                                                                                  \
	{"/etc/resolv.conf", HS_READ, "name servers"}, {"/etc/hosts", HS_READ, "names"},                               \
		{"/etc/nsswitch.conf", HS_READ, "where names are looked for"},                                         \
		{"/etc/host.conf", HS_READ, "where names are looked for"},                                             \
		{"/run/systemd/resolve", HS_READ, "name servers"}, {"/run/resolvconf", HS_READ, "name servers"},       \
		{"/etc/ssl/certs", HS_READ, "certificate authorities"},                                                \
		{"/etc/ssl/openssl.cnf", HS_READ, "settings of TLS"},                                                  \
		{"/usr/share/ca-certificates", HS_READ, "certificate authorities"},                                    \
		{"/usr/local/share/ca-certificates", HS_READ, "certificate authorities"},                              \
		{"/usr/lib/ssl", HS_READ, "certificate authorities"},                                                  \
		{"ceilings", HS_READ | HS_LATER, "what nobody may go beyond"},                                         \
	{                                                                                                              \
		"/dev/urandom", HS_READ, "keys"                                                                        \
	}

/* Ports that egress lets through: the usual ones, that of a configured URL (NULL: none), and those of name servers;
 * ca_file: NULL or its own authorities. Any where networks are listed, since there every port may be reached. */
void reach_grant(struct hs_grants *grants, size_t networks);
void reach_grant_url(struct hs_grants *grants, const char *url, const char *ca_file, enum egress_family family);

/* The ceiling on hosts is above the rules from now on. */
struct hs_ceiling;
struct hs_ceiling *reach_ceiling(struct hs_house *house, struct egress_rules *rules);

/* A file in the table is known by its number, not its name: one that took its place is not readable. Says so in /health
 * where that is the list of name servers. */
void reach_check(struct hs_house *house);

#endif
