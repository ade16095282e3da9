#include "begin.h"
#include "cleanup.h"
#include "port.h"
#include "serve.h"
#include "wall.h"

static const struct hs_layout layouts[] = {HS_LAYOUT("port", 1, struct port_record)};

static const struct hs_daemon dahdid = {
	.name = "dahdid",
	.role = HS_ROLE_DAHDID,
	.sandbox = &dahdid_wall,
	.journal_bytes = 4 << 20,
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
	return hs_daemon_main(argc, argv, &dahdid);
}
