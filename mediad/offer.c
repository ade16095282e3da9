#include "offer.h"
#include "cleanup.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TYPES = 128, MAX_LINE = 2048, MAX_WORDS = 72 };

/* What a payload type means to us. */
enum meaning { MEANS_NOTHING, MEANS_PCMU, MEANS_PCMA, MEANS_EVENT, MEANS_COMFORT };

/* State while reading. Of the media lines only one is followed: the first audio line we can take. */
struct reader {
	struct offer offer;
	char *why;
	struct address session_host, media_host;
	struct address rtcp; /* a=rtcp; port 0: not said */
	enum hs_direction session_direction, media_direction;
	uint16_t port;
	bool in_media;  /* an m= line was seen */
	bool following; /* the present one is ours */
	bool has_version, has_origin, has_audio, refused_secure;
	uint8_t types[TYPES]; /* enum meaning, by rtpmap */
	bool mapped[TYPES];
	bool flash[TYPES]; /* fmtp names event 16 */
	uint8_t formats[TYPES];
	int formats_count;
};

static int wrong(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct reader *reader, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(reader->why, OFFER_WHY, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* Decimal of at most max. -1 when it is not; end (may be NULL) is where it stopped, else it must use all of text. */
static long number(const char *text, long max, const char **ret_end)
{
	long value = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (*at - '0');
		if (value > max)
			return -1;
	}
	if (at == text || (!ret_end && *at))
		return -1;
	if (ret_end)
		*ret_end = at;
	return value;
}

/* Cuts a line at single spaces, in place. -1: too many words or an empty one. */
static int cut(char *line, char *words[], int max)
{
	int count = 0;
	for (char *at = line; at; count++) {
		if (count == max || !*at || *at == ' ')
			return -1;
		words[count] = at;
		at = strchr(at, ' ');
		if (at)
			*at++ = 0;
	}
	return count;
}

static int read_version(struct reader *reader, char *value)
{
	reader->has_version = true;
	return strcmp(value, "0") == 0 ? 0 : wrong(reader, "v=%.8s: only SDP version 0 is known", value);
}

static int read_origin(struct reader *reader, char *value)
{
	char *words[MAX_WORDS];
	reader->has_origin = true;
	return cut(value, words, MAX_WORDS) == 6 ? 0 : wrong(reader, "o= needs six words");
}

/* "IN IP4 192.0.2.1", with an optional "/ttl" that only multicast has. */
static int read_host(struct reader *reader, char *words[], int count, struct address *ret_host)
{
	struct address host;
	if (count != 3 || strcmp(words[0], "IN") != 0)
		return wrong(reader, "c= must be IN IP4 or IN IP6 and an address");
	bool is_four = strcmp(words[1], "IP4") == 0;
	if (!is_four && strcmp(words[1], "IP6") != 0)
		return wrong(reader, "c= names an unknown kind of address");
	if (address_parse(words[2], &host) < 0 || host.port)
		return wrong(reader, "c= must hold a numeric unicast address; names are not resolved here");
	if (is_four != (host.family == AF_INET) && !strchr(words[2], ':'))
		return wrong(reader, "the address in c= is not of the kind it names");
	host.port = 9;
	if (!address_is_usable(&host) && !address_is_any(&host))
		return wrong(reader, "c= must hold a unicast address");
	host.port = 0;
	*ret_host = host;
	return 0;
}

static int read_connection(struct reader *reader, char *value)
{
	char *words[MAX_WORDS];
	int count = cut(value, words, MAX_WORDS);
	if (reader->in_media && !reader->following)
		return 0;
	return read_host(reader, words, count, reader->in_media ? &reader->media_host : &reader->session_host);
}

static bool keep_word(char *ret_word, size_t size, const char *word)
{
	for (const char *at = word; *at; at++)
		if (*at < '!' || *at > '~')
			return false;
	return hs_copy(ret_word, size, word);
}

static int read_formats(struct reader *reader, char *words[], int count)
{
	for (int i = 0; i < count && reader->formats_count < TYPES; i++) {
		long type = number(words[i], TYPES - 1, NULL);
		if (type < 0)
			return wrong(reader, "payload type \"%.16s\" is not a number of 0-127", words[i]);
		reader->formats[reader->formats_count++] = (uint8_t)type;
	}
	return 0;
}

/* Whether this m= line is the audio we can take; -1: an error was told. */
static int is_ours(struct reader *reader, const struct offer_line *line, long port)
{
	if (reader->has_audio || strcmp(line->media, "audio") != 0 || port == 0)
		return 0;
	if (strncmp(line->transport, "RTP/SAVP", 8) == 0 || strncmp(line->transport, "UDP/TLS/RTP/SAVP", 16) == 0) {
		reader->refused_secure = true;
		return 0;
	}
	return strcmp(line->transport, "RTP/AVP") == 0;
}

static int read_media(struct reader *reader, char *value)
{
	char *words[MAX_WORDS];
	const char *end;
	int count = cut(value, words, MAX_WORDS);
	if (count < 4)
		return wrong(reader, "m= needs media, port, transport and formats");
	if (reader->offer.lines_count == OFFER_LINES)
		return wrong(reader, "more than %d media lines", OFFER_LINES);
	struct offer_line *line = &reader->offer.lines[reader->offer.lines_count];
	if (!keep_word(line->media, sizeof line->media, words[0]) ||
	    !keep_word(line->transport, sizeof line->transport, words[2]) ||
	    !keep_word(line->format, sizeof line->format, words[3]))
		return wrong(reader, "a word of m= is too long or not ASCII");
	long port = number(words[1], 65535, &end);
	if (port < 0 || (*end && *end != '/'))
		return wrong(reader, "the port of m= is not a number of 0-65535");
	reader->in_media = true;
	reader->following = is_ours(reader, line, port);
	reader->offer.lines_count++;
	if (!reader->following)
		return 0;
	reader->has_audio = true;
	reader->port = (uint16_t)port;
	reader->offer.line = reader->offer.lines_count - 1;
	return read_formats(reader, words + 3, count - 3);
}

static enum meaning meaning_of(const char *encoding)
{
	static const struct {
		const char *name;
		enum meaning meaning;
	} rows[] = {
		{"PCMU/8000", MEANS_PCMU},
		{"PCMU/8000/1", MEANS_PCMU},
		{"PCMA/8000", MEANS_PCMA},
		{"PCMA/8000/1", MEANS_PCMA},
		{"telephone-event/8000", MEANS_EVENT},
		{"telephone-event/8000/1", MEANS_EVENT},
		{"CN/8000", MEANS_COMFORT},
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (strcasecmp(encoding, rows[i].name) == 0)
			return rows[i].meaning;
	return MEANS_NOTHING;
}

/* "101 telephone-event/8000" */
static int read_rtpmap(struct reader *reader, char *value)
{
	const char *end;
	long type = number(value, TYPES - 1, &end);
	if (type < 0 || *end != ' ')
		return wrong(reader, "a=rtpmap needs a payload type of 0-127 and an encoding");
	reader->types[type] = (uint8_t)meaning_of(end + 1 + strspn(end + 1, " "));
	reader->mapped[type] = true;
	return 0;
}

/* "101 0-15,16": of the parameters only the list of events matters. */
static int read_fmtp(struct reader *reader, char *value)
{
	const char *at;
	long type = number(value, TYPES - 1, &at);
	if (type < 0)
		return 0;
	while (*at == ' ' || *at == ',') {
		const char *end;
		long from = number(++at, 255, &end), to = from;
		if (from < 0)
			break;
		if (*end == '-')
			to = number(end + 1, 255, &end);
		if (from <= 16 && to >= 16)
			reader->flash[type] = true;
		at = end;
	}
	return 0;
}

static int read_ptime(struct reader *reader, char *value)
{
	const char *end;
	long ptime = number(value, 1000, &end);
	if (ptime > 0)
		reader->offer.ptime_ms = (int)ptime;
	return 0;
}

/* "5005" or "5005 IN IP4 192.0.2.1" (RFC 3605) */
static int read_rtcp(struct reader *reader, char *value)
{
	char *words[MAX_WORDS];
	int count = cut(value, words, MAX_WORDS);
	long port = count > 0 ? number(words[0], 65535, NULL) : -1;
	if (port <= 0)
		return wrong(reader, "a=rtcp needs a port");
	if (count > 1 && read_host(reader, words + 1, count - 1, &reader->rtcp) < 0)
		return -EINVAL;
	reader->rtcp.port = (uint16_t)port;
	return 0;
}

static int read_mux(struct reader *reader, char *value)
{
	reader->offer.rtcp_mux = true;
	return 0;
}

/* Their "sendonly" is our "recvonly". */
static void set_direction(struct reader *reader, enum hs_direction direction)
{
	*(reader->in_media ? &reader->media_direction : &reader->session_direction) = direction;
}

static int read_sendrecv(struct reader *reader, char *value)
{
	set_direction(reader, HS_DIRECTION_SENDRECV);
	return 0;
}

static int read_sendonly(struct reader *reader, char *value)
{
	set_direction(reader, HS_DIRECTION_RECVONLY);
	return 0;
}

static int read_recvonly(struct reader *reader, char *value)
{
	set_direction(reader, HS_DIRECTION_SENDONLY);
	return 0;
}

static int read_inactive(struct reader *reader, char *value)
{
	set_direction(reader, HS_DIRECTION_INACTIVE);
	return 0;
}

struct attribute {
	const char *name;
	int (*read)(struct reader *reader, char *value);
	bool has_value;
	bool in_session; /* has a meaning before the first m= line */
};

static const struct attribute attributes[] = {
	{"rtpmap", read_rtpmap, true, false},     {"fmtp", read_fmtp, true, false},
	{"ptime", read_ptime, true, false},       {"rtcp", read_rtcp, true, false},
	{"rtcp-mux", read_mux, false, false},     {"sendrecv", read_sendrecv, false, true},
	{"sendonly", read_sendonly, false, true}, {"recvonly", read_recvonly, false, true},
	{"inactive", read_inactive, false, true},
};

static int read_attribute(struct reader *reader, char *value)
{
	if (reader->in_media && !reader->following)
		return 0;
	char *colon = strchr(value, ':');
	if (colon)
		*colon++ = 0;
	for (size_t i = 0; i < HS_COUNT(attributes); i++) {
		const struct attribute *attribute = &attributes[i];
		if (strcmp(value, attribute->name) != 0 || attribute->has_value != (colon != NULL))
			continue;
		return reader->in_media || attribute->in_session ? attribute->read(reader, colon) : 0;
	}
	return 0; /* RFC 8866: unknown attributes are ignored */
}

static int read_line(struct reader *reader, char *line)
{
	static const struct {
		char letter;
		int (*read)(struct reader *reader, char *value);
	} rows[] = {
		{'v', read_version}, {'o', read_origin},    {'c', read_connection},
		{'m', read_media},   {'a', read_attribute},
	};
	if (line[0] < 'a' || line[0] > 'z' || line[1] != '=')
		return wrong(reader, "a line does not begin with a letter and =");
	if (!reader->has_version && line[0] != 'v')
		return wrong(reader, "it does not begin with v=0");
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (rows[i].letter == line[0])
			return rows[i].read(reader, line + 2);
	return 0;
}

/* Cuts at CRLF, LF or CR and reads each line from a copy. */
static int read_lines(struct reader *reader, const char *text)
{
	char line[MAX_LINE];
	while (*text) {
		size_t length = strcspn(text, "\r\n");
		if (length >= sizeof line)
			return wrong(reader, "a line is longer than %d bytes", MAX_LINE - 1);
		memcpy(line, text, length);
		text += length;
		while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
			length--; /* phones in the field leave blanks there */
		line[length] = 0;
		if (length > 0 && read_line(reader, line) < 0)
			return -EINVAL;
		text += *text == '\r';
		text += *text == '\n';
	}
	return 0;
}

static enum meaning static_meaning(uint8_t type)
{
	if (type == OFFER_TYPE_PCMU)
		return MEANS_PCMU;
	if (type == OFFER_TYPE_PCMA)
		return MEANS_PCMA;
	return type == 13 ? MEANS_COMFORT : MEANS_NOTHING;
}

static void take_codec(struct offer *offer, enum hs_codec codec, uint8_t type)
{
	for (int i = 0; i < offer->codecs_count; i++)
		if (offer->codecs[i] == codec)
			return;
	offer->codecs[offer->codecs_count] = codec;
	offer->types[offer->codecs_count++] = type;
}

static void take_formats(struct reader *reader)
{
	struct offer *offer = &reader->offer;
	offer->event = offer->comfort = -1;
	for (int i = 0; i < reader->formats_count; i++) {
		uint8_t type = reader->formats[i];
		switch (reader->mapped[type] ? (enum meaning)reader->types[type] : static_meaning(type)) {
		case MEANS_PCMU:
			take_codec(offer, HS_CODEC_PCMU, type);
			break;
		case MEANS_PCMA:
			take_codec(offer, HS_CODEC_PCMA, type);
			break;
		case MEANS_EVENT:
			if (offer->event < 0) {
				offer->event = type;
				offer->event_flash = reader->flash[type];
			}
			break;
		case MEANS_COMFORT:
			offer->comfort = type;
			break;
		case MEANS_NOTHING:
			break;
		}
	}
}

static int take_addresses(struct reader *reader)
{
	struct offer *offer = &reader->offer;
	offer->rtp = reader->media_host.family ? reader->media_host : reader->session_host;
	if (!offer->rtp.family)
		return wrong(reader, "c= is missing");
	offer->rtp.port = reader->port;
	offer->rtcp = reader->rtcp;
	if (!offer->rtcp.family) {
		offer->rtcp = offer->rtp;
		offer->rtcp.port = reader->rtcp.port ? reader->rtcp.port : (uint16_t)(reader->port + 1);
	}
	return 0;
}

static void take_direction(struct reader *reader)
{
	enum hs_direction direction = reader->media_direction ? reader->media_direction : reader->session_direction;
	if (!direction)
		direction = HS_DIRECTION_SENDRECV;
	if (address_is_any(&reader->offer.rtp)) /* hold as in RFC 2543: send nothing */
		direction = offer_meet(direction, HS_DIRECTION_RECVONLY);
	reader->offer.direction = direction;
}

int offer_read(const char *text, struct offer *ret_offer, char ret_why[OFFER_WHY])
{
	struct reader reader = {.why = ret_why};
	if (strnlen(text, OFFER_BYTES) == OFFER_BYTES)
		return wrong(&reader, "it is longer than %d bytes", OFFER_BYTES - 1);
	if (read_lines(&reader, text) < 0)
		return -EINVAL;
	if (!reader.has_version || !reader.has_origin)
		return wrong(&reader, "v= or o= is missing");
	if (!reader.has_audio && reader.refused_secure)
		return wrong(&reader, "only SRTP (RTP/SAVP) is described; RTP/AVP is needed");
	if (!reader.has_audio)
		return wrong(&reader, "there is no audio line over RTP/AVP with a port");
	if (take_addresses(&reader) < 0)
		return -EINVAL;
	take_formats(&reader);
	if (reader.offer.codecs_count == 0)
		return wrong(&reader, "neither PCMU nor PCMA is among the payload types");
	take_direction(&reader);
	*ret_offer = reader.offer;
	return 0;
}

/* ---- Writing ---- */

struct writer {
	char *text;
	size_t size, length;
};

static void put(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct writer *writer, const char *format, ...)
{
	size_t room = writer->length < writer->size ? writer->size - writer->length : 0;
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(room ? writer->text + writer->length : NULL, room, format, arguments);
	va_end(arguments);
	writer->length += (size_t)length;
}

static int written(const struct writer *writer)
{
	return writer->length < writer->size ? (int)writer->length : -EMSGSIZE;
}

static void put_session(struct writer *writer, const struct offer_ours *ours)
{
	char host[ADDRESS_TEXT];
	address_format_host(&ours->rtp, host);
	const char *kind = ours->rtp.family == AF_INET6 ? "IP6" : "IP4";
	put(writer, "v=0\r\no=- %u %u IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", ours->id, ours->version, kind, host,
	    kind, host);
}

static void put_codec(struct writer *writer, enum hs_codec codec, uint8_t type)
{
	put(writer, "a=rtpmap:%u %s/8000\r\n", type, codec == HS_CODEC_PCMA ? "PCMA" : "PCMU");
}

static void put_event(struct writer *writer, int type, bool flash)
{
	put(writer, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-%d\r\n", type, type, flash ? 16 : 15);
}

static void put_end(struct writer *writer, enum hs_direction direction)
{
	put(writer, "a=ptime:20\r\na=%s\r\n", hs_enum_direction.names[direction]);
}

int offer_write(const struct offer_ours *ours, char *ret_text, size_t size)
{
	struct writer writer = {ret_text, size, 0};
	bool a_first = ours->prefer == HS_CODEC_PCMA;
	uint8_t first = a_first ? OFFER_TYPE_PCMA : OFFER_TYPE_PCMU;
	uint8_t second = a_first ? OFFER_TYPE_PCMU : OFFER_TYPE_PCMA;
	put_session(&writer, ours);
	put(&writer, "m=audio %u RTP/AVP %u %u %u\r\n", ours->rtp.port, first, second, OFFER_TYPE_EVENT);
	put_codec(&writer, a_first ? HS_CODEC_PCMA : HS_CODEC_PCMU, first);
	put_codec(&writer, a_first ? HS_CODEC_PCMU : HS_CODEC_PCMA, second);
	put_event(&writer, OFFER_TYPE_EVENT, false);
	put_end(&writer, ours->direction);
	return written(&writer);
}

static void put_answer_line(struct writer *writer, const struct offer_ours *ours, const struct offer *offer)
{
	int i = offer->codecs_count > 1 && offer->codecs[1] == ours->prefer;
	put(writer, "m=audio %u RTP/AVP %u", ours->rtp.port, offer->types[i]);
	if (offer->event >= 0)
		put(writer, " %d", offer->event);
	put(writer, "\r\n");
	put_codec(writer, offer->codecs[i], offer->types[i]);
	if (offer->event >= 0)
		put_event(writer, offer->event, offer->event_flash);
	if (offer->rtcp_mux)
		put(writer, "a=rtcp-mux\r\n");
	put_end(writer, ours->direction);
}

int offer_write_answer(const struct offer_ours *ours, const struct offer *offer, char *ret_text, size_t size)
{
	struct writer writer = {ret_text, size, 0};
	put_session(&writer, ours);
	for (int i = 0; i < offer->lines_count; i++) {
		const struct offer_line *line = &offer->lines[i];
		if (i == offer->line)
			put_answer_line(&writer, ours, offer);
		else
			put(&writer, "m=%s 0 %s %s\r\n", line->media, line->transport, line->format);
	}
	return written(&writer);
}

/* ---- Directions ---- */

bool offer_may_send(enum hs_direction direction)
{
	return direction == HS_DIRECTION_SENDRECV || direction == HS_DIRECTION_SENDONLY;
}

bool offer_may_receive(enum hs_direction direction)
{
	return direction == HS_DIRECTION_SENDRECV || direction == HS_DIRECTION_RECVONLY;
}

enum hs_direction offer_meet(enum hs_direction ours, enum hs_direction theirs)
{
	bool send = offer_may_send(ours) && offer_may_send(theirs);
	bool receive = offer_may_receive(ours) && offer_may_receive(theirs);
	if (send)
		return receive ? HS_DIRECTION_SENDRECV : HS_DIRECTION_SENDONLY;
	return receive ? HS_DIRECTION_RECVONLY : HS_DIRECTION_INACTIVE;
}
