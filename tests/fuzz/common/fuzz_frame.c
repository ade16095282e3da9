/* Any bytes as an audio frame. What was read must be packed to the same bytes. */
#include "frame.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t packed[HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD];
	struct hs_frame frame;

	if (hs_frame_read(data, size, &frame) < 0)
		return 0;
	if (hs_frame_pack(&frame, packed, sizeof(packed)) != (int)size || memcmp(packed, data, size) != 0)
		abort();
	return 0;
}
