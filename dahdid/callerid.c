#include "callerid.h"
#include "cleanup.h"
#include <ctype.h>
#include <spandsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE 8
#define SAMPLES_MAX (6000 * RATE)
#define MESSAGE_BYTES 128
#define NUMBER_BYTES 21
#define NAME_BYTES 16 /* 15 letters: what every display shows */

/* One variant. Silence: between the end of the burst (or of the reversal) and the first signal. */
struct variant {
	struct callerid_way way;
	int standard;
	bool has_alert; /* dual tone before the data */
	int silence_ms;
	int message; /* type of message; DTMF: what ends it */
	int date, number, name, number_absent, name_absent;
	int lamp, messages; /* lamp: on or off, and how many */
};

static const struct variant variants[] = {
	[HS_CALLER_ID_BELLCORE] = {.standard = ADSI_STANDARD_CLASS,
				   .silence_ms = 600,
				   .message = CLASS_MDMF_CALLERID,
				   .date = MCLASS_DATETIME,
				   .number = MCLASS_CALLER_NUMBER,
				   .name = MCLASS_CALLER_NAME,
				   .number_absent = MCLASS_ABSENCE1,
				   .name_absent = MCLASS_ABSENCE2},
	[HS_CALLER_ID_ETSI] = {.standard = ADSI_STANDARD_CLIP,
			       .silence_ms = 600,
			       .message = CLIP_MDMF_CALLERID,
			       .date = CLIP_DATETIME,
			       .number = CLIP_CALLER_NUMBER,
			       .name = CLIP_CALLER_NAME,
			       .number_absent = CLIP_ABSENCE1,
			       .name_absent = CLIP_ABSENCE2},
	[HS_CALLER_ID_ETSI_BEFORE] = {.way = {.before_ring = true},
				      .standard = ADSI_STANDARD_CLIP,
				      .has_alert = true,
				      .silence_ms = 100,
				      .message = CLIP_MDMF_CALLERID,
				      .date = CLIP_DATETIME,
				      .number = CLIP_CALLER_NUMBER,
				      .name = CLIP_CALLER_NAME,
				      .number_absent = CLIP_ABSENCE1,
				      .name_absent = CLIP_ABSENCE2},
	[HS_CALLER_ID_UK] = {.way = {.before_ring = true, .is_reversed = true},
			     .standard = ADSI_STANDARD_CLIP,
			     .has_alert = true,
			     .silence_ms = 150,
			     .message = CLIP_MDMF_CALLERID,
			     .date = CLIP_DATETIME,
			     .number = CLIP_CALLER_NUMBER,
			     .name = CLIP_CALLER_NAME,
			     .number_absent = CLIP_ABSENCE1,
			     .name_absent = CLIP_ABSENCE2},
	[HS_CALLER_ID_DTMF] = {.way = {.before_ring = true, .is_reversed = true},
			       .standard = ADSI_STANDARD_CLIP_DTMF,
			       .silence_ms = 300,
			       .message = CLIP_DTMF_C_TERMINATED,
			       .number = CLIP_DTMF_C_CALLER_NUMBER,
			       .number_absent = CLIP_DTMF_C_ABSENCE},
	[HS_CALLER_ID_DTMF_PLAIN] = {.way = {.before_ring = true},
				     .standard = ADSI_STANDARD_CLIP_DTMF,
				     .silence_ms = 300,
				     .message = CLIP_DTMF_C_TERMINATED,
				     .number = CLIP_DTMF_C_CALLER_NUMBER,
				     .number_absent = CLIP_DTMF_C_ABSENCE},
	[HS_CALLER_ID_DTMF_HASH] = {.way = {.before_ring = true, .is_reversed = true},
				    .standard = ADSI_STANDARD_CLIP_DTMF,
				    .silence_ms = 300,
				    .message = CLIP_DTMF_HASH_TERMINATED,
				    .number = CLIP_DTMF_HASH_CALLER_NUMBER,
				    .number_absent = CLIP_DTMF_HASH_ABSENCE},
	[HS_CALLER_ID_DTMF_AFTER] = {.standard = ADSI_STANDARD_CLIP_DTMF,
				     .silence_ms = 600,
				     .message = CLIP_DTMF_C_TERMINATED,
				     .number = CLIP_DTMF_C_CALLER_NUMBER,
				     .number_absent = CLIP_DTMF_C_ABSENCE},
};

/* No signal announces these to the telephone but what the variant says: it listens on hook always. */
static const struct variant lamps[] = {
	[HS_LAMP_BELLCORE] = {.standard = ADSI_STANDARD_CLASS,
			      .silence_ms = 300,
			      .message = CLASS_MDMF_MSG_WAITING,
			      .lamp = MCLASS_VISUAL_INDICATOR},
	[HS_LAMP_ETSI] = {.standard = ADSI_STANDARD_CLIP,
			  .has_alert = true,
			  .silence_ms = 300,
			  .message = CLIP_MDMF_MSG_WAITING,
			  .lamp = CLIP_VISUAL_INDICATOR,
			  .messages = CLIP_NUM_MSG},
	[HS_LAMP_ETSI_RING] = {.way = {.ring_ms = 250},
			       .standard = ADSI_STANDARD_CLIP,
			       .silence_ms = 600,
			       .message = CLIP_MDMF_MSG_WAITING,
			       .lamp = CLIP_VISUAL_INDICATOR,
			       .messages = CLIP_NUM_MSG},
	[HS_LAMP_ETSI_REVERSAL] = {.way = {.is_reversed = true},
				   .standard = ADSI_STANDARD_CLIP,
				   .has_alert = true,
				   .silence_ms = 150,
				   .message = CLIP_MDMF_MSG_WAITING,
				   .lamp = CLIP_VISUAL_INDICATOR,
				   .messages = CLIP_NUM_MSG},
};

static const struct variant *find(enum hs_caller_id kind)
{
	return (size_t)kind < HS_COUNT(variants) && variants[kind].standard ? &variants[kind] : NULL;
}

const struct callerid_way *callerid_way(enum hs_caller_id kind)
{
	static const struct callerid_way none;
	const struct variant *variant = find(kind);

	return variant ? &variant->way : &none;
}

const struct callerid_way *callerid_lamp_way(enum hs_lamp kind)
{
	return (size_t)kind < HS_COUNT(lamps) && lamps[kind].standard ? &lamps[kind].way : NULL;
}

/* ---- the message ---- */

struct message {
	adsi_tx_state_t *tx;
	uint8_t bytes[MESSAGE_BYTES];
	int length;
};

static void add_bytes(struct message *message, int type, const uint8_t *bytes, int count)
{
	message->length = adsi_add_field(message->tx, message->bytes, message->length, (uint8_t)type, bytes, count);
}

static void add(struct message *message, int type, const char *text)
{
	add_bytes(message, type, (const uint8_t *)text, (int)strlen(text));
}

/* Who has no number is told by the id of his line: that is a name, and its digits would be somebody else's number. */
static bool is_number(const char *text)
{
	for (; text && *text; text++)
		if (isalpha((unsigned char)*text) || (unsigned char)*text >= 0x80)
			return false;
	return text != NULL;
}

/* Digits only: that is all that a display is sent. */
static void clean_number(const char *number, char ret_text[NUMBER_BYTES])
{
	size_t used = 0;

	if (!is_number(number))
		number = NULL;
	for (; number && *number && used < NUMBER_BYTES - 1; number++)
		if (isdigit((unsigned char)*number) || *number == '*' || *number == '#')
			ret_text[used++] = *number;
	ret_text[used] = 0;
}

/* Displays know ASCII; of other letters one question mark is shown for each. */
static void clean_name(const char *name, char ret_text[NAME_BYTES])
{
	size_t used = 0;

	for (; name && *name && used < NAME_BYTES - 1; name++) {
		unsigned char c = (unsigned char)*name;

		if (c >= 0x80 && c < 0xc0)
			continue; /* the rest of a letter */
		ret_text[used++] = c >= ' ' && c < 0x7f ? (char)c : '?';
	}
	ret_text[used] = 0;
}

static void add_number(struct message *message, const struct variant *variant, const char *number)
{
	char text[NUMBER_BYTES];

	clean_number(number, text);
	if (text[0])
		add(message, variant->number, text);
	else
		add(message, variant->number_absent,
		    variant->standard != ADSI_STANDARD_CLIP_DTMF ? "O"
		    : variant->message == CLIP_DTMF_C_TERMINATED ? "10"
								 : "1");
}

static void write_fsk(struct message *message, const struct variant *variant, const struct callerid *callerid)
{
	const char *number = callerid->number;
	char date[9], name[NAME_BYTES];

	strftime(date, sizeof(date), "%m%d%H%M", &callerid->now);
	clean_name(callerid->name || is_number(number) ? callerid->name : number, name);
	add(message, variant->message, "");
	add(message, variant->date, date);
	add_number(message, variant, number);
	if (name[0])
		add(message, variant->name, name);
}

static void write_dtmf(struct message *message, const struct variant *variant, const struct callerid *callerid)
{
	add(message, variant->message, "");
	add_number(message, variant, callerid->number);
}

static void write_lamp(struct message *message, const struct variant *variant, int messages)
{
	const uint8_t lit = messages > 0 ? 0xff : 0x00, count = (uint8_t)(messages < 255 ? messages : 255);

	add(message, variant->message, "");
	add_bytes(message, variant->lamp, &lit, 1);
	if (variant->messages)
		add_bytes(message, variant->messages, &count, 1);
}

/* ---- the sound ---- */

static void begin(struct message *message, const struct variant *variant)
{
	*message = (struct message){.tx = adsi_tx_init(NULL, variant->standard), .length = -1};
	if (!message->tx)
		abort(); /* out of memory, as everywhere */
	if (variant->has_alert)
		adsi_tx_send_alert_tone(message->tx);
}

static uint8_t encode(enum hs_codec law, int16_t sample)
{
	return law == HS_CODEC_PCMA ? linear_to_alaw(sample) : linear_to_ulaw(sample);
}

/* Ends the message: its sound after a pause. */
static uint8_t *render(struct message *message, const struct variant *variant, enum hs_codec law, size_t *ret_samples)
{
	AUTO(free) int16_t *linear = hs_zalloc(SAMPLES_MAX * sizeof(*linear));
	size_t total = (size_t)variant->silence_ms * RATE;
	uint8_t *sound;

	adsi_tx_put_message(message->tx, message->bytes, message->length);
	for (int made; total < SAMPLES_MAX; total += (size_t)made) {
		int room = (int)(SAMPLES_MAX - total);

		made = adsi_tx(message->tx, linear + total, room < 160 ? room : 160);
		if (made <= 0)
			break;
	}
	adsi_tx_free(message->tx);
	sound = hs_zalloc(total);
	for (size_t i = 0; i < total; i++)
		sound[i] = encode(law, linear[i]);
	*ret_samples = total;
	return sound;
}

uint8_t *callerid_make(const struct callerid *callerid, enum hs_codec law, size_t *ret_samples)
{
	const struct variant *variant = find(callerid->kind);
	struct message message;

	if (!variant)
		return NULL;
	begin(&message, variant);
	if (variant->standard == ADSI_STANDARD_CLIP_DTMF)
		write_dtmf(&message, variant, callerid);
	else
		write_fsk(&message, variant, callerid);
	return render(&message, variant, law, ret_samples);
}

uint8_t *callerid_make_lamp(enum hs_lamp kind, int messages, enum hs_codec law, size_t *ret_samples)
{
	struct message message;

	if (!callerid_lamp_way(kind))
		return NULL;
	begin(&message, &lamps[kind]);
	write_lamp(&message, &lamps[kind], messages);
	return render(&message, &lamps[kind], law, ret_samples);
}
