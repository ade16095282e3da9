/* Any bytes as an audio frame or a bundle. What was read must be packed to the same bytes. */
#include "frame.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_apart(const uint8_t *data, size_t size)
{
	static uint8_t again[1 << 16];
	const uint8_t *frame;
	size_t at = 0, used = 0, length;

	while ((frame = hs_frame_unbundle(data, size, &at, &length)))
		used = hs_frame_bundle(again, sizeof(again), used, frame, length);
	if (size <= sizeof(again) && memcmp(again, data, used) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t packed[HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD];
	struct hs_frame frame;

	if (hs_frame_is_bundle(data, size))
		take_apart(data, size);
	if (hs_frame_read(data, size, &frame) < 0)
		return 0;
	if (hs_frame_pack(&frame, packed, sizeof(packed)) != (int)size || memcmp(packed, data, size) != 0)
		abort();
	return 0;
}
