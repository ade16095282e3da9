/* The agent: Sofia's nta on our loop, its sockets, and what every SIP room needs of it.
 * Called by main (create), and by the SIP rooms to send; calls request (what comes in) through its setup.
 * Owns su_root and the nta agent. libuv hosts su_root: its epoll descriptor is caught by wiretap, and it is stepped
 * before each sleep (the opposite nesting can sleep a second on ready work).
 */
#ifndef AGENT_H
#define AGENT_H

#include "sources.h"
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/tport.h>
#include <uv.h>

#define AGENT_URL 128
#define AGENT_CONTACT 256
#define AGENT_ALLOW "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REGISTER, SUBSCRIBE"

/* Where a message came from, or goes to. */
struct peer {
	char host[SOURCES_HOST];
	uint16_t port;
	uint16_t listen_port; /* TCP: where it can be connected to when its connection is gone; 0: nowhere */
	bool tcp;
	struct source_key key;
};

struct agent;

struct agent_setup {
	uv_loop_t *loop;
	const char *host;       /* numeric address to listen on */
	const char *advertised; /* or NULL: what the route to each peer has */
	uint16_t port;
	/* Requests before any transaction exists, and responses that belong to nobody; msg is theirs.
	 */
	void (*request)(void *context, msg_t *msg, sip_t *sip);
	void (*response)(void *context, msg_t *msg, sip_t *sip);
	void *context;
};

/* After wiretap_open. NULL with a log line. */
struct agent *agent_create(const struct agent_setup *setup);

nta_agent_t *agent_nta(struct agent *agent);

/* URL for nta_leg_tcreate that no request can name: nta then gives the leg none, and request sees them all first.
 * Lives as long as the agent. */
const url_string_t *agent_nowhere(const struct agent *agent);

/* Who sent a request or response. */
void agent_peer(struct agent *agent, msg_t *msg, struct peer *ret_peer);

/* Same for a request in a transaction. */
void agent_peer_of(struct agent *agent, nta_incoming_t *irq, struct peer *ret_peer);

/* A URI that leads to the peer, for the route of a request. */
void agent_url(const struct peer *peer, char ret_url[AGENT_URL]);

/* The open connection to the peer; NULL: none, or it is UDP. Valid until the loop goes on. */
tport_t *agent_flow(struct agent *agent, const struct peer *peer);

/* The socket that we listen on, to answer what a predecessor heard there. */
tport_t *agent_listener(struct agent *agent, bool tcp);

/* Our Contact towards the peer: "<sip:user@address:port;transport=tcp>". */
void agent_contact(struct agent *agent, const char *user, const struct peer *peer, char ret_contact[AGENT_CONTACT]);

/* A branch nobody can guess. */
void agent_branch(char ret_branch[40]);

/* Answers a request without a transaction; msg is gone afterwards. Extra headers as text lines, or NULL. */
void agent_reply(struct agent *agent, msg_t *msg, int status, const char *phrase, const char *headers);

/* Microseconds that the last turn of the loop took, where all of the last while were long; else 0. */
int64_t agent_lag_us(const struct agent *agent);

/* Closes sockets and handles, waits for no transaction. */
void agent_stop(struct agent *agent);
void agent_destroy(struct agent *agent); /* after the loop. NULL is fine */

#endif
