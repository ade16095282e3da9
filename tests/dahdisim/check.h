/* What the unit tests of dahdisim begin with: cmocka in the order it wants, and a port that lives without a file
 * system. Included by tests/dahdisim/test_*.c. Owns nothing.
 */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "port.h"
#include <dahdi/user.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A port with its zone, its descriptor open and non-blocking, blocks of 20 ms. */
static inline struct port *make_port(bool is_fxo)
{
	static struct zone zone;
	static struct port port;

	law_setup();
	assert_int_equal(zone_load(&zone, "us"), 0);
	port_init(&port, 1, is_fxo, LAW_MULAW, &zone, true);
	assert_int_equal(chan_open(&port.chan, true), 0);
	chan_use_blocks(&port.chan, 160, 4, 0);
	return &port;
}

static inline void run_ms(struct port *port, int ms)
{
	while (ms-- > 0)
		port_tick(port, port->now_ms + 1);
}

static inline int take(struct port *port)
{
	return events_take(&port->chan.events);
}

/* Ticks until an event comes; how many milliseconds that took, or -1 after limit_ms. */
static inline int await_event(struct port *port, int event, int limit_ms)
{
	for (int ms = 0; ms <= limit_ms; ms++) {
		for (int got = take(port); got; got = take(port)) {
			if (got == event)
				return ms;
		}
		run_ms(port, 1);
	}
	return -1;
}

static inline void move(struct port *port, bool off)
{
	assert_true(voice_add(&port->voice, &(struct voice_step){.kind = VOICE_HOOK, .off = off}, 1));
	run_ms(port, 1);
}

#endif
