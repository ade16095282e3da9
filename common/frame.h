/* Audio frames: the header of proto/frame.toml, packed and read.
 * Called by mediad's leg_stream, api-front and hook-stream. Pure.
 */
#ifndef HS_FRAME_H
#define HS_FRAME_H

#include "hs_proto.h"

struct hs_frame {
	enum hs_frame_kind kind;
	enum hs_codec codec; /* 0: no audio */
	bool last;           /* last frame of an upload */
	uint32_t sequence, timestamp;
	char grant[HS_FRAME_GRANT_BYTES + 1];
	const uint8_t *payload; /* read: borrowed from data */
	size_t payload_bytes;
};

/* Writes header and payload. Bytes written, or -EMSGSIZE. */
int hs_frame_pack(const struct hs_frame *frame, uint8_t *ret_data, size_t size);

/* Reads one. -EPROTO for a bad version, kind, codec, grant or size. */
int hs_frame_read(const uint8_t *data, size_t bytes, struct hs_frame *ret_frame);

#endif
