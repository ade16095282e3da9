/* The text of a signing secret, from a file or a sealed value. */
#include "sign.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = calloc(1, bytes + 1);
	char header[SIGN_HEADER_TEXT];
	struct sign_secrets secrets;

	memcpy(text, data, bytes);
	if (!sign_read_secrets(text, &secrets)) {
		if (!secrets.count || secrets.count > SIGN_SECRETS || secrets.secrets[0].bytes < SIGN_KEY_MIN)
			abort();
		sign_message(&secrets, "msg_1", INT64_MAX, data, bytes, header);
	}
	free(text);
	return 0;
}
