#include "digits.h"
#include <string.h>

static bool is_audio(enum hs_digit_source source)
{
	return source != HS_DIGIT_SOURCE_INFO;
}

/* The first key of a leg that reports both ways: its INFO came before its RTP was heard. */
static bool told_by_info(const struct digits_leg *leg, char digit, int64_t at_ms)
{
	return !leg->audio && leg->info == digit && at_ms - leg->info_at < DIGITS_TWICE_MS;
}

static enum digits_verdict key_down(struct digits_leg *leg, char digit, int64_t *count, int64_t *ret_sequence)
{
	if (leg->open == digit)
		return DIGITS_IGNORED;
	leg->open = digit;
	leg->open_sequence = ++*count;
	*ret_sequence = leg->open_sequence;
	return DIGITS_BEGAN;
}

static enum digits_verdict key_up(struct digits_leg *leg, char digit, int64_t *count, int64_t *ret_sequence)
{
	*ret_sequence = leg->open == digit ? leg->open_sequence : ++*count;
	leg->open = '\0';
	leg->open_sequence = 0;
	return DIGITS_ENDED;
}

enum digits_verdict digits_take(struct digits_leg *leg, const struct hs_leg_digit *report, int64_t at_ms,
				int64_t *count, int64_t *ret_sequence)
{
	char digit = report->digit[0];
	bool audio = is_audio(report->source);
	bool ends = report->phase == HS_DIGIT_PHASE_END;
	bool twice = audio && told_by_info(leg, digit, at_ms);

	if (!audio && leg->audio)
		return DIGITS_IGNORED;
	if (twice) {
		leg->audio = ends; /* until its end, so that both reports of this key are dropped */
		return DIGITS_IGNORED;
	}
	leg->audio |= audio;
	if (!audio && ends) {
		leg->info = digit;
		leg->info_at = at_ms;
	}
	return ends ? key_up(leg, digit, count, ret_sequence) : key_down(leg, digit, count, ret_sequence);
}

bool digits_collect(char number[DIGITS_MAX + 1], char digit)
{
	size_t length = strlen(number);

	if (digit == '#')
		return length > 0;
	if (length >= DIGITS_MAX)
		return true;
	number[length] = digit;
	number[length + 1] = '\0';
	return length + 1 == DIGITS_MAX;
}
