/* Settings of a port: the line's over those of all over what is built in; cadences; gains. */
#include "settings.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <spandsp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void layers(void **state)
{
	struct hs_config_port all = {
		.has_flash_ms = true, .flash_ms = 500, .caller_id = HS_CALLER_ID_ETSI, .cadence = "1000 4000"};
	struct hs_config_port own = {.caller_id = HS_CALLER_ID_NONE, .has_rx_gain_db = true, .rx_gain_db = -3};
	struct hs_config_dahdi config = {.port = &all};
	struct hs_config_line line = {.port = &own};
	struct settings settings;
	char why[200];

	assert_int_equal(settings_make(&config, &line, &settings, why), 0);
	assert_int_equal(settings.flash_ms, 500);
	assert_int_equal(settings.caller_id, HS_CALLER_ID_NONE);
	assert_int_equal(settings.rx_gain_db, -3);
	assert_int_equal(settings.signalling, HS_SIGNALLING_FXOKS);
	assert_int_equal(settings.cadence[0], 1000);
	assert_int_equal(settings.cadence[2], 0);
	own.cadence = "1000";
	assert_int_equal(settings_make(&config, &line, &settings, why), -EINVAL);
	assert_non_null(strstr(why, "1000"));
}

static void cadences(void **state)
{
	static const char *const bad[] = {"",
					  " ",
					  "1000",
					  "0 1000",
					  "-5 5",
					  "10 20 x",
					  "10 20x",
					  "60001 1",
					  "99999999999999999999 1",
					  "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"};
	int ms[CHAN_CADENCE];

	assert_int_equal(settings_cadence(" 400, 200 400 2000 ", ms), 0);
	assert_int_equal(ms[3], 2000);
	assert_int_equal(ms[4], 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(settings_cadence(bad[i], ms), -EINVAL);
	assert_int_equal(ms[3], 2000); /* untouched */
}

static void gains(void **state)
{
	uint8_t table[256];

	settings_gain(HS_CODEC_PCMU, 0, table);
	for (int i = 0; i < 256; i++)
		assert_int_equal(table[i], i);
	settings_gain(HS_CODEC_PCMA, -6, table);
	for (int i = 0; i < 256; i++) {
		int before = alaw_to_linear((uint8_t)i), after = alaw_to_linear(table[i]);

		assert_true(abs(after - before / 2) <= abs(before) / 32 + 16);
	}
	settings_gain(HS_CODEC_PCMU, 12, table);
	assert_int_equal(ulaw_to_linear(table[0x80]), ulaw_to_linear(0x80)); /* as loud as it can be already */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers),
		cmocka_unit_test(cadences),
		cmocka_unit_test(gains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
