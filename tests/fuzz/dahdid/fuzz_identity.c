/* Any audio of an exchange: the first byte chooses standard and law. What is understood is printable and fits. */
#include "identity.h"
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text)
{
	if (text && strlen(text) > 64)
		abort();
	for (; text && *text; text++)
		if (!isprint((unsigned char)*text))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity *identity;
	enum hs_codec law;

	if (!size)
		return 0;
	identity = identity_create((enum hs_caller_id)(data[0] % HS_CALLER_ID_COUNT));
	law = data[0] & 0x80 ? HS_CODEC_PCMA : HS_CODEC_PCMU;
	identity_hear(identity, law, data + 1, size - 1);
	check(identity_number(identity));
	check(identity_name(identity));
	identity_destroy(identity);
	return 0;
}
