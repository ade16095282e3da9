/* Tones: descriptions of libtonezone are read, keys sound as they should, sounds end or go on. */
#include "check.h"

static void test_descriptions(void **state)
{
	struct zone_sound sound = {.count = 0};

	assert_int_equal(zone_parse(&sound, "480+620/500,0/500"), 0);
	assert_int_equal(sound.count, 2);
	assert_int_equal(sound.parts[0].high_hz, 620);
	assert_int_equal(sound.parts[1].samples, 4000);
	assert_int_equal(sound.parts[1].next, 0);
	assert_int_equal(zone_parse(&sound, "!350/100,!0/100,440"), 0);
	assert_int_equal(sound.parts[2].next, 2);
	assert_int_equal(zone_parse(&sound, "!350/100,!0/100"), 0);
	assert_int_equal(sound.parts[1].next, -1);
	assert_int_equal(zone_parse(&sound, ""), -EINVAL);
	assert_int_equal(zone_parse(&sound, "350+"), -EINVAL);
	assert_int_equal(zone_parse(&sound, "99999"), -EINVAL);
	assert_int_equal(zone_parse(&sound, "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"), -EINVAL);
	assert_int_equal(sound.parts[1].next, -1); /* untouched by failures */
}

static void test_every_country(void **state)
{
	static const char *const countries[] = {"us", "fr", "de", "uk", "jp", "au"};
	struct zone zone;

	for (size_t i = 0; i < sizeof(countries) / sizeof(countries[0]); i++) {
		assert_int_equal(zone_load(&zone, countries[i]), 0);
		assert_true(zone.sounds[DAHDI_TONE_DIALTONE].count > 0);
		assert_true(zone.cadence_ms[0] > 0);
	}
	assert_int_equal(zone_load(&zone, "zz"), -ENOENT);
	assert_int_equal(zone_load(&zone, "a name much too long"), -ENOENT);
}

static void test_keys(void **state)
{
	struct zone_sound key;
	struct zone_player player;
	int samples = 0;

	assert_false(zone_key(&key, 'x', 100, 100));
	assert_false(zone_key(&key, '\0', 100, 100));
	assert_true(zone_key(&key, '5', 100, 50));
	assert_int_equal(key.parts[0].low_hz, 770);
	assert_int_equal(key.parts[0].high_hz, 1336);
	for (zone_play(&player, &key); player.sound; samples++)
		zone_sample(&player);
	assert_int_equal(samples, 1200);
	assert_int_equal(zone_sample(&player), 0);
	assert_true(zone_key(&key, 'D', 0, 0));
	assert_int_equal(key.parts[0].next, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptions),
		cmocka_unit_test(test_every_country),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
