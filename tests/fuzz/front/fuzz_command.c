/* Texts and header values of clients: tokens, content types, what goes into a problem. */
#include "cleanup.h"
#include "front.h"
#include "log.h"
#include "problem.h"
#include "twilio.h"
#include "upload.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = hs_zalloc(size + 1);
	memcpy(text, data, size);
	const char *token = front_token(text);
	if (token && strchr(token, ' '))
		abort();
	upload_format(text);
	char credentials[TWILIO_CREDENTIALS];
	const char *user;
	if (twilio_credentials(text, credentials, &user, &token) && (strchr(user, ':') || strchr(token, ' ')))
		abort();
	struct problem problem = {.error = HS_ERROR_INVALID, .field = text};
	AUTO(free) char *document = problem_text(&problem);
	for (const char *c = document; *c; c++)
		if (*c < ' ' || *c > '~')
			abort();
	return 0;
}
