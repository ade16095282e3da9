#include "wall.h"
#include "cleanup.h"
#include <sys/socket.h>

static const struct hs_permit calls[] = {
	HS_CALLS_OF_WORKERS,
	HS_CALLS_OF_CONNECTIONS,
	HS_ALLOW("socket", HS_ALWAYS, "SIP over TCP to a phone", HS_IS(0, AF_INET), HS_KIND(1, SOCK_STREAM)),
	HS_ALLOW("socket", HS_ALWAYS, "SIP over TCP to a phone", HS_IS(0, AF_INET6), HS_KIND(1, SOCK_STREAM)),
	HS_ALLOW("socket", HS_START, "our address on the way to a phone", HS_IS(0, AF_INET), HS_KIND(1, SOCK_DGRAM)),
	HS_ALLOW("socket", HS_START, "our address on the way to a phone", HS_IS(0, AF_INET6), HS_KIND(1, SOCK_DGRAM)),
	HS_ALLOW("socket", HS_ALWAYS, "Sofia lists our addresses", HS_IS(0, AF_NETLINK), HS_IS(2, 0)),
	HS_ALLOW("bind", HS_ALWAYS, "the same; TCP ports are landlock's"),
	HS_ALLOW("dup2", HS_START, "the listening sockets get Sofia's numbers"),
	HS_ALLOW("dup3", HS_START, "the same"),
	HS_ALLOW("socketpair", HS_START, "Sofia's root wakes itself", HS_IS(0, AF_UNIX)),
	HS_ALLOW("mlock", HS_START, "secrets of lines are not swapped out"),
	HS_ALLOW("munlock", HS_ALWAYS, "the same, at their end"),
	HS_CALLS_OF_SQLITE,
};

static void grant(const struct hs_config *config, struct hs_grants *grants)
{
	hs_grant_connect(grants, 0); /* where a phone's contact says it listens */
}

const struct hs_sandbox sipd_wall = {
	.calls = calls,
	.calls_count = HS_COUNT(calls),
	.has_workers = true,
	.descriptors = 65536,
	.file_bytes = UINT64_C(1) << 30,
	.memory_bytes = UINT64_C(4) << 30,
	.grant = grant,
};
