/* Any bytes as the head of a request on the WebSocket port. */
#include "cleanup.h"
#include "handshake.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t end = hs_handshake_end((const char *)data, size);
	struct hs_handshake handshake;
	if (!end)
		return 0;
	AUTO(free) char *head = hs_zalloc(end);
	memcpy(head, data, end);
	if (hs_handshake_read(head, end, &handshake) != 0) {
		if (!handshake.why)
			abort();
		return 0;
	}
	const char *const texts[] = {handshake.method,     handshake.path,    handshake.query,
				     handshake.host,       handshake.origin,  handshake.protocol,
				     handshake.request_id, handshake.upgrade, handshake.authorization,
				     handshake.key,        handshake.version};
	for (size_t i = 0; i < HS_COUNT(texts); i++)
		for (const char *c = texts[i]; *c; c++)
			if ((*c > 0 && *c < ' ' && *c != '\t') || *c == 0x7f)
				abort();
	if (hs_handshake_acceptable(&handshake) && strlen(handshake.key) != HS_HANDSHAKE_KEY)
		abort();
	return 0;
}
