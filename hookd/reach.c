#include "reach.h"
#include "ceilings.h"
#include "cleanup.h"
#include <errno.h>
#include <fcntl.h>

#define NAMES 53
#define SERVERS "/etc/resolv.conf"

void reach_grant(struct hs_grants *grants, size_t networks)
{
	static const uint16_t usual[] = {80, 443, 8443, NAMES};

	for (size_t i = 0; i < HS_COUNT(usual); i++)
		hs_grant_connect(grants, usual[i]);
	if (networks)
		hs_grant_connect(grants, 0);
}

void reach_grant_url(struct hs_grants *grants, const char *text, const char *ca_file, enum egress_family family)
{
	struct egress_url url;
	char why[EGRESS_WHY];

	if (text && egress_parse_url(text, family, &url, why) == 0)
		hs_grant_connect(grants, url.port);
	if (ca_file)
		hs_grant_path(grants, ca_file, HS_READ, "certificate authorities of one's own");
}

void reach_check(struct hs_house *house)
{
	AUTO(close) int fd = open(SERVERS, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		hs_daemon_degraded(house, "name_servers",
				   SERVERS " was replaced since the keeper began: start this daemon anew");
}

static bool permits(const void *context, const char *host, char *ret_why)
{
	return hs_ceiling_host(context, host, ret_why);
}

struct hs_ceiling *reach_ceiling(struct hs_house *house, struct egress_rules *rules)
{
	struct hs_ceiling *ceiling = hs_ceiling_create(house);

	rules->permits = permits;
	rules->context = ceiling;
	return ceiling;
}
