/* What all sections of conform share: the device that is probed, the telephone at it, and the words of the trace.
 * Called by conform*.c; calls the driver, and handset for the telephone.
 * Owns the one line that a section has open.
 */
#ifndef PROBE_H
#define PROBE_H

#include "handset.h"
#include <dahdi/user.h>

#define BLOCK 160

extern struct probe {
	const char *folder; /* of the device files */
	const char *how;    /* to work the telephones: handset_open */
	struct handset *hand;
	int line; /* port 1, when a section has it open; else -1 */
} probe;

/* ---- Telling ---- */

/* A line of the trace. */
void tell(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Name of an errno; 0: ok. ENOSYS and ENOTTY are one, for FUSE has one of them for both. */
const char *error_name(int error);

/* Name of an event of the driver. */
const char *event_name(int event);

/* Monotonic. */
long clock_ms(void);

/* Does nothing. */
void pause_ms(int ms);

/* A time as one of a few spans, which lie around what is expected somewhere: a busy machine does not change the trace.
 */
const char *about(long ms);

/* ---- The device ---- */

/* Opens a file of the device folder, to read and write. */
int open_name(const char *name, int flags);

/* An ioctl on a number: 0 or errno. */
int number_ioctl(int fd, unsigned long command, int number);

/* An ioctl with any argument: 0 or errno. */
int any_ioctl(int fd, unsigned long command, void *argument);

/* DAHDI_HOOK on the line: 0 or errno. */
int hook(int value);

/* The oldest event; 0: none; negative errno. */
int take_event(int fd);

/* The next event of the line within ms, or none. */
int next_event(int ms);

/* None waits at the line any more. */
void forget_events(void);

/* Waits for one event and tells the others that come before it. Milliseconds since, or -1. */
long await(int event, int ms, long since);

/* The same, told. */
void tell_event(const char *what, int event, int ms, long since);

/* DAHDI_GET_PARAMS of the line. */
struct dahdi_params params(void);

/* Port 1 is the line from now on, with blocks of 20 ms. Ends the program when it cannot be had. */
void open_line(int flags);

/* It is closed. */
void close_line(void);

/* On hook for long enough that neither end remembers anything; a telephone that moved once is no longer unknown. */
void rest(void);

/* DAHDI_FLUSH of everything. */
void flush_all(void);

/* ---- Audio ---- */

/* Bytes that no tone and no silence has. */
void pattern(unsigned char *bytes, size_t count);

/* Reads for ms, blocks as they come: how many bytes. */
size_t read_for(unsigned char *bytes, size_t size, int ms);

/* Where length bytes of what was said are in what was heard; count: nowhere. */
size_t find(const unsigned char *heard, size_t count, const unsigned char *said, size_t length);

#endif
