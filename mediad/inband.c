#include "inband.h"
#include "cleanup.h"
#include <spandsp.h>
#include <stdlib.h>

enum { PIECE = 160 };

struct inband {
	dtmf_rx_state_t *detector;
	inband_tell *tell;
	void *context;
	char key;         /* that is down */
	uint32_t samples; /* heard since it went down */
};

static void key_up(struct inband *inband)
{
	char key = inband->key;
	if (!key)
		return;
	inband->key = 0;
	inband->tell(inband->context, false, key, inband->samples / CODEC_SAMPLES_PER_MS);
}

/* spandsp: code is the key, or 0 when it is up; samples is the time since the last report. */
static void reported(void *context, int code, int level, int samples)
{
	struct inband *inband = context;
	inband->samples = samples > 0 ? (uint32_t)samples : 0;
	key_up(inband);
	if (code == 0)
		return;
	inband->key = (char)code;
	inband->samples = 0;
	inband->tell(inband->context, true, inband->key, 0);
}

struct inband *inband_create(inband_tell *tell, void *context)
{
	struct inband *inband = hs_zalloc(sizeof *inband);
	inband->tell = tell;
	inband->context = context;
	inband->detector = dtmf_rx_init(NULL, NULL, NULL);
	if (!inband->detector)
		abort(); /* out of memory */
	dtmf_rx_set_realtime_callback(inband->detector, reported, inband);
	dtmf_rx_parms(inband->detector, 1, -1, -1, -99); /* keys are heard through a dial tone; the rest as it was */
	return inband;
}

void inband_hear(struct inband *inband, enum hs_codec codec, const uint8_t *bytes, size_t count)
{
	int16_t piece[PIECE];
	while (count > 0) {
		size_t part = count < PIECE ? count : PIECE;
		for (size_t i = 0; i < part; i++)
			piece[i] = hs_law_to_linear(codec, bytes[i]);
		dtmf_rx(inband->detector, piece, (int)part);
		inband->samples += (uint32_t)part;
		bytes += part;
		count -= part;
	}
}

void inband_stop(struct inband *inband)
{
	key_up(inband);
}

char inband_key(const struct inband *inband)
{
	return inband->key;
}

void inband_destroy(struct inband *inband)
{
	if (!inband)
		return;
	dtmf_rx_free(inband->detector);
	free(inband);
}
