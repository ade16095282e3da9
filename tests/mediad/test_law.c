/* G.711 against spandsp, and against the values of the recommendation. */
#include "cases.h"
#include "law.h"
#include <math.h>
#include <spandsp.h>

static void test_decoding_is_spandsp_s(void **state)
{
	for (int i = 0; i < 256; i++) {
		assert_int_equal(hs_law_to_linear(HS_CODEC_PCMU, (uint8_t)i), ulaw_to_linear((uint8_t)i));
		assert_int_equal(hs_law_to_linear(HS_CODEC_PCMA, (uint8_t)i), alaw_to_linear((uint8_t)i));
	}
}

static void test_encoding_is_spandsp_s(void **state)
{
	for (int i = INT16_MIN; i <= INT16_MAX; i++) {
		assert_int_equal(hs_law_from_linear(HS_CODEC_PCMU, (int16_t)i), linear_to_ulaw(i));
		assert_int_equal(hs_law_from_linear(HS_CODEC_PCMA, (int16_t)i), linear_to_alaw(i));
	}
}

static void test_there_and_back(void **state)
{
	for (int i = 0; i < 256; i++) {
		uint8_t value = (uint8_t)i;
		if (i != 0x7f) /* mu-law's second zero */
			assert_int_equal(hs_law_from_linear(HS_CODEC_PCMU, hs_law_to_linear(HS_CODEC_PCMU, value)), i);
		assert_int_equal(hs_law_from_linear(HS_CODEC_PCMA, hs_law_to_linear(HS_CODEC_PCMA, value)), i);
	}
}

/* Tables 3 and 4 of G.711. */
static void test_conversion_is_the_recommendation_s(void **state)
{
	for (int i = 0; i < 256; i++) {
		uint8_t value = (uint8_t)i;
		hs_law_convert(HS_CODEC_PCMU, HS_CODEC_PCMA, &value, 1);
		assert_int_equal(value, ulaw_to_alaw((uint8_t)i));
		value = (uint8_t)i;
		hs_law_convert(HS_CODEC_PCMA, HS_CODEC_PCMU, &value, 1);
		assert_int_equal(value, alaw_to_ulaw((uint8_t)i));
		hs_law_convert(HS_CODEC_PCMA, HS_CODEC_PCMA, &value, 1);
		assert_int_equal(value, alaw_to_ulaw((uint8_t)i));
	}
}

/* Tables 5 and 6 of G.711: these sequences are 1 kHz at 0 dBm0, and a sine that reaches the last decision value is
 * +3.14 (A-law) or +3.17 dBm0 (mu-law). */
static void test_level_of_the_reference_tone(void **state)
{
	static const struct {
		enum hs_codec codec;
		uint8_t tone[8];
		double last, load;
	} rows[] = {
		{HS_CODEC_PCMU, {0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e}, 4 * 8159, 3.17},
		{HS_CODEC_PCMA, {0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4}, 8 * 4096, 3.14},
	};
	for (size_t r = 0; r < 2; r++) {
		double power = 0;
		for (int i = 0; i < 8; i++) {
			double sample = hs_law_to_linear(rows[r].codec, rows[r].tone[i]);
			power += sample * sample / 8;
		}
		double load = 10 * log10(rows[r].last * rows[r].last / 2 / power);
		assert_true(fabs(load - rows[r].load) < 0.01);
	}
}

static void test_silence(void **state)
{
	assert_int_equal(hs_law_silence(HS_CODEC_PCMU), 0xff);
	assert_int_equal(hs_law_silence(HS_CODEC_PCMA), 0xd5);
	assert_int_equal(hs_law_from_linear(HS_CODEC_PCMU, 0), 0xff);
	assert_int_equal(hs_law_from_linear(HS_CODEC_PCMA, 0), 0xd5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decoding_is_spandsp_s),
		cmocka_unit_test(test_encoding_is_spandsp_s),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_conversion_is_the_recommendation_s),
		cmocka_unit_test(test_level_of_the_reference_tone),
		cmocka_unit_test(test_silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
