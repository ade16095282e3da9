/* A filter in the kernel for the SIP socket: STUN and banned addresses never wake us (security model 6.5, 6.9). Pure
 * but for the one call that attaches. Called by wiretap; owns nothing.
 */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_BANNED 1000 /* most addresses; net.core.optmem_max allows about 2,500 instructions */
#define FILTER_MAX (2 * FILTER_BANNED + 16)

/* Writes a classic BPF program for a UDP socket that passes everything but datagrams whose first byte is 0-3 (STUN) or
 * 0xf8-0xff (SigComp), and those of the IPv4 sources given (network order). Returns instructions. */
size_t filter_build(const uint32_t *banned, size_t count, struct sock_filter ret_program[FILTER_MAX]);

/* Attaches such a program to an open UDP socket, replacing the one before as one step. -errno. */
int filter_attach(int fd, const uint32_t *banned, size_t count);

#endif
