/* The caller-ID display: messages of both formats, by FSK and by keys, as heard; and what is not one shows nothing. */
#include "check.h"
#include "display.h"
#include "signals.h"
#include "zone.h"

struct seen {
	struct display_message message;
	int times;
};

static void told(void *owner, const struct display_message *message)
{
	struct seen *seen = owner;

	seen->message = *message;
	seen->times++;
}

static void test_multiple_parameters(void **state)
{
	static const uint8_t bytes[] = {0x80, 25,  1,   8,   '1', '1', '2', '0', '1', '4', '3', '0', 2,   6,
					'5',  '5', '5', '0', '1', '2', 7,   5,   'A', 'n', 'n', 'a', '\n'};
	struct display_message message;

	assert_true(display_parse(bytes, sizeof(bytes), &message));
	assert_int_equal(message.kind, DISPLAY_CALLER);
	assert_string_equal(message.number, "555012");
	assert_string_equal(message.name, "Anna"); /* what cannot be shown is left out */
	assert_string_equal(message.date, "11201430");
	for (size_t length = 0; length < sizeof(bytes); length++)
		assert_false(display_parse(bytes, length, &message));
}

static void test_single_and_lamp(void **state)
{
	static const uint8_t single[] = {0x04, 12, '1', '1', '2', '0', '1', '4', '3', '0', '5', '5', '5', '1'};
	static const uint8_t private[] = {0x04, 9, '1', '1', '2', '0', '1', '4', '3', '0', 'P'};
	static const uint8_t lamp[] = {0x82, 3, 0x0b, 1, 0xff}, dark[] = {0x82, 3, 0x0b, 1, 0};
	static const uint8_t counted[] = {0x82, 6, 0x0b, 1, 0xff, 0x13, 1, 7};
	static const uint8_t overlong[] = {0x80, 4, 2, 9, '5', '5'}, unknown[] = {0x77, 2, 1, 1};
	struct display_message message;

	assert_true(display_parse(single, sizeof(single), &message));
	assert_string_equal(message.number, "5551");
	assert_true(display_parse(private, sizeof(private), &message));
	assert_int_equal(message.absent, 'P');
	assert_true(display_parse(lamp, sizeof(lamp), &message));
	assert_true(message.kind == DISPLAY_LAMP && message.lamp);
	assert_true(display_parse(dark, sizeof(dark), &message));
	assert_false(message.lamp);
	assert_true(display_parse(counted, sizeof(counted), &message));
	assert_true(message.lamp && message.waiting == 7);
	assert_false(display_parse(overlong, sizeof(overlong), &message));
	assert_false(display_parse(unknown, sizeof(unknown), &message));
}

static void test_keys(void **state)
{
	struct display_message message;

	assert_true(display_keys("A5551234C", &message));
	assert_string_equal(message.number, "5551234");
	assert_true(display_keys("D5551234#", &message));
	assert_true(display_keys("B1C", &message));
	assert_int_equal(message.absent, 'P');
	assert_false(display_keys("A5551234", &message));
	assert_false(display_keys("5551234C", &message));
	assert_false(display_keys("", &message));
	assert_false(display_keys("C", &message));
}

static void test_heard_by_fsk(void **state)
{
	struct seen seen = {.times = 0};
	struct display *display = display_create(told, &seen);
	struct adsi_sender *sender = signals_identity("4155550100", "Ann Lee");
	int16_t samples[8];
	bool more = true;

	for (int i = 0; i < 3000; i++) {
		if (more)
			more = signals_send(sender, samples, 8);
		else
			memset(samples, 0, sizeof(samples));
		display_hear(display, samples, 8);
	}
	assert_int_equal(seen.times, 1);
	assert_string_equal(seen.message.number, "4155550100");
	assert_string_equal(seen.message.name, "Ann Lee");
	assert_string_equal(seen.message.means, "fsk");
	signals_sender_destroy(sender);
	display_destroy(display);
}

static void test_heard_by_keys(void **state)
{
	struct seen seen = {.times = 0};
	struct display *display = display_create(told, &seen);

	for (const char *key = "A5551234C"; *key; key++) {
		struct zone_sound sound;
		struct zone_player player;

		zone_key(&sound, *key, 80, 80);
		for (zone_play(&player, &sound); player.sound;) {
			int16_t sample = zone_sample(&player);

			display_hear(display, &sample, 1);
		}
	}
	assert_int_equal(seen.times, 1);
	assert_string_equal(seen.message.number, "5551234");
	assert_string_equal(seen.message.means, "dtmf");
	display_restart(display);
	display_destroy(display);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_multiple_parameters),
		cmocka_unit_test(test_single_and_lamp),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_heard_by_fsk),
		cmocka_unit_test(test_heard_by_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
