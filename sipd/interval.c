#include "interval.h"

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

bool interval_is_too_brief(const struct interval_rules *rules, const struct interval_said *said)
{
	return said->supported && said->expires_s && said->expires_s < rules->min_s;
}

/* An answer may shorten what was asked for, down to what the other side can bear, and never lengthens it. */
static int64_t shorten(const struct interval_rules *rules, const struct interval_said *said)
{
	int64_t bearable = larger(said->min_s, rules->min_s), wanted = rules->wanted_s;
	if (!said->expires_s)
		return wanted ? larger(wanted, bearable) : 0;
	return wanted ? smaller(said->expires_s, larger(wanted, bearable)) : said->expires_s;
}

struct interval interval_of_request(const struct interval_rules *rules, const struct interval_said *said)
{
	struct interval none = {0};
	if (!said->supported && !said->expires_s && !rules->always)
		return none;
	struct interval agreed = {
		.s = (int32_t)smaller(shorten(rules, said), INTERVAL_LONGEST_S),
		.min_s = (int32_t)smaller(said->min_s, INTERVAL_LONGEST_S),
		/* where nobody is named we do it, for we know when it is due whoever dies */
		.ours = !said->supported || said->refresher != INTERVAL_UAC,
		.spoken = said->supported,
	};
	return agreed.s ? agreed : none;
}

struct interval interval_of_answer(const struct interval_rules *rules, const struct interval_said *said,
				   int64_t asked_s)
{
	struct interval agreed = {.min_s = (int32_t)smaller(said->min_s, INTERVAL_LONGEST_S)};
	if (said->expires_s) {
		agreed.s = (int32_t)smaller(said->expires_s, INTERVAL_LONGEST_S);
		agreed.ours = said->refresher != INTERVAL_UAS;
		agreed.spoken = true;
	} else if (rules->always) {
		agreed.s = (int32_t)smaller(asked_s, INTERVAL_LONGEST_S);
		agreed.ours = true;
	}
	return agreed;
}

int64_t interval_after_422(int64_t min_s, int64_t asked_s)
{
	return min_s > asked_s && min_s <= INTERVAL_LONGEST_S ? min_s : 0;
}

int64_t interval_refresh_ms(const struct interval *interval)
{
	return (int64_t)interval->s * 500;
}

int64_t interval_end_ms(const struct interval *interval)
{
	return (int64_t)interval->s * 1000 - smaller(32000, (int64_t)interval->s * 1000 / 3);
}
