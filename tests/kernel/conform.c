/*
 * conform: what DAHDI does, seen from user space, as a trace that the simulator and the real driver must both give.
 *
 *   conform FOLDER HOW [SECTION...]     FOLDER: /dev/dahdi or where dahdisim is mounted
 *                                       HOW: card, or the path of dahdisim's socket
 *
 * Port 1 is an FXS port; the last section wants an FXO port 2. Times are told by the nearest of a few values, so that
 * the trace is the same each time; whatever may differ for good reasons is not told.
 */
#include "conform.h"
#include "probe.h"
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct section {
	const char *name;
	void (*run)(void);
} sections[] = {
	{"open", section_open},       {"params", section_params}, {"refusals", section_refusals},
	{"events", section_events},   {"hook", section_hook},     {"flash", section_flash},
	{"ring", section_ring},       {"drop", section_drop},     {"read", section_read},
	{"write", section_write},     {"tones", section_tones},   {"card", section_card},
	{"buffers", section_buffers}, {"timer", section_timer},   {"blocking", section_blocking},
	{"alarm", section_alarm},     {"fxo", section_fxo},       {"removal", section_removal},
};

static bool wanted(const char *name, int count, char **names)
{
	for (int i = 0; i < count; i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return !count;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: conform FOLDER card|SOCKET [SECTION...]\n", stderr);
		return 2;
	}
	probe.folder = argv[1];
	probe.how = argv[2];
	signal(SIGCHLD, SIG_DFL);
	probe.hand = handset_open(probe.how, 1);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (!wanted(sections[i].name, argc - 3, argv + 3))
			continue;
		printf("%s\n", sections[i].name);
		sections[i].run();
	}
	handset_close(probe.hand);
	return 0;
}
