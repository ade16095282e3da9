#include "law.h"
#include <spandsp.h>

static int16_t linear_of[2][256];
static uint8_t byte_of[2][65536];

void law_setup(void)
{
	for (int i = 0; i < 256; i++) {
		linear_of[0][i] = ulaw_to_linear((uint8_t)i);
		linear_of[1][i] = alaw_to_linear((uint8_t)i);
	}
	for (int i = 0; i < 65536; i++) {
		byte_of[0][i] = linear_to_ulaw((int16_t)i);
		byte_of[1][i] = linear_to_alaw((int16_t)i);
	}
}

int16_t law_linear(enum law law, uint8_t byte)
{
	return linear_of[law == LAW_ALAW][byte];
}

uint8_t law_byte(enum law law, int16_t linear)
{
	return byte_of[law == LAW_ALAW][(uint16_t)linear];
}

uint8_t law_silence(enum law law)
{
	return law == LAW_ALAW ? 0xd5 : 0xff;
}
