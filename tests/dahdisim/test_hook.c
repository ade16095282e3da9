/* The hook machine: hang-up time, flash and pulses at their edges, cadences, the battery drop and what it swallows. The
 * millisecond in which a hook moves counts already, as in the driver. */
#include "check.h"

static void settle_on_hook(struct port *port)
{
	move(port, true);
	move(port, false);
	run_ms(port, 2000);
	events_clear(&port->chan.events);
	chan_hook(&port->chan, DAHDI_RINGOFF);
}

static void answer(struct port *port)
{
	settle_on_hook(port);
	move(port, true);
	assert_int_equal(await_event(port, DAHDI_EVENT_RINGOFFHOOK, 10), 0);
	assert_int_equal(chan_hook(&port->chan, DAHDI_OFFHOOK), 0);
	run_ms(port, 700);
}

/* What a time on hook of so many milliseconds is taken for. */
static int on_hook_for(struct port *port, int ms)
{
	move(port, false);
	run_ms(port, ms - 1);
	move(port, true);
	return take(port);
}

static void test_edges_of_pulse_and_flash(void **state)
{
	struct port *port = make_port(false);

	answer(port);
	assert_int_equal(on_hook_for(port, 14), 0);
	assert_int_equal(on_hook_for(port, 15), DAHDI_EVENT_PULSE_START);
	assert_int_equal(await_event(port, DAHDI_EVENT_PULSEDIGIT | '1', 300), 249);
	assert_int_equal(on_hook_for(port, 200), DAHDI_EVENT_PULSE_START);
	run_ms(port, 300);
	events_clear(&port->chan.events);
	assert_int_equal(on_hook_for(port, 201), DAHDI_EVENT_WINKFLASH);
	assert_int_equal(on_hook_for(port, 1249), DAHDI_EVENT_WINKFLASH);
	assert_int_equal(on_hook_for(port, 1251), DAHDI_EVENT_ONHOOK);
	assert_int_equal(take(port), DAHDI_EVENT_RINGOFFHOOK);
	port_finish(port);
}

static void test_pulse_digits(void **state)
{
	static const int digits[] = {'1', '5', '9', '0', '*', '#'};
	static const int pulses[] = {1, 5, 9, 10, 11, 12};
	struct port *port = make_port(false);

	answer(port);
	for (size_t i = 0; i < sizeof(pulses) / sizeof(pulses[0]); i++) {
		for (int n = 0; n < pulses[i]; n++) {
			move(port, false);
			run_ms(port, 60);
			move(port, true);
			run_ms(port, 40);
		}
		assert_int_equal(take(port), DAHDI_EVENT_PULSE_START);
		assert_true(await_event(port, DAHDI_EVENT_PULSEDIGIT | digits[i], 300) > 0);
	}
	port_finish(port);
}

static void test_thirteen_pulses_are_no_digit(void **state)
{
	struct port *port = make_port(false);

	answer(port);
	for (int n = 0; n < 13; n++) {
		move(port, false);
		run_ms(port, 60);
		move(port, true);
		run_ms(port, 40);
	}
	assert_int_equal(take(port), DAHDI_EVENT_PULSE_START);
	run_ms(port, 400);
	assert_int_equal(take(port), 0);
	port_finish(port);
}

static void test_hang_up_during_debounce(void **state)
{
	struct port *port = make_port(false);

	settle_on_hook(port);
	move(port, true);
	chan_hook(&port->chan, DAHDI_OFFHOOK);
	move(port, false);
	assert_int_equal(await_event(port, DAHDI_EVENT_ONHOOK, 3000), 600 + 1250 - 2);
	port_finish(port);
}

static void test_cadence(void **state)
{
	const int cadence[ZONE_CADENCE] = {300, 200, -100, 400};
	struct port *port = make_port(false);

	settle_on_hook(port);
	chan_cadence(&port->chan, cadence);
	assert_int_equal(chan_hook(&port->chan, DAHDI_RING), -EINPROGRESS);
	assert_int_equal(chan_hook(&port->chan, DAHDI_RING), -EBUSY);
	assert_int_equal(await_event(port, DAHDI_EVENT_RINGEROFF, 1000), 300);
	assert_int_equal(await_event(port, DAHDI_EVENT_RINGERON, 1000), 200);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(await_event(port, DAHDI_EVENT_RINGEROFF, 1000), 100);
		assert_int_equal(await_event(port, DAHDI_EVENT_RINGERON, 1000), 400);
	}
	assert_true(port->fxs.ringing);
	assert_int_equal(chan_hook(&port->chan, DAHDI_RINGOFF), 0);
	assert_false(port->fxs.ringing);
	assert_int_equal(port->fxs.rings, 5);
	port_finish(port);
}

static void test_drop_and_what_it_swallows(void **state)
{
	struct port *port = make_port(false);

	answer(port);
	assert_int_equal(chan_hook(&port->chan, DAHDI_ONHOOK), 0);
	assert_int_equal(port->fxs.feed, FEED_OPEN);
	assert_int_equal(chan_hook(&port->chan, DAHDI_OFFHOOK), -EBUSY);
	assert_int_equal(await_event(port, DAHDI_EVENT_HOOKCOMPLETE, 1000), 500);
	assert_int_equal(port->fxs.feed, FEED_FORWARD);
	move(port, false); /* in the 300 ms after the drop: nobody will ever hear of it */
	assert_int_equal(await_event(port, DAHDI_EVENT_ONHOOK, 3000), -1);
	assert_false(chan_is_off_hook(&port->chan));

	answer(port);
	chan_hook(&port->chan, DAHDI_ONHOOK);
	run_ms(port, 200);
	move(port, false);
	assert_int_equal(await_event(port, DAHDI_EVENT_ONHOOK, 3000), 800 - 200 - 1);
	port_finish(port);
}

static void test_no_zone_no_ring(void **state)
{
	struct port *port = make_port(false);

	chan_close(&port->chan);
	port->chan.zones = NULL;
	assert_int_equal(chan_open(&port->chan, true), 0);
	assert_int_equal(chan_hook(&port->chan, DAHDI_RING), -ENODATA);
	assert_int_equal(chan_tone(&port->chan, DAHDI_TONE_DIALTONE), -ENODATA);
	assert_int_equal(chan_dial(&port->chan, DAHDI_DIAL_OP_REPLACE, "T1"), -ENODATA);
	port_finish(port);
}

static void test_exchange_rings(void **state)
{
	struct port *port = make_port(true);

	run_ms(port, 2100);
	port->fxo.ring_wanted = true;
	assert_int_equal(await_event(port, DAHDI_EVENT_RINGBEGIN, 100), 1);
	assert_int_equal(await_event(port, DAHDI_EVENT_RINGOFFHOOK, 3000), 2049);
	port_finish(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges_of_pulse_and_flash),
		cmocka_unit_test(test_pulse_digits),
		cmocka_unit_test(test_thirteen_pulses_are_no_digit),
		cmocka_unit_test(test_hang_up_during_debounce),
		cmocka_unit_test(test_cadence),
		cmocka_unit_test(test_drop_and_what_it_swallows),
		cmocka_unit_test(test_no_zone_no_ring),
		cmocka_unit_test(test_exchange_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
