#include "pulse.h"
#include "clock.h"
#include "dahdid.h"

void pulse_began(struct port *port)
{
	port->pulsed_at_ms = hs_clock_ms();
}

/* One break is a recall where no dial is expected; several are never one. */
void pulse_ended(struct port *port, char digit)
{
	const char text[] = {digit, 0};

	if (port->settings.short_break == HS_SHORT_BREAK_DIGITS)
		port_step(port, PORT_PULSED, text);
	else if (port->settings.short_break == HS_SHORT_BREAK_FLASH && digit == '1')
		port_step(port, PORT_FLASHED, NULL);
}
