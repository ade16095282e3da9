/* RTP and RTCP packets: read and built (RFC 3550, telephone events RFC 4733). Pure.
 * Called by leg_rtp and the fuzzer; calls nobody. Owns nothing: what it reads stays in the caller's bytes.
 * Every length is checked against the datagram before it is believed.
 */
#ifndef MEDIAD_PACKET_H
#define MEDIAD_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADER 12    /* bytes of the RTP header we write */
#define PACKET_MAX 1500     /* longest datagram that is read */
#define PACKET_EVENT 4      /* bytes of a telephone event */
#define PACKET_RTCP_MAX 256 /* enough for any report we build */
#define PACKET_CNAME_MAX 32 /* longest CNAME with NUL */
#define PACKET_COMFORT_NOISE 13

struct packet {
	bool marker;
	uint8_t type; /* payload type */
	uint16_t sequence;
	uint32_t timestamp, ssrc;
	uint8_t *payload; /* inside the datagram, at least PACKET_HEADER bytes after its begin */
	size_t payload_bytes;
};

/* Why a datagram was refused; the words are values of the metric's label. */
enum packet_fault { PACKET_OK, PACKET_SHORT, PACKET_VERSION, PACKET_LENGTH, PACKET_EMPTY, PACKET_FAULTS };

/* True when the datagram on a common port is RTCP (RFC 5761 section 4). */
bool packet_is_rtcp(const uint8_t *data, size_t bytes);

/* Reads an RTP packet: CSRCs, extension and padding are stepped over. */
enum packet_fault packet_read(uint8_t *data, size_t bytes, struct packet *ret_packet);

/* Writes a header of PACKET_HEADER bytes in front of packet->payload, over whatever stood there. Returns the begin of
 * the datagram; its length is PACKET_HEADER + payload_bytes. */
uint8_t *packet_write(const struct packet *packet);

struct packet_event {
	uint8_t event; /* 0-15 keys, 16 flash */
	bool end;
	uint8_t volume;    /* -dBm0 */
	uint16_t duration; /* in timestamp units */
};

/* False when the payload is too short. */
bool packet_read_event(const uint8_t *payload, size_t bytes, struct packet_event *ret_event);

void packet_write_event(const struct packet_event *event, uint8_t ret_payload[PACKET_EVENT]);

/* ---- RTCP ---- */

struct packet_block {
	uint32_t ssrc;
	uint8_t fraction; /* of packets lost since the last report, 1/256 */
	int32_t lost;     /* cumulative, 24 bit signed */
	uint32_t highest; /* extended sequence */
	uint32_t jitter;  /* timestamp units */
	uint32_t last_sr, delay_since_sr;
};

struct packet_report {
	uint32_t ssrc; /* of the sender */
	bool is_sender;
	uint64_t ntp; /* sender: 32.32 seconds since 1900 */
	uint32_t timestamp, packets, octets;
	bool has_block;
	struct packet_block block; /* read: the one about our SSRC */
};

/* Reads a compound packet: the first SR or RR and its block about ours. Other packets in it, BYE too, are checked for
 * length and stepped over. */
enum packet_fault packet_read_rtcp(const uint8_t *data, size_t bytes, uint32_t our_ssrc,
				   struct packet_report *ret_report);

/* Builds SR or RR followed by SDES with the CNAME (at most PACKET_CNAME_MAX - 1 bytes). Returns its length. */
size_t packet_write_rtcp(const struct packet_report *report, const char *cname, uint8_t ret_data[PACKET_RTCP_MAX]);

#endif
