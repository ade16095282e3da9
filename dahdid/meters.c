#include "meters.h"
#include "metrics.h"
#include <stdio.h>

void meters_create(struct meters *meters)
{
	for (int kind = 1; kind < CHAN_EVENTS; kind++) {
		char labels[64];

		snprintf(labels, sizeof(labels), "event=\"%s\"", chan_event_name((enum chan_event_kind)kind));
		meters->events[kind] =
			hs_metric_counter("hookswitch_analog_events_total", labels, "Events of the DAHDI driver.");
	}
	meters->ports = hs_metric_gauge("hookswitch_analog_ports", "", "Analog ports of the configuration.");
	meters->reachable = hs_metric_gauge("hookswitch_analog_ports_reachable", "", "Those that can be rung.");
	meters->off_hook = hs_metric_gauge("hookswitch_analog_ports_off_hook", "", "Those whose handset is lifted.");
	meters->blocks_in = hs_metric_counter("hookswitch_analog_blocks_total", "direction=\"in\"", "Audio blocks.");
	meters->blocks_out = hs_metric_counter("hookswitch_analog_blocks_total", "direction=\"out\"", "Audio blocks.");
	meters->overruns = hs_metric_counter("hookswitch_analog_overruns_total", "",
					     "Audio blocks dropped because they came too late or too many.");
	meters->underruns = hs_metric_counter("hookswitch_analog_underruns_total", "",
					      "Times that a card had nothing to play in a call.");
	meters->lost = hs_metric_counter("hookswitch_analog_audio_lost_total", "",
					 "Audio blocks that the audio engine could not be given.");
	meters->queue_full = hs_metric_counter("hookswitch_analog_event_overflows_total", "",
					       "Times that a channel's event queue was full: events may be missing.");
	meters->events_left =
		hs_metric_counter("hookswitch_analog_events_left_total", "",
				  "Events that a predecessor took from the driver and died before it had told them.");
	meters->caller_ids = hs_metric_counter("hookswitch_analog_caller_ids_total", "result=\"sent\"",
					       "Caller identifications on a line.");
	meters->caller_ids_cut = hs_metric_counter("hookswitch_analog_caller_ids_total", "result=\"cut\"",
						   "Caller identifications on a line.");
	meters->lamps = hs_metric_counter("hookswitch_analog_lamps_total", "result=\"sent\"",
					  "Message-waiting indications by data on a line.");
	meters->lamps_cut = hs_metric_counter("hookswitch_analog_lamps_total", "result=\"cut\"",
					      "Message-waiting indications by data on a line.");
	meters->silence = hs_metric_histogram("hookswitch_analog_silence_seconds", "",
					      "How long nothing was heard of a call in which dahdid died.");
}
