/* Wiretap: what stands between Sofia and the kernel. Sofia's calls land here because the executable defines them.
 * Called by libsofia-sip-ua (bind, accept, epoll_create, su_getmsgsize, su_vrecv, su_vsend, su_getaddrinfo) and set up
 * by agent. Owns the kept descriptors and the kernel filter. It keeps SIP sockets alive over a restart, drops what must
 * not reach the parser, counts and shows every message, and never lets the library ask a name server.
 */
#ifndef WIRETAP_H
#define WIRETAP_H

#include "keeper.h"
#include "peek.h"
#include "sources.h"
#include <sys/socket.h>

struct wiretap_message {
	const struct sockaddr *peer;
	bool stream; /* TCP: whole messages, as long as their ends can be told */
	bool sent;
	const struct peek *peek;
};

/* Who sends, as far as an address tells. */
enum wiretap_peer {
	WIRETAP_STRANGER,
	WIRETAP_NEIGHBOUR, /* a phone is registered from the same address */
	WIRETAP_PHONE,     /* it is that phone: same address, port and transport */
};

struct wiretap_setup {
	struct sources *sources;
	struct hs_keep *keep; /* holds the connections that phones open, for a successor; NULL: nobody does */
	enum wiretap_peer (*who)(void *context, const struct sockaddr *peer, bool stream);
	int udp_fd, tcp_fd; /* bound already; ours from now on. -1: none */
	uint16_t port;      /* SIP port: tells our sockets from others */

	/* Sees each message that passes, either way. */
	void (*seen)(void *context, const struct wiretap_message *message);
	void *context;
};

/* Before anything of Sofia's is made. */
void wiretap_open(const struct wiretap_setup *setup);

/* Takes the connections that a predecessor left; accept_one makes the library accept one at once, and gets it. */
void wiretap_adopt(void (*accept_one)(void *context), void *context);

/* What the library has read of streams is dealt with: a successor need not see it again. After each of its steps. */
void wiretap_taken(void);

/* Descriptor of su_root's epoll, to sleep on; -1: Sofia did not make one. */
int wiretap_epoll(void);

/* The kernel's filter learns who is banned now. */
void wiretap_refresh_bans(void);

/* True: what Sofia sends from now on is lost, for a predecessor sent it already. */
void wiretap_mute(bool mute);

/* How long the last datagram waited for us, where all of the last while did; 0: they are taken as they come. */
int64_t wiretap_delay_ms(void);

/* Closes what Sofia did not take. */
void wiretap_close(void);

#endif
