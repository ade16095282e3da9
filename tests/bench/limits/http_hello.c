/* http_hello: the least a REST answer can cost with libmicrohttpd: one epoll thread, a ready 200-byte JSON body.
 *
 *   http_hello PORT
 */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *body, size_t *body_bytes, void **state)
{
	static int seen;
	(void)url, (void)method, (void)version, (void)body, (void)body_bytes;
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	return MHD_queue_response(connection, 200, context);
}

int main(int argc, char **argv)
{
	static char body[200];
	if (argc != 2)
		return 2;
	memset(body, 'x', sizeof(body));
	memcpy(body, "{\"a\":\"", 6);
	memcpy(body + sizeof(body) - 2, "\"}", 2);
	struct MHD_Response *response = MHD_create_response_from_buffer(sizeof(body), body, MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(response, "Content-Type", "application/json");
	if (!MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)strtol(argv[1], NULL, 10), NULL, NULL, answer,
			      response, MHD_OPTION_END)) {
		perror("http_hello");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
}
