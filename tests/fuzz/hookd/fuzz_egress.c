/* URLs and networks: what is taken must be canonical, read the same again, and never lead inside by default. */
#include "egress.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(bool good)
{
	if (!good)
		abort();
}

static void try_url(const char *text, enum egress_family family)
{
	struct egress_rules rules;
	struct egress_url url, again;
	char why[EGRESS_WHY];

	if (egress_parse_url(text, family, &url, why) < 0)
		return;
	check(egress_parse_url(url.text, family, &again, why) == 0 || strlen(url.text) > 2048);
	if (strlen(url.text) <= 2048)
		check(!strcmp(again.text, url.text) && again.port == url.port && again.numeric == url.numeric);
	check(url.path_at < strlen(url.text) && url.text[url.path_at] == '/');
	check(!strpbrk(url.text, " \r\n#\\") && !memchr(url.text, '@', url.path_at));
	egress_rules_init(&rules, NULL, 0);
	if (url.numeric && !egress_check(&rules, &url, &url.address, 1, why)) {
		check(url.tls);
		check(url.address.is_v6 ? url.address.bytes[0] >> 5 == 1
					: url.address.bytes[0] != 127 && url.address.bytes[0] != 10 &&
						  url.address.bytes[0] < 224);
	}
	egress_rules_finish(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = calloc(1, bytes + 1);
	struct egress_network network;

	memcpy(text, data, bytes);
	try_url(text, EGRESS_HTTP);
	try_url(text, EGRESS_WEBSOCKET);
	if (!egress_parse_network(text, &network))
		check(network.bits >= 0 && network.bits <= (network.base.is_v6 ? 128 : 32));
	free(text);
	return 0;
}
