#include "wall.h"
#include "cleanup.h"
#include "config.h"
#include "reach.h"

static const struct hs_permit calls[] = {
	HS_CALLS_OF_CONNECTIONS,
	REACH_CALLS,
};

static const struct hs_folder folders[] = {
	REACH_FOLDERS,
	{"/usr/lib", HS_READ, "libwebsockets looks for its plugin, which is loaded"},
};

static void grant(const struct hs_config *config, struct hs_grants *grants)
{
	reach_grant_url(grants, config->operator->websocket_url, NULL, EGRESS_WEBSOCKET);
	for (size_t i = 0; i < config->operator->backups_count; i++)
		reach_grant_url(grants, config->operator->backups[i].websocket_url, NULL, EGRESS_WEBSOCKET);
	reach_grant(grants, config->webhooks->allow_networks_count);
}

const struct hs_sandbox stream_wall = {
	.calls = calls,
	.calls_count = HS_COUNT(calls),
	.folders = folders,
	.folders_count = HS_COUNT(folders),
	.descriptors = 16384,
	.file_bytes = UINT64_C(1) << 30,
	.memory_bytes = UINT64_C(4) << 30,
	.grant = grant,
};
