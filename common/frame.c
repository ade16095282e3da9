#include "frame.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define FLAG_LAST 1
#define FLAG_OUTBOUND 2
#define FLAGS (FLAG_LAST | FLAG_OUTBOUND)
#define QUEUE_PAUSED 1
#define QUEUE_FULL 2
#define QUEUE_CLEARED 4
#define QUEUE_FLAGS (QUEUE_PAUSED | QUEUE_FULL | QUEUE_CLEARED)
#define BUNDLE 0 /* where a frame has its version */
#define LENGTH_BYTES 2

static void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

int hs_frame_pack(const struct hs_frame *frame, uint8_t *ret_data, size_t size)
{
	size_t grant = strnlen(frame->grant, HS_FRAME_GRANT_BYTES);

	if (frame->payload_bytes > HS_FRAME_MAX_PAYLOAD || size < HS_FRAME_HEADER_BYTES + frame->payload_bytes)
		return -EMSGSIZE;
	ret_data[HS_FRAME_AT_VERSION] = HS_FRAME_VERSION;
	ret_data[HS_FRAME_AT_KIND] = (uint8_t)frame->kind;
	ret_data[HS_FRAME_AT_CODEC] = (uint8_t)frame->codec;
	ret_data[HS_FRAME_AT_FLAGS] =
		(uint8_t)((frame->last ? FLAG_LAST : 0) | (frame->is_outbound ? FLAG_OUTBOUND : 0));
	put32(ret_data + HS_FRAME_AT_SEQUENCE, frame->sequence);
	put32(ret_data + HS_FRAME_AT_TIMESTAMP, frame->timestamp);
	memset(ret_data + HS_FRAME_AT_GRANT, 0, HS_FRAME_GRANT_BYTES);
	memcpy(ret_data + HS_FRAME_AT_GRANT, frame->grant, grant);
	if (frame->payload_bytes)
		memcpy(ret_data + HS_FRAME_HEADER_BYTES, frame->payload, frame->payload_bytes);
	return (int)(HS_FRAME_HEADER_BYTES + frame->payload_bytes);
}

/* A grant is an id, padded with zeros to its end. */
static bool read_grant(const uint8_t *data, char *ret_grant)
{
	size_t length = strnlen((const char *)data, HS_FRAME_GRANT_BYTES);

	for (size_t i = 0; i < HS_FRAME_GRANT_BYTES; i++) {
		uint8_t c = data[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (i < length ? !is_letter && !strchr("_.~-", c) : c != 0)
			return false;
		ret_grant[i] = (char)c;
	}
	ret_grant[HS_FRAME_GRANT_BYTES] = '\0';
	return length > 0;
}

int hs_frame_read(const uint8_t *data, size_t bytes, struct hs_frame *ret_frame)
{
	struct hs_frame frame;

	if (bytes < HS_FRAME_HEADER_BYTES || bytes > HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD)
		return -EPROTO;
	if (data[HS_FRAME_AT_VERSION] != HS_FRAME_VERSION || data[HS_FRAME_AT_KIND] < HS_FRAME_ATTACH ||
	    data[HS_FRAME_AT_KIND] > HS_FRAME_QUEUE || data[HS_FRAME_AT_CODEC] >= HS_CODEC_COUNT ||
	    data[HS_FRAME_AT_FLAGS] & ~FLAGS || !read_grant(data + HS_FRAME_AT_GRANT, frame.grant))
		return -EPROTO;
	frame.kind = (enum hs_frame_kind)data[HS_FRAME_AT_KIND];
	frame.codec = (enum hs_codec)data[HS_FRAME_AT_CODEC];
	frame.last = data[HS_FRAME_AT_FLAGS] & FLAG_LAST;
	frame.is_outbound = data[HS_FRAME_AT_FLAGS] & FLAG_OUTBOUND;
	frame.sequence = get32(data + HS_FRAME_AT_SEQUENCE);
	frame.timestamp = get32(data + HS_FRAME_AT_TIMESTAMP);
	frame.payload = data + HS_FRAME_HEADER_BYTES;
	frame.payload_bytes = bytes - HS_FRAME_HEADER_BYTES;
	*ret_frame = frame;
	return 0;
}

/* ---- Queues ---- */

static void put64(uint8_t *at, uint64_t value)
{
	put32(at, (uint32_t)(value >> 32));
	put32(at + 4, (uint32_t)value);
}

static uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}

void hs_frame_pack_queue(const struct hs_frame_queue *queue, uint8_t ret_data[HS_FRAME_QUEUE_BYTES])
{
	put64(ret_data, queue->heard);
	put64(ret_data + 8, queue->dropped);
	put64(ret_data + 16, queue->underruns);
	put32(ret_data + 24, queue->waiting);
	ret_data[28] = (uint8_t)((queue->is_paused ? QUEUE_PAUSED : 0) | (queue->is_full ? QUEUE_FULL : 0) |
				 (queue->was_cleared ? QUEUE_CLEARED : 0));
}

int hs_frame_read_queue(const uint8_t *data, size_t bytes, struct hs_frame_queue *ret_queue)
{
	if (bytes != HS_FRAME_QUEUE_BYTES || data[28] & ~QUEUE_FLAGS)
		return -EPROTO;
	*ret_queue = (struct hs_frame_queue){
		.heard = get64(data),
		.dropped = get64(data + 8),
		.underruns = get64(data + 16),
		.waiting = get32(data + 24),
		.is_paused = data[28] & QUEUE_PAUSED,
		.is_full = data[28] & QUEUE_FULL,
		.was_cleared = data[28] & QUEUE_CLEARED,
	};
	return 0;
}

/* ---- Bundles ---- */

size_t hs_frame_bundle(uint8_t *bundle, size_t size, size_t used, const uint8_t *data, size_t bytes)
{
	size_t at = used ? used : 1;

	if (bytes > UINT16_MAX || at + LENGTH_BYTES + bytes > size)
		return 0;
	bundle[0] = BUNDLE;
	bundle[at] = (uint8_t)(bytes >> 8);
	bundle[at + 1] = (uint8_t)bytes;
	memcpy(bundle + at + LENGTH_BYTES, data, bytes);
	return at + LENGTH_BYTES + bytes;
}

bool hs_frame_is_bundle(const uint8_t *data, size_t bytes)
{
	return bytes > 0 && data[0] == BUNDLE;
}

const uint8_t *hs_frame_unbundle(const uint8_t *data, size_t bytes, size_t *at, size_t *ret_bytes)
{
	const uint8_t *frame;
	size_t from = *at ? *at : 1, length;

	if (from + LENGTH_BYTES > bytes)
		return NULL;
	length = (size_t)data[from] << 8 | data[from + 1];
	frame = data + from + LENGTH_BYTES;
	if (length > bytes - from - LENGTH_BYTES)
		return NULL;
	*at = from + LENGTH_BYTES + length;
	*ret_bytes = length;
	return frame;
}
