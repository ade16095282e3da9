/* The front's table: what its keeper opens, what starts and stops. */
#include "front.h"
#include "open.h"
#include "wall.h"

static const struct hs_daemon front = {
	.name = "api-front",
	.role = HS_ROLE_API_FRONT,
	.sandbox = &front_wall,
	.open = open_sockets,
	.start = front_start,
	.stop = front_stop,
	.finish = front_finish,
};

int main(int argc, char **argv)
{
	return hs_daemon_main(argc, argv, &front);
}
