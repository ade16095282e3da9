/* Errors put in on purpose: at an ioctl, a read, a write or an open, for a number of times.
 * Called by commands (to put in) and ioctls and files (to suffer). Pure.
 * Owns a short table; a fault that was used up is free again.
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#define FAULTS_MAX 32
#define FAULTS_NAME 32

struct fault {
	char at[FAULTS_NAME]; /* an ioctl's name, or read, write, open, poll */
	int error;            /* positive errno */
	int times;            /* left; 0: the row is free */
	int skip;             /* calls that still go well */
};

struct faults {
	struct fault rows[FAULTS_MAX];
	int short_bytes; /* reads give at most this, 0: all */
};

/* 0, or -ENOSPC: the table is full. */
int faults_add(struct faults *faults, const char *at, int error, int times, int skip);

void faults_clear(struct faults *faults);

/* The error due here, counted down, or 0. */
int faults_due(struct faults *faults, const char *at);

/* An errno by its name ("EBUSY", "ELAST") or number 1..511. Negative: no such error. */
int faults_errno(const char *name);

#endif
