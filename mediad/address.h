/* Numeric network addresses: parse, compare, print, and which of ours reaches one.
 * Called by offer, leg_rtp and serve; calls the kernel only for address_local_for and address_is_ours.
 * Owns nothing. An address is a plain record: it can be kept in a journal.
 */
#ifndef MEDIAD_ADDRESS_H
#define MEDIAD_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT 64

struct address {
	uint16_t family; /* AF_INET, AF_INET6; 0: none */
	uint16_t port;   /* host byte order; 0: none */
	uint8_t ip[16];  /* network byte order; IPv4 in the first four, the rest zero */
};

/* Reads "1.2.3.4", "1.2.3.4:5060", "2001:db8::1" or "[2001:db8::1]:5060"; IPv4-mapped IPv6 becomes IPv4. Names are not
 * resolved. -EINVAL, ret_address untouched. */
int address_parse(const char *text, struct address *ret_address);

/* Same host, whatever the ports. Two unset addresses are not the same host. */
bool address_same_host(const struct address *a, const struct address *b);

/* Same host and port. */
bool address_same(const struct address *a, const struct address *b);

/* The unspecified address (0.0.0.0, ::). */
bool address_is_any(const struct address *address);

/* One that media may be sent to: set, with a port, neither unspecified nor multicast nor broadcast. */
bool address_is_usable(const struct address *address);

/* How far inside it lies: 0 public, 1 private, carrier's or link-local, 2 this host. A far end cannot mean our inside
 * when it speaks from further out. */
int address_depth(const struct address *address);

/* "1.2.3.4:5060", "[2001:db8::1]:5060"; "" when unset. */
void address_format(const struct address *address, char ret_text[ADDRESS_TEXT]);

/* Without the port. */
void address_format_host(const struct address *address, char ret_text[ADDRESS_TEXT]);

/* To and from the kernel's form. Returns its length; 0 when unset. */
socklen_t address_to_kernel(const struct address *address, struct sockaddr_storage *ret_kernel);

/* Unknown families give an unset address. */
void address_from_kernel(const struct sockaddr_storage *kernel, struct address *ret_address);

/* The local address of the route to a peer, port 0. peer without a family: the default route's, else 127.0.0.1.
 * -errno when there is no route. */
int address_local_for(const struct address *peer, struct address *ret_local);

/* Whether an address is one of this host's own. Asks the kernel. */
bool address_is_ours(const struct address *address);

#endif
