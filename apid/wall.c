#include "wall.h"
#include "cleanup.h"

static const struct hs_permit calls[] = {
	HS_CALLS_OF_WORKERS,
	HS_CALLS_OF_SQLITE,
	HS_ALLOW("fallocate", HS_ALWAYS, "what a turn wrote has its room, whatever else fills the disk"),
};

static const struct hs_folder folders[] = {
	{"/proc/sys/kernel/random/boot_id", HS_READ, "whether the machine was started anew"},
	{"keys/token.key", HS_READ | HS_LATER, "the key of token hashes"},
	{"ceilings", HS_READ | HS_LATER, "what nobody may go beyond"},
	{"keys/sipd.pub", HS_READ | HS_LATER, "seals for sipd"},
	{"keys/hookd.pub", HS_READ | HS_LATER, "seals for hookd"},
};

const struct hs_sandbox apid_wall = {
	.calls = calls,
	.calls_count = HS_COUNT(calls),
	.folders = folders,
	.folders_count = HS_COUNT(folders),
	.has_workers = true,
	.descriptors = 4096,
	.memory_bytes = UINT64_C(8) << 30,
};
