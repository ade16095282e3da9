#include "wall.h"
#include "cleanup.h"
#include <sys/socket.h>

static const struct hs_permit calls[] = {
	HS_CALLS_OF_WORKERS,
	HS_CALLS_OF_NETWORK,
	HS_ALLOW("socket", HS_ALWAYS, "RTP", HS_IS(0, AF_INET), HS_KIND(1, SOCK_DGRAM)),
	HS_ALLOW("socket", HS_ALWAYS, "RTP", HS_IS(0, AF_INET6), HS_KIND(1, SOCK_DGRAM)),
	HS_ALLOW("bind", HS_ALWAYS, "RTP"),
	HS_ALLOW("sendmmsg", HS_ALWAYS, "RTP"),
	HS_ALLOW("recvmmsg", HS_ALWAYS, "RTP"),
	HS_ALLOW("memfd_create", HS_ALWAYS, "a session's memory, which outlives us"),
	HS_ALLOW("ftruncate", HS_ALWAYS, "the same"),
	HS_ALLOW("timerfd_create", HS_START, "the pace of 20 ms"),
	HS_ALLOW("timerfd_settime", HS_ALWAYS, "the pace of 20 ms"),
};

const struct hs_sandbox mediad_wall = {
	.calls = calls,
	.calls_count = HS_COUNT(calls),
	.has_workers = true,
	.descriptors = 131072,
	.file_bytes = UINT64_C(1) << 30,
	.memory_bytes = UINT64_C(8) << 30,
};
