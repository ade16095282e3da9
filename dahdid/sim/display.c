#include "display.h"
#include "cleanup.h"
#include <spandsp.h>
#include <stdlib.h>
#include <string.h>

enum {
	MESSAGE_LAMP_SINGLE = 0x06,
	MESSAGE_CALL_SINGLE = 0x04,
	MESSAGE_CALL = 0x80,
	MESSAGE_LAMP = 0x82,
	FIELD_DATE = 0x01,
	FIELD_NUMBER = 0x02,
	FIELD_NO_NUMBER = 0x04,
	FIELD_NAME = 0x07,
	FIELD_LAMP = 0x0b,
	FIELD_WAITING = 0x13,
};

#define KEYS_MAX 32
#define SINGLE_DATE 8 /* MMDDHHMM, before the number of a single-parameter message */

struct display {
	void (*told)(void *owner, const struct display_message *message);
	void *owner;
	adsi_rx_state_t *bell, *v23;
	dtmf_rx_state_t *keys;
	char heard[KEYS_MAX];
	uint8_t last[256]; /* both FSK receivers may hear the same message */
	int last_count;
	int64_t samples, last_at;
};

/* Printable text only; a display shows nothing else. */
static void show(char *ret_text, const uint8_t *bytes, size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i < count && at < DISPLAY_TEXT - 1; i++) {
		if (bytes[i] >= ' ' && bytes[i] < 0x7f)
			ret_text[at++] = (char)bytes[i];
	}
	ret_text[at] = '\0';
}

static void take_field(struct display_message *message, uint8_t field, const uint8_t *bytes, size_t count)
{
	switch (field) {
	case FIELD_DATE:
		show(message->date, bytes, count);
		break;
	case FIELD_NUMBER:
		show(message->number, bytes, count);
		break;
	case FIELD_NAME:
		show(message->name, bytes, count);
		break;
	case FIELD_NO_NUMBER:
		message->absent = count && (bytes[0] == 'P' || bytes[0] == 'O') ? (char)bytes[0] : 'O';
		break;
	case FIELD_LAMP:
		message->lamp = count && bytes[0] == 0xff;
		break;
	case FIELD_WAITING:
		message->waiting = count ? bytes[0] : 0;
		break;
	default:
		break;
	}
}

static bool take_fields(struct display_message *message, const uint8_t *bytes, size_t count)
{
	size_t at = 0;

	while (at + 2 <= count) {
		size_t length = bytes[at + 1];

		if (at + 2 + length > count)
			return false;
		take_field(message, bytes[at], bytes + at + 2, length);
		at += 2 + length;
	}
	return at == count;
}

static bool take_single(struct display_message *message, const uint8_t *bytes, size_t count)
{
	if (count < SINGLE_DATE)
		return false;
	show(message->date, bytes, SINGLE_DATE);
	if (count == SINGLE_DATE + 1 && (bytes[SINGLE_DATE] == 'P' || bytes[SINGLE_DATE] == 'O'))
		message->absent = (char)bytes[SINGLE_DATE];
	else
		show(message->number, bytes + SINGLE_DATE, count - SINGLE_DATE);
	return true;
}

bool display_parse(const uint8_t *bytes, size_t count, struct display_message *ret_message)
{
	struct display_message message = {.kind = DISPLAY_CALLER, .means = "fsk"};
	bool good = false;

	if (count < 2 || (size_t)bytes[1] + 2 > count)
		return false;
	count = bytes[1];
	switch (bytes[0]) {
	case MESSAGE_CALL:
		good = take_fields(&message, bytes + 2, count);
		break;
	case MESSAGE_CALL_SINGLE:
		good = take_single(&message, bytes + 2, count);
		break;
	case MESSAGE_LAMP:
		message.kind = DISPLAY_LAMP;
		good = take_fields(&message, bytes + 2, count);
		break;
	case MESSAGE_LAMP_SINGLE:
		message.kind = DISPLAY_LAMP;
		message.lamp = count && bytes[2] == 0x42;
		good = count > 0;
		break;
	default:
		break;
	}
	if (good)
		*ret_message = message;
	return good;
}

bool display_keys(const char *keys, struct display_message *ret_message)
{
	size_t length = strlen(keys);

	if (length < 2 || (keys[0] != 'A' && keys[0] != 'D' && keys[0] != 'B'))
		return false;
	if (keys[length - 1] != 'C' && keys[length - 1] != '#')
		return false;
	struct display_message message = {.kind = DISPLAY_CALLER, .means = "dtmf"};

	if (keys[0] == 'B')
		message.absent = keys[1] == '1' || !strncmp(keys + 1, "00", 2) ? 'P' : 'O';
	else
		show(message.number, (const uint8_t *)keys + 1, length - 2);
	*ret_message = message;
	return true;
}

/* ---- Hearing ---- */

static void heard_message(void *context, const uint8_t *bytes, int count)
{
	struct display *display = context;
	struct display_message message;
	bool same = count == display->last_count && !memcmp(bytes, display->last, (size_t)count) &&
		    display->samples - display->last_at < 8000;

	if (count <= 0 || (size_t)count > sizeof(display->last) || same)
		return;
	memcpy(display->last, bytes, (size_t)count);
	display->last_count = count;
	display->last_at = display->samples;
	if (display_parse(bytes, (size_t)count, &message))
		display->told(display->owner, &message);
}

static void heard_keys(void *context, const char *keys, int count)
{
	struct display *display = context;
	struct display_message message;

	for (int i = 0; i < count; i++) {
		size_t have = strlen(display->heard);

		if (have + 1 >= sizeof(display->heard))
			have = 0;
		display->heard[have] = keys[i];
		display->heard[have + 1] = '\0';
		if (!display_keys(display->heard, &message))
			continue;
		display->heard[0] = '\0';
		display->told(display->owner, &message);
	}
}

struct display *display_create(void (*told)(void *owner, const struct display_message *message), void *owner)
{
	struct display *display = hs_zalloc(sizeof(*display));

	display->told = told;
	display->owner = owner;
	display->bell = adsi_rx_init(NULL, ADSI_STANDARD_CLASS, heard_message, display);
	display->v23 = adsi_rx_init(NULL, ADSI_STANDARD_CLIP, heard_message, display);
	display->keys = dtmf_rx_init(NULL, heard_keys, display);
	return display;
}

void display_destroy(struct display *display)
{
	if (!display)
		return;
	adsi_rx_free(display->bell);
	adsi_rx_free(display->v23);
	dtmf_rx_free(display->keys);
	free(display);
}

void display_restart(struct display *display)
{
	adsi_rx_free(display->bell);
	adsi_rx_free(display->v23);
	dtmf_rx_free(display->keys);
	display->bell = adsi_rx_init(NULL, ADSI_STANDARD_CLASS, heard_message, display);
	display->v23 = adsi_rx_init(NULL, ADSI_STANDARD_CLIP, heard_message, display);
	display->keys = dtmf_rx_init(NULL, heard_keys, display);
	display->heard[0] = '\0';
	display->last_count = 0;
}

void display_hear(struct display *display, const int16_t *samples, int count)
{
	display->samples += count;
	adsi_rx(display->bell, samples, count);
	adsi_rx(display->v23, samples, count);
	dtmf_rx(display->keys, samples, count);
}
