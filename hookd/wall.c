#include "wall.h"
#include "cleanup.h"
#include "config.h"
#include "declared.h"
#include "reach.h"

static const struct hs_permit calls[] = {
	HS_CALLS_OF_NETWORK,
	REACH_CALLS,
	HS_ALLOW("statfs", HS_ALWAYS, "how much room the disk has"),
	HS_CALLS_OF_SQLITE,
};

static const struct hs_folder folders[] = {
	REACH_FOLDERS,
};

static void grant(const struct hs_config *config, struct hs_grants *grants)
{
	const struct hs_config_webhooks *webhooks = config->webhooks;
	struct declared declared[DECLARED_MAX];
	size_t count = declared_list(webhooks, declared);

	for (size_t i = 0; i < count; i++) {
		reach_grant_url(grants, declared[i].url, declared[i].ca_file, EGRESS_HTTP);
		if (declared[i].client_cert_file)
			hs_grant_path(grants, declared[i].client_cert_file, HS_READ, "the certificate we show");
		if (declared[i].client_key_file)
			hs_grant_path(grants, declared[i].client_key_file, HS_READ, "its key");
	}
	reach_grant(grants, webhooks->allow_networks_count);
	if (webhooks->ca_file)
		hs_grant_path(grants, webhooks->ca_file, HS_READ, "certificate authorities of one's own");
}

const struct hs_sandbox hookd_wall = {
	.calls = calls,
	.calls_count = HS_COUNT(calls),
	.folders = folders,
	.folders_count = HS_COUNT(folders),
	.descriptors = 16384,
	.memory_bytes = UINT64_C(4) << 30,
	.grant = grant,
};
