/* Audio frames: the header of proto/frame.toml, packed and read; several of them in a bundle.
 * Called by whoever sends and gets audio; bundles by bus_audio only. Pure.
 */
#ifndef HS_FRAME_H
#define HS_FRAME_H

#include "hs_proto.h"

struct hs_frame {
	enum hs_frame_kind kind;
	enum hs_codec codec; /* 0: no audio */
	bool last;           /* last frame of an upload */
	bool is_outbound;    /* what the line hears; else what it says */
	uint32_t sequence, timestamp;
	char grant[HS_FRAME_GRANT_BYTES + 1];
	const uint8_t *payload; /* read: borrowed from data */
	size_t payload_bytes;
};

/* Writes header and payload. Bytes written, or -EMSGSIZE. */
int hs_frame_pack(const struct hs_frame *frame, uint8_t *ret_data, size_t size);

/* Reads one. -EPROTO for a bad version, kind, codec, grant or size. */
int hs_frame_read(const uint8_t *data, size_t bytes, struct hs_frame *ret_frame);

/* A playout queue, as mediad tells of it (kinds queue and marked). Positions are samples at 8000 Hz. */
struct hs_frame_queue {
	uint64_t heard;     /* of what was said, played to the line */
	uint64_t dropped;   /* had no room */
	uint64_t underruns; /* slots of 20 ms */
	uint32_t waiting;
	bool is_paused;
	bool is_full;     /* whoever fills it is to stop until it is told that this is over */
	bool was_cleared; /* marked: cleared before it was played */
};

#define HS_FRAME_QUEUE_BYTES 29

void hs_frame_pack_queue(const struct hs_frame_queue *queue, uint8_t ret_data[HS_FRAME_QUEUE_BYTES]);

/* -EPROTO for a bad size or unknown flags. */
int hs_frame_read_queue(const uint8_t *data, size_t bytes, struct hs_frame_queue *ret_queue);

/* Adds a packed frame to a bundle in which so many bytes are used (0: none yet). The bytes that are used now; 0: there
 * is no room for it. */
size_t hs_frame_bundle(uint8_t *bundle, size_t size, size_t used, const uint8_t *data, size_t bytes);

bool hs_frame_is_bundle(const uint8_t *data, size_t bytes);

/* The next frame of a bundle, packed and borrowed from data; at is 0 in the beginning. NULL: there is none, or the rest
 * is none. */
const uint8_t *hs_frame_unbundle(const uint8_t *data, size_t bytes, size_t *at, size_t *ret_bytes);

#endif
