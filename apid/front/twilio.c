#include "twilio.h"
#include "front.h"
#include "wire.h"
#include <sodium.h>
#include <string.h>
#include <strings.h>

#define ROOT "/2010-04-01/"
#define SCHEME "Basic "
#define MORE "/api/v1/openapi.json"

bool twilio_is(const char *path)
{
	return strncmp(path, ROOT, strlen(ROOT)) == 0;
}

bool twilio_credentials(const char *authorization, char ret_text[TWILIO_CREDENTIALS], const char **ret_user,
			const char **ret_token)
{
	char field[TWILIO_CREDENTIALS];
	size_t bytes = 0;
	if (strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0)
		return false;
	const char *coded = authorization + strlen(SCHEME);
	coded += strspn(coded, " ");
	if (sodium_base642bin((unsigned char *)ret_text, TWILIO_CREDENTIALS - 1, coded, strlen(coded), NULL, &bytes,
			      NULL, sodium_base64_VARIANT_ORIGINAL))
		return false;
	ret_text[bytes] = '\0';
	char *colon = strchr(ret_text, ':');
	if (!colon || strlen(ret_text) != bytes)
		return false;
	*colon = '\0';
	*ret_user = ret_text;
	*ret_token = colon + 1;
	snprintf(field, sizeof(field), "Bearer %s", *ret_token);
	bool is_token = front_token(field);
	explicit_bzero(field, sizeof(field));
	return is_token;
}

/* ---- Errors ---- */

static const struct {
	int status, ours, code;
} rows[] = {
	{400, 400, 20001}, {400, 422, 20001}, {401, 401, 20003}, {403, 403, 20003}, {404, 404, 20404},
	{405, 405, 20004}, {429, 429, 20429}, {503, 503, 20503}, {504, 504, 20504},
};

int twilio_status(const struct problem *problem)
{
	int ours = problem_status(problem);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].ours == ours)
			return rows[i].status;
	return ours;
}

static int code_of(const struct problem *problem)
{
	int ours = problem_status(problem);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].ours == ours)
			return rows[i].code;
	return ours < 500 ? 20001 : 20500;
}

char *twilio_problem(const struct problem *problem)
{
	struct hs_twilio_problem body = {
		.code = code_of(problem),
		.message = problem->detail && *problem->detail ? problem->detail : hs_errors[problem->error].title,
		.more_info = MORE,
		.status = twilio_status(problem),
	};
	size_t bytes;
	return hs_wire_text(&hs_shape_twilio_problem, &body, &bytes);
}
