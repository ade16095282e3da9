#include "signals.h"
#include "cleanup.h"
#include <spandsp.h>
#include <stdlib.h>
#include <string.h>

struct adsi_sender {
	adsi_tx_state_t *modem;
};

struct key_listener {
	dtmf_rx_state_t *keys;
	void (*heard)(void *owner, char key);
	void *owner;
};

struct adsi_sender *signals_identity(const char *number, const char *name)
{
	struct adsi_sender *sender = hs_zalloc(sizeof(*sender));
	uint8_t message[256];
	int length;

	sender->modem = adsi_tx_init(NULL, ADSI_STANDARD_CLASS);
	length = adsi_add_field(sender->modem, message, -1, CLASS_MDMF_CALLERID, NULL, 0);
	if (number[0])
		length = adsi_add_field(sender->modem, message, length, MCLASS_CALLER_NUMBER, (const uint8_t *)number,
					(int)strlen(number));
	else
		length = adsi_add_field(sender->modem, message, length, MCLASS_ABSENCE1, (const uint8_t *)"P", 1);
	if (name[0])
		length = adsi_add_field(sender->modem, message, length, MCLASS_CALLER_NAME, (const uint8_t *)name,
					(int)strlen(name));
	adsi_tx_put_message(sender->modem, message, length);
	return sender;
}

bool signals_send(struct adsi_sender *sender, int16_t *ret_samples, int count)
{
	int made = adsi_tx(sender->modem, ret_samples, count);

	memset(ret_samples + made, 0, (size_t)(count - made) * sizeof(int16_t));
	return made == count;
}

void signals_sender_destroy(struct adsi_sender *sender)
{
	if (!sender)
		return;
	adsi_tx_free(sender->modem);
	free(sender);
}

static void heard(void *context, const char *keys, int count)
{
	struct key_listener *listener = context;

	for (int i = 0; i < count; i++)
		listener->heard(listener->owner, keys[i]);
}

struct key_listener *signals_keys(void (*told)(void *owner, char key), void *owner)
{
	struct key_listener *listener = hs_zalloc(sizeof(*listener));

	listener->heard = told;
	listener->owner = owner;
	listener->keys = dtmf_rx_init(NULL, heard, listener);
	return listener;
}

void signals_listen(struct key_listener *listener, const int16_t *samples, int count)
{
	dtmf_rx(listener->keys, samples, count);
}

void signals_keys_destroy(struct key_listener *listener)
{
	if (!listener)
		return;
	dtmf_rx_free(listener->keys);
	free(listener);
}
