/* doctor: whether names resolve and somebody listens where operator and webhooks are said to be. */
#include "cleanup.h"
#include "doctor.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIAL_MS 3000

static const char mend_dial[] = "start the receiver, open the firewall, or correct the URL";

static char *part_of(CURLU *url, CURLUPart part)
{
	char *text = NULL, *copy;
	if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT))
		return NULL;
	copy = hs_strdup(text);
	curl_free(text);
	return copy;
}

/* 0 or -errno. */
static int dial(const struct addrinfo *address)
{
	struct pollfd waited = {.events = POLLOUT};
	int error = 0;
	socklen_t length = sizeof(error);
	AUTO(close) int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	waited.fd = fd;
	if (poll(&waited, 1, DIAL_MS) != 1)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return -error;
}

static void try_all(struct doctor *doctor, const char *about, const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;
	int error = getaddrinfo(host, port, &hints, &all);
	if (error) {
		doctor_find(doctor, FINDING_FAULT, about, "correct the URL, or /etc/resolv.conf",
			    "%s does not resolve: %s", host, gai_strerror(error));
		return;
	}
	error = -EHOSTUNREACH;
	for (const struct addrinfo *one = all; one && error; one = one->ai_next)
		error = dial(one);
	freeaddrinfo(all);
	if (error)
		doctor_find(doctor, FINDING_FAULT, about, mend_dial, "nobody answers at %s port %s: %s", host, port,
			    strerror(-error));
	else
		doctor_find(doctor, FINDING_OK, about, NULL, "somebody listens at %s port %s", host, port);
}

static void examine(struct doctor *doctor, const char *about, const char *text)
{
	CURLU *url = curl_url();
	bool is_ws = !strncmp(text, "ws://", 5), is_wss = !strncmp(text, "wss://", 6);
	AUTO(free) char *as_http = is_ws || is_wss ? hs_printf("http%s", text + 2) : hs_strdup(text);
	if (curl_url_set(url, CURLUPART_URL, as_http, 0)) {
		doctor_find(doctor, FINDING_FAULT, about, "write it as scheme://host:port/path", "this is no URL");
	} else {
		AUTO(free) char *host = part_of(url, CURLUPART_HOST);
		AUTO(free) char *port = part_of(url, CURLUPART_PORT);
		if (host && port)
			try_all(doctor, about, host, port);
	}
	curl_url_cleanup(url);
}

void doctor_reach(struct doctor *doctor)
{
	const struct hs_config *config = doctor->ctl->config;
	const struct hs_config_outgoing *outgoing = config->webhooks->outgoing;
	if (config->operator->websocket_url)
		examine(doctor, "operator", config->operator->websocket_url);
	else
		doctor_find(doctor, FINDING_OK, "operator", NULL,
			    "operator.websocket_url is not set: an operator connects to us, or works by REST");
	if (outgoing->state && outgoing->state->url)
		examine(doctor, "webhooks", outgoing->state->url);
	if (outgoing->dtmf && outgoing->dtmf->url)
		examine(doctor, "webhooks", outgoing->dtmf->url);
}
