#include "wall.h"
#include "cleanup.h"

static const struct hs_permit calls[] = {
	HS_CALLS_OF_CONNECTIONS,
	HS_ALLOW("uname", HS_START, "libwebsockets has a name of this host"),
};

static const struct hs_folder folders[] = {
	{"/usr/lib", HS_READ, "libwebsockets looks for its plugin, which is loaded"},
	{"/dev/urandom", HS_READ, "masks and keys of libwebsockets"},
};

const struct hs_sandbox front_wall = {
	.calls = calls,
	.calls_count = HS_COUNT(calls),
	.folders = folders,
	.folders_count = HS_COUNT(folders),
	.descriptors = 65536,
	.file_bytes = UINT64_C(64) << 20,
	.memory_bytes = UINT64_C(8) << 30,
};
