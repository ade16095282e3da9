#include "begin.h"
#include "cleanup.h"
#include "dialog.h"
#include "locations.h"
#include "serve.h"
#include "wall.h"
#include "watcher.h"

static const struct hs_layout layouts[] = {
	HS_LAYOUT("binding", 1, struct binding),
	HS_LAYOUT("dialog", 1, struct dialog_record),
	HS_LAYOUT("fork", 1, struct dialog_fork),
	HS_LAYOUT("watcher", 1, struct watcher_record),
};

static const struct hs_daemon sipd = {
	.name = "sipd",
	.role = HS_ROLE_SIPD,
	.sandbox = &sipd_wall,
	.journal_bytes = 8 << 20,
	.layouts = layouts,
	.layouts_count = HS_COUNT(layouts),
	.keeps_legs = true,
	.doors = serve_doors,
	.doors_count = SERVE_DOORS,
	.open = begin_open,
	.start = begin_start,
	.stop = begin_stop,
	.finish = begin_finish,
};

int main(int argc, char **argv)
{
	return hs_daemon_main(argc, argv, &sipd);
}
