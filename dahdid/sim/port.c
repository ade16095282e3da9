#include "port.h"
#include <dahdi/user.h>
#include <errno.h>
#include <string.h>

static const struct port_kind *kind(const struct port *port)
{
	return port->is_fxo ? &fxo_kind : &fxs_kind;
}

static int signalling(const struct port *port)
{
	return port->is_fxo ? DAHDI_SIG_FXSKS : DAHDI_SIG_FXOKS;
}

void port_init(struct port *port, int number, bool is_fxo, enum law law, const struct zone *zone, bool loaded)
{
	*port = (struct port){.is_fxo = is_fxo, .plugged = true, .zone = zone};
	chan_init(&port->chan, number, number, signalling(port), law, loaded ? zone : NULL);
	port->chan.card = &kind(port)->card;
	port->chan.owner = port;
	port->chan.has_canceller = !is_fxo;
	port->voice.hook = kind(port)->hook;
	port->voice.owner = port;
	kind(port)->init(port);
	kind(port)->plug(port);
}

void port_finish(struct port *port)
{
	kind(port)->finish(port);
	voice_finish(&port->voice);
	chan_finish(&port->chan);
}

void port_plug(struct port *port, bool configured)
{
	struct chan old = port->chan;

	chan_finish(&port->chan);
	chan_init(&port->chan, old.number, old.position, configured ? signalling(port) : 0, old.default_law, old.zones);
	port->chan.card = old.card;
	port->chan.owner = port;
	port->chan.has_canceller = old.has_canceller;
	port->plugged = true;
	kind(port)->plug(port);
}

/* A direction that is silenced passes silence for as long as it was told. */
static const uint8_t *unless_quiet(struct port *port, int *left_ms, const uint8_t *samples, uint8_t *silence)
{
	if (!*left_ms)
		return samples;
	--*left_ms;
	memset(silence, law_silence(port->chan.default_law), CHAN_CHUNK);
	return silence;
}

void port_tick(struct port *port, int64_t now_ms)
{
	uint8_t out[CHAN_CHUNK], in[CHAN_CHUNK], silence[CHAN_CHUNK], quiet[CHAN_CHUNK];

	port->now_ms = now_ms;
	memset(out, law_silence(port->chan.default_law), sizeof(out));
	if (port->plugged)
		chan_tick_out(&port->chan, out);
	kind(port)->tick(port);
	const uint8_t *received = kind(port)->line(port, unless_quiet(port, &port->quiet_out_ms, out, quiet), in);

	received = unless_quiet(port, &port->quiet_in_ms, received, silence);
	if (port->plugged)
		chan_tick_in(&port->chan, received);
}

int port_ioctl(struct port *port, unsigned int command, void *argument)
{
	return kind(port)->ioctl(port, command, argument);
}
