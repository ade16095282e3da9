/* Caller identification: what is made is understood by spandsp's receivers and by our own, in each variant and law. */
#include "callerid.h"
#include "cleanup.h"
#include "identity.h"
#include <setjmp.h>
#include <spandsp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct display {
	adsi_rx_state_t *rx;
	int messages, type;
	char number[64], name[64], date[16], absent[4];
	int lit, waiting; /* -1: not told */
};

static void copy(char *ret_text, size_t size, const uint8_t *body, int length)
{
	size_t count = (size_t)length < size - 1 ? (size_t)length : size - 1;

	memcpy(ret_text, body, count);
	ret_text[count] = 0;
}

static void got(void *context, const uint8_t *message, int length)
{
	struct display *display = context;
	const uint8_t *body;
	uint8_t type;
	int field, position = -1;

	display->messages++;
	while ((position = adsi_next_field(display->rx, message, length, position, &type, &body, &field)) > 0) {
		if (!body) {
			display->type = type;
			continue;
		}
		if (type == MCLASS_DATETIME)
			copy(display->date, sizeof(display->date), body, field);
		else if (type == MCLASS_CALLER_NUMBER || type == CLIP_DTMF_C_CALLER_NUMBER)
			copy(display->number, sizeof(display->number), body, field);
		else if (type == MCLASS_CALLER_NAME)
			copy(display->name, sizeof(display->name), body, field);
		else if (type == MCLASS_VISUAL_INDICATOR)
			display->lit = body[0];
		else if (type == CLIP_NUM_MSG)
			display->waiting = body[0];
		else if (type == MCLASS_ABSENCE1 || type == CLIP_DTMF_C_ABSENCE)
			copy(display->absent, sizeof(display->absent), body, field);
	}
}

static void hear(struct display *display, int standard, enum hs_codec law, const uint8_t *sound, size_t samples)
{
	int16_t linear[160];

	memset(display, 0, sizeof(*display));
	display->lit = display->waiting = -1;
	display->rx = adsi_rx_init(NULL, standard, got, display);
	for (size_t at = 0; at < samples + 4000; at++) {
		uint8_t code = at < samples ? sound[at] : law == HS_CODEC_PCMA ? 0xd5 : 0xff;

		linear[at % 160] = law == HS_CODEC_PCMA ? alaw_to_linear(code) : ulaw_to_linear(code);
		if (at % 160 == 159)
			adsi_rx(display->rx, linear, 160);
	}
	adsi_rx_free(display->rx);
}

static const struct {
	enum hs_caller_id kind;
	int standard;
	bool has_name;
} kinds[] = {
	{HS_CALLER_ID_BELLCORE, ADSI_STANDARD_CLASS, true},
	{HS_CALLER_ID_ETSI, ADSI_STANDARD_CLIP, true},
	{HS_CALLER_ID_ETSI_BEFORE, ADSI_STANDARD_CLIP, true},
	{HS_CALLER_ID_UK, ADSI_STANDARD_CLIP, true},
	{HS_CALLER_ID_DTMF, ADSI_STANDARD_CLIP_DTMF, false},
	{HS_CALLER_ID_DTMF_PLAIN, ADSI_STANDARD_CLIP_DTMF, false},
	{HS_CALLER_ID_DTMF_HASH, ADSI_STANDARD_CLIP_DTMF, false},
	{HS_CALLER_ID_DTMF_AFTER, ADSI_STANDARD_CLIP_DTMF, false},
};

static void is_understood(void **state)
{
	for (size_t i = 0; i < HS_COUNT(kinds); i++)
		for (int law = 1; law < HS_CODEC_COUNT; law++) {
			struct callerid callerid = {.kind = kinds[i].kind,
						    .number = "+1 (415) 555-0100",
						    .name = "Ada Lovelace, Countess",
						    .now = {.tm_mon = 10, .tm_mday = 20, .tm_hour = 9, .tm_min = 5}};
			struct display display;
			size_t samples;
			AUTO(free) uint8_t *sound = callerid_make(&callerid, (enum hs_codec)law, &samples);

			assert_true(samples > 800 && samples < 6 * 8000);
			hear(&display, kinds[i].standard, (enum hs_codec)law, sound, samples);
			assert_int_equal(display.messages, 1);
			assert_string_equal(display.number, "14155550100");
			assert_string_equal(display.name, kinds[i].has_name ? "Ada Lovelace, C" : "");
			assert_string_equal(display.date, kinds[i].has_name ? "11200905" : "");
		}
}

/* What one port sends, another one hears. */
static void our_own_ear(void **state)
{
	for (size_t i = 0; i < HS_COUNT(kinds); i++)
		for (int law = 1; law < HS_CODEC_COUNT; law++) {
			struct callerid callerid = {.kind = kinds[i].kind, .number = "4155550100", .name = "Ada"};
			struct identity *identity = identity_create(kinds[i].kind);
			uint8_t silence[4000];
			size_t samples;
			AUTO(free) uint8_t *sound = callerid_make(&callerid, (enum hs_codec)law, &samples);

			memset(silence, law == HS_CODEC_PCMA ? 0xd5 : 0xff, sizeof(silence));
			assert_false(identity_is_complete(identity));
			assert_null(identity_number(identity));
			identity_hear(identity, (enum hs_codec)law, sound, samples);
			identity_hear(identity, (enum hs_codec)law, silence, sizeof(silence));
			assert_true(identity_is_complete(identity));
			assert_string_equal(identity_number(identity), "4155550100");
			if (kinds[i].has_name)
				assert_string_equal(identity_name(identity), "Ada");
			identity_destroy(identity);
		}
	assert_null(identity_create(HS_CALLER_ID_NONE));
	identity_hear(NULL, HS_CODEC_PCMU, (const uint8_t *)"", 1);
	assert_null(identity_name(NULL));
}

static void unknown_callers(void **state)
{
	struct callerid callerid = {.kind = HS_CALLER_ID_BELLCORE, .name = "Zo\xc3\xab \x01"};
	struct display display;
	size_t samples;
	AUTO(free) uint8_t *sound = callerid_make(&callerid, HS_CODEC_PCMU, &samples);

	hear(&display, ADSI_STANDARD_CLASS, HS_CODEC_PCMU, sound, samples);
	assert_string_equal(display.absent, "O");
	assert_string_equal(display.name, "Zo? ?");
	free(TAKE(sound));
	callerid = (struct callerid){.kind = HS_CALLER_ID_BELLCORE, .number = "trunk2"};
	sound = callerid_make(&callerid, HS_CODEC_PCMU, &samples);
	hear(&display, ADSI_STANDARD_CLASS, HS_CODEC_PCMU, sound, samples);
	assert_string_equal(display.absent, "O");
	assert_string_equal(display.number, "");
	assert_string_equal(display.name, "trunk2");
	callerid.kind = HS_CALLER_ID_NONE;
	assert_null(callerid_make(&callerid, HS_CODEC_PCMU, &samples));
	assert_false(callerid_way(HS_CALLER_ID_NONE)->before_ring);
}

static void longest(void **state)
{
	struct callerid callerid = {.number = "1234567890123456789012345678901234567890123456789012345678901234"};

	for (size_t i = 0; i < HS_COUNT(kinds); i++) {
		size_t samples;

		callerid.kind = kinds[i].kind;
		callerid.name = callerid.number;
		free(callerid_make(&callerid, HS_CODEC_PCMA, &samples));
		assert_true(samples <= 6 * 8000);
	}
}

static void lamps(void **state)
{
	static const struct {
		enum hs_lamp kind;
		int standard, messages, type, lit, waiting;
	} rows[] = {
		{HS_LAMP_BELLCORE, ADSI_STANDARD_CLASS, 3, CLASS_MDMF_MSG_WAITING, 0xff, -1},
		{HS_LAMP_BELLCORE, ADSI_STANDARD_CLASS, 0, CLASS_MDMF_MSG_WAITING, 0, -1},
		{HS_LAMP_ETSI, ADSI_STANDARD_CLIP, 3, CLIP_MDMF_MSG_WAITING, 0xff, 3},
		{HS_LAMP_ETSI, ADSI_STANDARD_CLIP, 999, CLIP_MDMF_MSG_WAITING, 0xff, 255},
		{HS_LAMP_ETSI, ADSI_STANDARD_CLIP, 0, CLIP_MDMF_MSG_WAITING, 0, 0},
		{HS_LAMP_ETSI_RING, ADSI_STANDARD_CLIP, 3, CLIP_MDMF_MSG_WAITING, 0xff, 3},
		{HS_LAMP_ETSI_REVERSAL, ADSI_STANDARD_CLIP, 3, CLIP_MDMF_MSG_WAITING, 0xff, 3},
	};

	for (size_t i = 0; i < HS_COUNT(rows); i++)
		for (int law = 1; law < HS_CODEC_COUNT; law++) {
			struct display display;
			size_t samples;
			AUTO(free)
			uint8_t *sound =
				callerid_make_lamp(rows[i].kind, rows[i].messages, (enum hs_codec)law, &samples);

			assert_true(samples > 800 && samples < 3 * 8000);
			hear(&display, rows[i].standard, (enum hs_codec)law, sound, samples);
			assert_int_equal(display.messages, 1);
			assert_int_equal(display.type, rows[i].type);
			assert_int_equal(display.lit, rows[i].lit);
			assert_int_equal(display.waiting, rows[i].waiting);
		}
	assert_null(callerid_lamp_way(HS_LAMP_NEON));
	assert_null(callerid_make_lamp(HS_LAMP_NEON, 1, HS_CODEC_PCMU, &(size_t){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_understood), cmocka_unit_test(our_own_ear), cmocka_unit_test(unknown_callers),
		cmocka_unit_test(longest),       cmocka_unit_test(lamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
