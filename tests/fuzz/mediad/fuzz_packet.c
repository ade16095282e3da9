/* RTP, RTCP and telephone events from anyone: read, written back, judged; keys are told at most once. */
#include "digits.h"
#include "figures.h"
#include "packet.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int open_keys;

static void note(void *context, enum digits_edge edge, char digit, uint32_t duration_ms)
{
	if (edge == DIGITS_BEGIN && ++open_keys > 1)
		abort();
	if (edge == DIGITS_END && --open_keys < 0)
		abort();
}

static void use_rtp(uint8_t *data, size_t bytes, struct digits_in *in, struct figures *figures, int64_t now_us)
{
	struct packet packet;
	struct packet_event event;
	if (packet_read(data, bytes, &packet) != PACKET_OK)
		return;
	if (packet.payload + packet.payload_bytes > data + bytes || packet.payload < data + PACKET_HEADER)
		abort();
	figures_add(figures, packet.ssrc, packet.sequence, packet.timestamp, now_us, packet.marker);
	if (packet_read_event(packet.payload, packet.payload_bytes, &event))
		digits_hear(in, packet.ssrc, packet.timestamp, &event, now_us, note, NULL);
	if (packet_write(&packet) < data)
		abort();
}

/* A stream of datagrams, each behind its length in one byte, 10 ms apart. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digits_in in = {0};
	struct figures figures = {0};
	int64_t now_us = 1000000;
	open_keys = 0;
	while (size > 0) {
		size_t bytes = data[0] < size - 1 ? data[0] : size - 1;
		uint8_t *datagram = malloc(bytes ? bytes : 1); /* exact, so that one byte too far is seen */
		struct packet_report report;
		memcpy(datagram, data + 1, bytes);
		packet_is_rtcp(datagram, bytes);
		packet_read_rtcp(datagram, bytes, 1, &report);
		use_rtp(datagram, bytes, &in, &figures, now_us);
		free(datagram);
		data += bytes + 1;
		size -= bytes + 1;
		now_us += 10000;
		digits_expire(&in, now_us, note, NULL);
	}
	figures_fraction(&figures);
	figures_jitter_us(&figures);
	digits_stop(&in, note, NULL);
	return open_keys == 0 ? 0 : (abort(), 1);
}
