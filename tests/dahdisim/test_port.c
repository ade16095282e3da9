/* A port with its far end: what passes on hook and off, ring trip, lamps, a cut cable, an exchange that is dialled. */
#include "check.h"
#include "fxo.h"

static int number_ioctl(struct port *port, unsigned int command, int number)
{
	return port_ioctl(port, command, &number);
}

/* Loudness of what the port reads in the next half second: is it silence. */
static bool reads_silence(struct port *port)
{
	uint8_t bytes[160], silence[160];
	bool silent = true;

	memset(silence, 0xff, sizeof(silence));
	chan_flush(&port->chan, DAHDI_FLUSH_ALL);
	for (int i = 0; i < 10; i++) {
		run_ms(port, 20);
		if (chan_read(&port->chan, bytes, sizeof(bytes)) == 160)
			silent &= !memcmp(bytes, silence, sizeof(bytes));
	}
	return silent;
}

static void test_ring_trip(void **state)
{
	struct port *port = make_port(false);

	chan_hook(&port->chan, DAHDI_RING);
	run_ms(port, 100);
	assert_true(port->fxs.ringing);
	move(port, true);
	assert_false(port->fxs.ringing);
	assert_int_equal(port->fxs.feed, FEED_FORWARD);
	assert_int_equal(take(port), DAHDI_EVENT_RINGOFFHOOK);
	assert_non_null(diary_find(&port->diary, 0, "ring_off"));
	port_finish(port);
}

static void test_transfer_after_a_ring(void **state)
{
	struct port *port = make_port(false);

	chan_hook(&port->chan, DAHDI_RING);
	run_ms(port, 2001);
	assert_int_equal(port->fxs.feed, FEED_ONHOOK_TRANSFER);
	chan_hook(&port->chan, DAHDI_RINGOFF);
	run_ms(port, 5900);
	assert_int_equal(port->fxs.feed, FEED_ONHOOK_TRANSFER);
	run_ms(port, 200);
	assert_int_equal(port->fxs.feed, FEED_FORWARD);
	assert_int_equal(number_ioctl(port, DAHDI_ONHOOKTRANSFER, 300), 0);
	assert_int_equal(port->fxs.feed, FEED_ONHOOK_TRANSFER);
	run_ms(port, 310);
	assert_int_equal(port->fxs.feed, FEED_FORWARD);
	port_finish(port);
}

static void test_lamp_and_polarity(void **state)
{
	struct dahdi_vmwi_info neon = {DAHDI_VMWI_HVAC}, reversal = {DAHDI_VMWI_LREV};
	struct port *port = make_port(false);

	assert_int_equal(number_ioctl(port, DAHDI_VMWI, 2), 0);
	assert_false(port_lamp(port));
	assert_int_equal(port_ioctl(port, DAHDI_VMWI_CONFIG, &neon), 0);
	assert_true(port_lamp(port));
	assert_int_equal(port->fxs.feed, FEED_FORWARD);
	assert_int_equal(port_ioctl(port, DAHDI_VMWI_CONFIG, &reversal), 0);
	assert_int_equal(port->fxs.feed, FEED_REVERSED);
	assert_int_equal(number_ioctl(port, DAHDI_SETPOLARITY, 1), 0);
	assert_int_equal(port->fxs.feed, FEED_FORWARD); /* reversed twice */
	assert_int_equal(number_ioctl(port, DAHDI_VMWI, 0), 0);
	assert_false(port_lamp(port));
	assert_int_equal(number_ioctl(port, DAHDI_VMWI, -1), -EFAULT);
	chan_hook(&port->chan, DAHDI_RING);
	assert_int_equal(number_ioctl(port, DAHDI_SETPOLARITY, 0), -EINVAL);
	port_finish(port);
}

static void test_speech_needs_a_closed_loop(void **state)
{
	struct port *port = make_port(false);
	struct voice_step key = {.kind = VOICE_KEY, .key = '5', .ms = 5000};

	voice_add(&port->voice, &key, 1);
	run_ms(port, 100);
	assert_true(reads_silence(port));
	voice_stop(&port->voice);
	move(port, true);
	assert_true(reads_silence(port));
	voice_add(&port->voice, &key, 1);
	assert_false(reads_silence(port));
	port_cut(port, true);
	assert_true(reads_silence(port));
	port_finish(port);
}

static void test_cut_cable(void **state)
{
	struct port *port = make_port(false);

	move(port, true);
	assert_int_equal(await_event(port, DAHDI_EVENT_RINGOFFHOOK, 5), 0);
	port_cut(port, true);
	assert_int_equal(await_event(port, DAHDI_EVENT_ONHOOK, 2000), 1250);
	chan_hook(&port->chan, DAHDI_RING);
	run_ms(port, 10);
	assert_false(port->fxs.ringing);
	port_cut(port, false);
	assert_int_equal(await_event(port, DAHDI_EVENT_RINGOFFHOOK, 5), 0);
	port_finish(port);
}

static void test_late_plug(void **state)
{
	struct port *port = make_port(false);

	move(port, true);
	chan_close(&port->chan);
	port_plug(port, false);
	assert_int_equal(chan_open(&port->chan, true), -ENXIO);
	port_plug(port, true);
	assert_int_equal(chan_open(&port->chan, true), 0);
	assert_false(chan_is_off_hook(&port->chan)); /* it has not moved since */
	port_finish(port);
}

static void dial(struct port *port, const char *digits)
{
	assert_int_equal(chan_dial(&port->chan, DAHDI_DIAL_OP_REPLACE, digits), 0);
	assert_true(await_event(port, DAHDI_EVENT_DIALCOMPLETE, 20000) > 0);
	run_ms(port, 300);
}

static void test_dialling_at_an_exchange(void **state)
{
	struct port *port = make_port(true);

	run_ms(port, 100);
	assert_int_equal(chan_hook(&port->chan, DAHDI_OFFHOOK), 0);
	run_ms(port, 700);
	assert_true(port->fxo.seized);
	assert_int_equal(port->fxo.sound, FXO_DIAL_TONE);
	assert_false(reads_silence(port));
	dial(port, "T159#");
	assert_string_equal(port->fxo.digits, "159#");
	assert_int_equal(port->fxo.sound, FXO_SILENCE);
	dial(port, "P30");
	assert_string_equal(port->fxo.digits, "159#30");
	chan_hook(&port->chan, DAHDI_ONHOOK);
	run_ms(port, 1000);
	assert_false(port->fxo.seized);
	port_finish(port);
}

static void test_exchange_calls(void **state)
{
	struct port *port = make_port(true);

	run_ms(port, 2100);
	assert_int_equal(fxo_ring(port, "5551234", "Ann"), 0);
	assert_true(await_event(port, DAHDI_EVENT_RINGBEGIN, 100) >= 0);
	run_ms(port, 2400);
	assert_false(reads_silence(port)); /* caller identity between the rings */
	assert_int_equal(chan_hook(&port->chan, DAHDI_OFFHOOK), 0);
	run_ms(port, 1000);
	assert_false(port->fxo.ring_wanted);
	assert_int_equal(fxo_ring(port, "", ""), -EBUSY);
	events_clear(&port->chan.events);
	fxo_reverse(port);
	assert_int_equal(take(port), DAHDI_EVENT_POLARITY);
	fxo_battery(port, false, 300);
	assert_int_equal(await_event(port, DAHDI_EVENT_ONHOOK, 300), 64);
	run_ms(port, 2000);
	assert_true(port->fxo.seen_battery);
	assert_int_equal(port->chan.alarms, 0);
	port_finish(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_trip),
		cmocka_unit_test(test_transfer_after_a_ring),
		cmocka_unit_test(test_lamp_and_polarity),
		cmocka_unit_test(test_speech_needs_a_closed_loop),
		cmocka_unit_test(test_cut_cable),
		cmocka_unit_test(test_late_plug),
		cmocka_unit_test(test_dialling_at_an_exchange),
		cmocka_unit_test(test_exchange_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
