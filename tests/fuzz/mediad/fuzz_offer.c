/* Descriptions from anyone: what is taken can be answered, and our answer can be read again. */
#include "offer.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[4 * OFFER_BYTES];
	struct offer_ours ours = {.id = 1, .version = 1, .direction = HS_DIRECTION_SENDRECV, .prefer = HS_CODEC_PCMA};
	struct offer offer, back;
	char why[OFFER_WHY];
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = 0;
	int error = offer_read(text, &offer, why);
	free(text);
	if (error < 0)
		return strlen(why) > 0 ? 0 : (abort(), 1);
	address_parse("192.0.2.1:20000", &ours.rtp);
	if (offer_write_answer(&ours, &offer, answer, sizeof answer) < 0 || offer_read(answer, &back, why) < 0)
		abort();
	if (back.lines_count != offer.lines_count || back.line != offer.line || back.event != offer.event)
		abort();
	return 0;
}
