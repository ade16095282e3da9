#include "identity.h"
#include "cleanup.h"
#include <spandsp.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 160

struct identity {
	adsi_rx_state_t *rx;
	bool is_dtmf, is_complete;
	char number[65], name[65];
};

static int standard_of(enum hs_caller_id kind)
{
	static const int standards[] = {
		[HS_CALLER_ID_BELLCORE] = ADSI_STANDARD_CLASS,      [HS_CALLER_ID_ETSI] = ADSI_STANDARD_CLIP,
		[HS_CALLER_ID_ETSI_BEFORE] = ADSI_STANDARD_CLIP,    [HS_CALLER_ID_UK] = ADSI_STANDARD_CLIP,
		[HS_CALLER_ID_DTMF] = ADSI_STANDARD_CLIP_DTMF,      [HS_CALLER_ID_DTMF_PLAIN] = ADSI_STANDARD_CLIP_DTMF,
		[HS_CALLER_ID_DTMF_HASH] = ADSI_STANDARD_CLIP_DTMF, [HS_CALLER_ID_DTMF_AFTER] = ADSI_STANDARD_CLIP_DTMF,
	};

	return (size_t)kind < HS_COUNT(standards) ? standards[kind] : 0;
}

/* Printable ASCII only: it goes into labels. */
static void copy(char ret_text[65], const uint8_t *body, int length)
{
	int used = 0;

	for (int i = 0; i < length && used < 64; i++)
		if (body[i] >= ' ' && body[i] < 0x7f)
			ret_text[used++] = (char)body[i];
	ret_text[used] = 0;
}

static void take_field(struct identity *identity, uint8_t type, const uint8_t *body, int length)
{
	if (identity->is_dtmf) {
		if (type == CLIP_DTMF_C_CALLER_NUMBER || type == CLIP_DTMF_HASH_UNSPECIFIED)
			copy(identity->number, body, length);
		return;
	}
	if (type == MCLASS_CALLER_NUMBER) /* CLIP has the same numbers for both */
		copy(identity->number, body, length);
	else if (type == MCLASS_CALLER_NAME)
		copy(identity->name, body, length);
}

static void take_message(void *context, const uint8_t *message, int length)
{
	struct identity *identity = context;
	const uint8_t *body;
	uint8_t type;
	int bytes, position = -1;

	while ((position = adsi_next_field(identity->rx, message, length, position, &type, &body, &bytes)) > 0)
		if (body && bytes >= 0)
			take_field(identity, type, body, bytes);
	identity->is_complete = true;
}

struct identity *identity_create(enum hs_caller_id kind)
{
	int standard = standard_of(kind);
	struct identity *identity;

	if (!standard)
		return NULL;
	identity = hs_zalloc(sizeof(*identity));
	identity->is_dtmf = standard == ADSI_STANDARD_CLIP_DTMF;
	identity->rx = adsi_rx_init(NULL, standard, take_message, identity);
	if (!identity->rx)
		abort(); /* out of memory, as everywhere */
	return identity;
}

void identity_hear(struct identity *identity, enum hs_codec law, const uint8_t *bytes, size_t count)
{
	int16_t linear[CHUNK];

	while (identity && count > 0) {
		size_t part = count < CHUNK ? count : CHUNK;

		for (size_t i = 0; i < part; i++)
			linear[i] = law == HS_CODEC_PCMA ? alaw_to_linear(bytes[i]) : ulaw_to_linear(bytes[i]);
		adsi_rx(identity->rx, linear, (int)part);
		bytes += part;
		count -= part;
	}
}

const char *identity_number(const struct identity *identity)
{
	return identity && identity->number[0] ? identity->number : NULL;
}

const char *identity_name(const struct identity *identity)
{
	return identity && identity->name[0] ? identity->name : NULL;
}

bool identity_is_complete(const struct identity *identity)
{
	return identity && identity->is_complete;
}

void identity_destroy(struct identity *identity)
{
	if (!identity)
		return;
	adsi_rx_free(identity->rx);
	free(identity);
}
