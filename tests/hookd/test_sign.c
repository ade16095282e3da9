#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sign.h"
#include <cmocka.h>

#define KNOWN "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* The test vector that Standard Webhooks publishes. */
static void the_published_vector_is_met(void **state)
{
	static const char body[] = "{\"test\": 2432232314}";
	struct sign_secrets secrets;
	char header[SIGN_HEADER_TEXT];

	assert_int_equal(sign_read_secrets(KNOWN, &secrets), 0);
	assert_int_equal(secrets.count, 1);
	sign_message(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), header);
	assert_string_equal(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

/* What Twilio's own libraries compute for the same token, URL and body. */
static void twilio_signs_the_url_with_the_hash_of_the_body(void **state)
{
	static const char body[] = "{\"property\": \"value\", \"boolean\": true}";
	static const char hash[] = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
	struct sign_secrets secrets;
	struct sign_request request = {
		.style = HS_WEBHOOK_STYLE_TWILIO,
		.secrets = &secrets,
		.url = "https://mycompany.com/myapp.php?foo=1",
		.id = "msg_1",
		.timestamp_s = 1,
		.body = body,
		.bytes = strlen(body),
	};
	struct sign_lines lines;
	char *bytes;

	assert_int_equal(sign_read_secrets(KNOWN, &secrets), 0);
	sign_attempt(&request, &lines);
	assert_int_equal(lines.count, 2);
	assert_string_equal(lines.text[0], "webhook-id: msg_1");
	assert_string_equal(lines.text[1], "X-Twilio-Signature: Vx6uuH9AXabmDRpWrCigcxrBYoU=");
	assert_memory_equal(lines.query, "&bodySHA256=", 12);
	assert_string_equal(lines.query + 12, hash);
	bytes = sign_bytes(&request);
	assert_memory_equal(bytes, request.url, strlen(request.url));
	assert_string_equal(bytes + strlen(request.url), lines.query);
	free(bytes);
	request.url = "https://mycompany.com/";
	sign_attempt(&request, &lines);
	assert_int_equal(lines.query[0], '?');
}

static void two_secrets_give_two_signatures(void **state)
{
	struct sign_secrets both, one;
	char header[SIGN_HEADER_TEXT], alone[SIGN_HEADER_TEXT], fresh[SIGN_SECRET_TEXT], text[256] = "";
	uint8_t random[32];

	memset(random, 7, sizeof(random));
	sign_format_secret(random, sizeof(random), fresh);
	assert_int_equal(sign_read_secrets(fresh, &one), 0);
	assert_int_equal(one.secrets[0].bytes, 32);
	assert_memory_equal(one.secrets[0].key, random, 32);
	strncat(text, fresh, 100);
	strncat(text, "\n" KNOWN "\n", 100);
	assert_int_equal(sign_read_secrets(text, &both), 0);
	assert_int_equal(both.count, 2);
	sign_message(&both, "msg_1", 1, "{}", 2, header);
	sign_message(&one, "msg_1", 1, "{}", 2, alone);
	assert_memory_equal(header, alone, strlen(alone));
	assert_int_equal(header[strlen(alone)], ' ');
	assert_memory_equal(header + strlen(alone) + 1, "v1,", 3);
}

static void bad_secrets_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whsec_",
		"whsec_c2hvcnQ=",          /* too short */
		"whsec_not base64 at all", /* blanks part words */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w",
		KNOWN " " KNOWN " " KNOWN,
		KNOWN " x",
		/* 65 bytes */
		"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};
	struct sign_secrets secrets = {.count = 99};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(sign_read_secrets(bad[i], &secrets), -EINVAL);
	assert_int_equal(secrets.count, 99);
}

static void longest_keys_fit(void **state)
{
	uint8_t random[SIGN_KEY_MAX] = {1};
	char text[SIGN_SECRET_TEXT];
	struct sign_secrets secrets;

	sign_format_secret(random, sizeof(random), text);
	assert_int_equal(sign_read_secrets(text, &secrets), 0);
	assert_int_equal(secrets.secrets[0].bytes, SIGN_KEY_MAX);
	sign_wipe(&secrets);
	assert_int_equal(secrets.count, 0);
}

static void ids_depend_on_event_and_endpoint(void **state)
{
	char a[SIGN_MESSAGE_ID], b[SIGN_MESSAGE_ID];

	sign_message_id("1.g3.12", "state", a);
	sign_message_id("1.g3.12", "state", b);
	assert_string_equal(a, b);
	assert_null(strchr(a, '.'));
	assert_int_equal(strlen(a), 36);
	sign_message_id("1.g3.12", "dtmf", b);
	assert_string_not_equal(a, b);
	sign_message_id("1.g3.13", "state", b);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_vector_is_met),
		cmocka_unit_test(two_secrets_give_two_signatures),
		cmocka_unit_test(twilio_signs_the_url_with_the_hash_of_the_body),
		cmocka_unit_test(bad_secrets_are_refused),
		cmocka_unit_test(longest_keys_fit),
		cmocka_unit_test(ids_depend_on_event_and_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
