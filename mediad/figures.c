#include "figures.h"

enum { MAX_DROPOUT = 3000, MAX_MISORDER = 100, ANEW = 0x10000, WINDOW = 64 }; /* the first two as in RFC 3550 A.1 */

static uint32_t expected(const struct figures *figures)
{
	return figures->begun ? figures->highest - figures->base + 1 : 0;
}

static uint64_t lost_of_source(const struct figures *figures)
{
	uint32_t all = expected(figures);
	return all > figures->received ? all - figures->received : 0;
}

static enum figures_arrival restart(struct figures *figures, uint32_t ssrc, uint16_t sequence)
{
	uint64_t lost = figures_lost(figures);
	*figures = (struct figures){
		.begun = true,
		.ssrc = ssrc,
		.base = 0x10000u + sequence, /* so that packets older than the first keep it positive */
		.highest = 0x10000u + sequence,
		.window = 1,
		.received = 1,
		.lost_before = lost,
		.jitter = figures->jitter,
	};
	return FIGURES_RESTART;
}

/* One packet from far behind is a straggler; the next one after it says that the source began anew (RFC 3550 A.1). */
static bool begins_anew(struct figures *figures, uint16_t sequence, uint16_t behind)
{
	bool follows = figures->anew == (uint32_t)ANEW + sequence;
	figures->anew = behind >= MAX_MISORDER ? (uint32_t)ANEW + (uint16_t)(sequence + 1) : 0;
	return follows && figures->anew;
}

static enum figures_arrival place(struct figures *figures, uint32_t ssrc, uint16_t sequence)
{
	if (!figures->begun || figures->ssrc != ssrc)
		return restart(figures, ssrc, sequence);
	uint16_t ahead = (uint16_t)(sequence - (uint16_t)figures->highest);
	if (ahead == 0)
		return FIGURES_DUPLICATE;
	if (ahead < MAX_DROPOUT) {
		figures->window = ahead < WINDOW ? figures->window << ahead | 1 : 1;
		figures->highest += ahead;
		figures->received++;
		return FIGURES_NEXT;
	}
	uint16_t behind = (uint16_t)-ahead;
	if (behind >= MAX_DROPOUT || begins_anew(figures, sequence, behind))
		return restart(figures, ssrc, sequence);
	if (behind >= WINDOW || figures->window >> behind & 1)
		return FIGURES_DUPLICATE;
	figures->window |= UINT64_C(1) << behind;
	figures->received++;
	if (figures->highest - behind < figures->base)
		figures->base = figures->highest - behind;
	return FIGURES_LATE;
}

static void add_jitter(struct figures *figures, uint32_t timestamp, int64_t arrival_us)
{
	uint32_t transit = (uint32_t)(arrival_us * 8 / 1000) - timestamp;
	int32_t difference = (int32_t)(transit - figures->transit);
	if (figures->has_transit) {
		uint32_t size = difference < 0 ? -(uint32_t)difference : (uint32_t)difference;
		if (size > 80000) /* ten seconds: a new time base, not jitter */
			size = 0;
		figures->jitter += size - ((figures->jitter + 8) >> 4);
	}
	figures->transit = transit;
	figures->has_transit = true;
}

enum figures_arrival figures_add(struct figures *figures, uint32_t ssrc, uint16_t sequence, uint32_t timestamp,
				 int64_t arrival_us, bool is_audio)
{
	enum figures_arrival arrival = place(figures, ssrc, sequence);
	if (is_audio && arrival != FIGURES_DUPLICATE)
		add_jitter(figures, timestamp, arrival_us);
	return arrival;
}

uint64_t figures_lost(const struct figures *figures)
{
	return figures->lost_before + lost_of_source(figures);
}

uint64_t figures_jitter_us(const struct figures *figures)
{
	return (uint64_t)(figures->jitter >> 4) * 125;
}

uint8_t figures_fraction(struct figures *figures)
{
	uint32_t all = expected(figures), expected_now = all - figures->expected_prior;
	int64_t lost_now = (int64_t)expected_now - (figures->received - figures->received_prior);
	figures->expected_prior = all;
	figures->received_prior = figures->received;
	if (expected_now == 0 || lost_now <= 0)
		return 0;
	int64_t fraction = lost_now * 256 / expected_now;
	return fraction > 255 ? 255 : (uint8_t)fraction;
}
