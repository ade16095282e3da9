/* Any lines as the parameters of an Authorization header. What is accepted must be bounded, and proves nothing. */
#include "digest.h"
#include <stdlib.h>
#include <string.h>

#define PARAMS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nonces *nonces;
	struct source_key source = {{1}};
	struct digest_answer answer;
	const char *params[PARAMS + 1] = {0};
	char *text = malloc(size + 1), *rest = text;
	size_t count = 0;

	memcpy(text, data, size);
	text[size] = 0;
	while (count < PARAMS && rest)
		params[count++] = strsep(&rest, "\n");
	if (!nonces)
		nonces = nonces_create((const uint8_t[32]){7});
	if (digest_read(params, &answer) == 0) {
		if (!answer.count || strlen(answer.nc) != 8 || !answer.cnonce[0])
			abort();
		digest_fits(&answer, "REGISTER", "0123456789abcdef0123456789abcdef");
		if (nonces_check(nonces, &source, &answer, 1000000) == DIGEST_FRESH)
			abort(); /* nobody guesses a nonce */
	}
	free(text);
	return 0;
}
