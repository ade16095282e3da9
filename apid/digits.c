#include "digits.h"
#include <string.h>

static bool is_audio(enum hs_digit_source source)
{
	return source != HS_DIGIT_SOURCE_INFO;
}

/* A wall clock that was set back in between made the times no nearer. */
static bool is_long_ago(const struct digits_leg *leg, int64_t at_ms)
{
	return at_ms - leg->info_at > DIGITS_TWICE_MS || leg->info_at - at_ms > DIGITS_TWICE_MS;
}

static void note_info(struct digits_leg *leg, char digit, int64_t at_ms)
{
	size_t length = strlen(leg->info);

	if (is_long_ago(leg, at_ms) || length == DIGITS_INFO)
		length = 0;
	leg->info[length] = digit;
	leg->info[length + 1] = '\0';
	leg->info_at = at_ms;
}

/* Was this key of the audio path told by INFO before? Then it is taken off the list. */
static bool told_by_info(struct digits_leg *leg, char digit, int64_t at_ms)
{
	if (leg->info[0] != digit || is_long_ago(leg, at_ms)) {
		leg->info[0] = '\0';
		return false;
	}
	memmove(leg->info, leg->info + 1, strlen(leg->info));
	return true;
}

/* Both reports of a key in the audio path, its begin and its end, are one: what the begin was, the end is. */
static bool is_second_report(struct digits_leg *leg, char digit, bool ends, int64_t at_ms)
{
	bool second = leg->skipped == digit || (leg->open != digit && told_by_info(leg, digit, at_ms));

	leg->skipped = second && !ends ? digit : '\0';
	return second;
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

	if (!audio && leg->audio)
		return DIGITS_IGNORED;
	leg->audio |= audio;
	if (audio && is_second_report(leg, digit, ends, at_ms))
		return DIGITS_IGNORED;
	if (!audio && ends)
		note_info(leg, digit, at_ms);
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
