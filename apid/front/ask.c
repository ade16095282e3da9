/* Requests we make: all of them to apid, most with the token of the client they are made for. */
#include "front.h"
#include <string.h>
#include <strings.h>

#define SCHEME "Bearer "
#define TOKEN_BYTES 4096
/* RFC 6750 2.1 */
#define TOKEN68 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

uint64_t front_ask(struct front *front, enum hs_message_id message, const void *body, const struct caller *caller,
		   void (*answered)(void *context, const struct hs_answer *answer), void *context)
{
	struct hs_ask ask = {
		.to = HS_ROLE_APID,
		.message = message,
		.body = body,
		.request_id = caller->request_id,
		.token = caller->token,
		.idempotency_key = caller->idempotency_key,
		.client = caller->client,
		.answered = answered,
		.context = context,
	};
	return hs_bus_ask(front->house->bus, &ask);
}

const char *front_token(const char *authorization)
{
	if (strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0)
		return NULL;
	const char *token = authorization + strlen(SCHEME);
	token += strspn(token, " ");
	size_t length = strspn(token, TOKEN68);
	return length > 0 && length <= TOKEN_BYTES && !token[length] ? token : NULL;
}
