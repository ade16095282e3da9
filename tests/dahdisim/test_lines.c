/* Command lines: cut into words, numbers within bounds, and every hostile line answered with an error. */
#include "bank.h"
#include "check.h"
#include "commands.h"
#include "words.h"

static void test_words(void **state)
{
	char *words[WORDS_MAX];
	char plain[] = "  1 dial\t102 ", quoted[] = "1 ring 555 \"Ann Lee\"", open[] = "1 ring \"Ann",
	     many[] = "1 2 3 4 5 6 7 8 9";
	char control[] = "1 li\x01"
			 "ft";

	assert_int_equal(words_split(plain, words), 3);
	assert_string_equal(words[2], "102");
	assert_int_equal(words_split(quoted, words), 4);
	assert_string_equal(words[3], "Ann Lee");
	assert_int_equal(words_split(open, words), -EINVAL);
	assert_int_equal(words_split(many, words), -E2BIG);
	assert_int_equal(words_split(control, words), -EINVAL);
}

static void test_numbers(void **state)
{
	int number = 7;

	assert_int_equal(words_number("12", 0, 12, &number), 0);
	assert_int_equal(number, 12);
	assert_int_equal(words_number("13", 0, 12, &number), -EINVAL);
	assert_int_equal(words_number("99999999999999999999", 0, 12, &number), -EINVAL);
	assert_int_equal(words_number("1x", 0, 12, &number), -EINVAL);
	assert_int_equal(words_number("", 0, 12, &number), -EINVAL);
	assert_int_equal(number, 12);
}

/* The error that a line is answered with; "" when it went well. */
static const char *error_of(struct bank *bank, const char *text)
{
	static char error[256];
	struct command_call call = {.bank = bank};
	char line[COMMANDS_LINE];
	struct json_object *answer, *why;

	snprintf(line, sizeof(line), "%s", text);
	assert_true(commands_begin(&call, line));
	answer = commands_answer(&call);
	assert_true(json_object_object_get_ex(answer, "error", &why) !=
		    json_object_get_boolean(json_object_object_get(answer, "ok")));
	snprintf(error, sizeof(error), "%s",
		 json_object_object_get_ex(answer, "error", &why) ? json_object_get_string(why) : "");
	json_object_put(answer);
	return error;
}

static void test_refusals(void **state)
{
	static const char *const lines[] = {
		"",
		"1",
		"0 lift",
		"3 lift",
		"-1 lift",
		"1x lift",
		"1 nothing",
		"1 unplug",
		"card lift",
		"1 ring",
		"2 lift",
		"1 dial",
		"1 dial 12x",
		"1 dial 1 5",
		"1 flash -1",
		"1 flash 99999999",
		"1 pulse 12a",
		"1 speak /nowhere.wav",
		"1 speak /",
		"1 speak /dev/zero",
		"1 record /nowhere/x.wav",
		"1 record /dev/null",
		"1 fault read ENOTHING",
		"1 fault read EIO 0",
		"1 wait weather",
		"1 expect ring_on later",
		"1 short -1",
		"1 quiet up 5",
		"2 battery half",
		"2 tone jazz",
		"card plug",
		"card plug twice",
		"card skew 1000000",
		"1 lift now",
		"1 queue 0",
	};
	static const bool kinds[] = {false, true};
	static struct bank bank;

	law_setup();
	assert_int_equal(bank_init(&bank, kinds, 2, LAW_MULAW, "us", true), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!error_of(&bank, lines[i])[0])
			fail_msg("\"%s\" was not refused", lines[i]);
	}
	assert_string_equal(error_of(&bank, "card state"), "");
	assert_string_equal(error_of(&bank, "1 queue 11 100000"), "");
	assert_string_equal(error_of(&bank, "2 help"), "");
	bank_finish(&bank);
}

static void test_too_much_to_do(void **state)
{
	static const bool kinds[] = {false};
	static struct bank bank;
	struct command_call call = {.bank = &bank};

	assert_int_equal(bank_init(&bank, kinds, 1, LAW_MULAW, "us", true), 0);
	for (int i = 0; i < 100; i++) {
		char line[] = "1 dial 12345678901234567890";
		bool done = commands_begin(&call, line);

		assert_int_equal(done, i >= VOICE_STEPS / 20);
		json_object_put(commands_answer(&call));
	}
	bank_finish(&bank);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_too_much_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
