#include "packet.h"
#include <string.h>

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void write32(uint8_t *at, uint32_t value)
{
	write16(at, (uint16_t)(value >> 16));
	write16(at + 2, (uint16_t)value);
}

bool packet_is_rtcp(const uint8_t *data, size_t bytes)
{
	return bytes >= 8 && data[0] >> 6 == 2 && data[1] >= 192 && data[1] <= 223;
}

enum packet_fault packet_read(uint8_t *data, size_t bytes, struct packet *ret_packet)
{
	if (bytes < PACKET_HEADER)
		return PACKET_SHORT;
	if (data[0] >> 6 != 2)
		return PACKET_VERSION;
	size_t at = PACKET_HEADER + 4 * (size_t)(data[0] & 15), end = bytes;
	if (data[0] & 0x10) {
		if (at + 4 > end)
			return PACKET_LENGTH;
		at += 4 + 4 * (size_t)read16(data + at + 2);
	}
	if (data[0] & 0x20) {
		if (data[end - 1] == 0 || data[end - 1] > end)
			return PACKET_LENGTH;
		end -= data[end - 1];
	}
	if (at > end)
		return PACKET_LENGTH;
	if (at == end)
		return PACKET_EMPTY;
	*ret_packet = (struct packet){
		.marker = data[1] >> 7,
		.type = data[1] & 0x7f,
		.sequence = read16(data + 2),
		.timestamp = read32(data + 4),
		.ssrc = read32(data + 8),
		.payload = data + at,
		.payload_bytes = end - at,
	};
	return PACKET_OK;
}

uint8_t *packet_write(const struct packet *packet)
{
	uint8_t *data = packet->payload - PACKET_HEADER;
	data[0] = 0x80;
	data[1] = (uint8_t)(packet->marker << 7 | packet->type);
	write16(data + 2, packet->sequence);
	write32(data + 4, packet->timestamp);
	write32(data + 8, packet->ssrc);
	return data;
}

bool packet_read_event(const uint8_t *payload, size_t bytes, struct packet_event *ret_event)
{
	if (bytes < PACKET_EVENT)
		return false;
	*ret_event = (struct packet_event){
		.event = payload[0],
		.end = payload[1] >> 7,
		.volume = payload[1] & 63,
		.duration = read16(payload + 2),
	};
	return true;
}

void packet_write_event(const struct packet_event *event, uint8_t ret_payload[PACKET_EVENT])
{
	ret_payload[0] = event->event;
	ret_payload[1] = (uint8_t)(event->end << 7 | (event->volume & 63));
	write16(ret_payload + 2, event->duration);
}

enum { RTCP_SR = 200, RTCP_RR = 201, RTCP_SDES = 202, BLOCK = 24, SDES_CNAME = 1 };

static void read_block(const uint8_t *at, struct packet_block *ret_block)
{
	int32_t lost = (int32_t)(read32(at + 4) & 0xffffff);
	*ret_block = (struct packet_block){
		.ssrc = read32(at),
		.fraction = at[4],
		.lost = lost & 0x800000 ? lost - 0x1000000 : lost,
		.highest = read32(at + 8),
		.jitter = read32(at + 12),
		.last_sr = read32(at + 16),
		.delay_since_sr = read32(at + 20),
	};
}

/* Reads one SR or RR of a length that was checked against the datagram. */
static enum packet_fault read_report(const uint8_t *at, size_t bytes, uint32_t our_ssrc,
				     struct packet_report *ret_report)
{
	struct packet_report report = {.is_sender = at[1] == RTCP_SR};
	size_t blocks = at[0] & 31, head = report.is_sender ? 28 : 8;
	if (bytes < head + blocks * BLOCK)
		return PACKET_LENGTH;
	report.ssrc = read32(at + 4);
	if (report.is_sender) {
		report.ntp = (uint64_t)read32(at + 8) << 32 | read32(at + 12);
		report.timestamp = read32(at + 16);
		report.packets = read32(at + 20);
		report.octets = read32(at + 24);
	}
	for (size_t i = 0; i < blocks && !report.has_block; i++) {
		read_block(at + head + i * BLOCK, &report.block);
		report.has_block = report.block.ssrc == our_ssrc;
	}
	*ret_report = report;
	return PACKET_OK;
}

enum packet_fault packet_read_rtcp(const uint8_t *data, size_t bytes, uint32_t our_ssrc,
				   struct packet_report *ret_report)
{
	struct packet_report report = {0};
	bool found = false;
	if (bytes < 8)
		return PACKET_SHORT;
	for (size_t at = 0; at < bytes;) {
		if (bytes - at < 4)
			return PACKET_LENGTH;
		if (data[at] >> 6 != 2)
			return PACKET_VERSION;
		size_t length = 4 * ((size_t)read16(data + at + 2) + 1);
		if (length > bytes - at || (data[at] & 0x20 && at + length != bytes))
			return PACKET_LENGTH;
		if (!found && (data[at + 1] == RTCP_SR || data[at + 1] == RTCP_RR)) {
			enum packet_fault fault = read_report(data + at, length, our_ssrc, &report);
			if (fault)
				return fault;
			found = true;
		}
		at += length;
	}
	if (!found)
		return PACKET_EMPTY;
	*ret_report = report;
	return PACKET_OK;
}

static size_t write_block(const struct packet_block *block, uint8_t *at)
{
	write32(at, block->ssrc);
	write32(at + 4, (uint32_t)block->lost & 0xffffff);
	at[4] = block->fraction;
	write32(at + 8, block->highest);
	write32(at + 12, block->jitter);
	write32(at + 16, block->last_sr);
	write32(at + 20, block->delay_since_sr);
	return BLOCK;
}

/* One chunk with one CNAME item, ended by one to four zeros up to a word. */
static size_t write_sdes(uint32_t ssrc, const char *cname, uint8_t *at)
{
	size_t name = strnlen(cname, PACKET_CNAME_MAX - 1), length = (8 + 2 + name + 1 + 3) & ~(size_t)3;
	memset(at, 0, length);
	at[0] = 0x81;
	at[1] = RTCP_SDES;
	write16(at + 2, (uint16_t)(length / 4 - 1));
	write32(at + 4, ssrc);
	at[8] = SDES_CNAME;
	at[9] = (uint8_t)name;
	memcpy(at + 10, cname, name);
	return length;
}

size_t packet_write_rtcp(const struct packet_report *report, const char *cname, uint8_t ret_data[PACKET_RTCP_MAX])
{
	size_t at = report->is_sender ? 28 : 8;
	write32(ret_data + 4, report->ssrc);
	if (report->is_sender) {
		write32(ret_data + 8, (uint32_t)(report->ntp >> 32));
		write32(ret_data + 12, (uint32_t)report->ntp);
		write32(ret_data + 16, report->timestamp);
		write32(ret_data + 20, report->packets);
		write32(ret_data + 24, report->octets);
	}
	if (report->has_block)
		at += write_block(&report->block, ret_data + at);
	ret_data[0] = (uint8_t)(0x80 | report->has_block);
	ret_data[1] = report->is_sender ? RTCP_SR : RTCP_RR;
	write16(ret_data + 2, (uint16_t)(at / 4 - 1));
	return at + write_sdes(report->ssrc, cname, ret_data + at);
}
