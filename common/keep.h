/* What keeper and child have in common: the message between them, and how the child's end is made.
 * Included by keeper.c (parent) and keep.c (child) only.
 * Owns nothing.
 */
#ifndef HS_KEEP_H
#define HS_KEEP_H

#include "keeper.h"
#include <stdint.h>

enum hs_keep_op { HS_KEEP_HOLD = 1, HS_KEEP_DROP };

/* One datagram; HOLD carries one descriptor beside it. */
struct hs_keep_message {
	uint8_t op;
	char name[HS_KEEP_NAME]; /* ends with NUL */
};

/* True for 1-63 printable characters without blanks. */
bool hs_keep_name_valid(const char *name);

/* The child's end: the socket to its keeper and how many children died before it. Both are the child's from now on. */
struct hs_keep *hs_keep_create(int socket, int deaths);

/* Adds a descriptor that the predecessor left; fd is keep's from now on. */
void hs_keep_leave(struct hs_keep *keep, const char *name, int fd);

/* A descriptor that stays open until the child serves or is gone; fd is keep's from now on. */
void hs_keep_witness(struct hs_keep *keep, int fd);

/* Closes what nobody took, and the socket. NULL is fine. */
void hs_keep_destroy(struct hs_keep *keep);

#endif
