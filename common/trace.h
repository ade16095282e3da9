/* Trace: what a daemon saw and did, by call, for hookctl follow and tap. A ring in memory, and a copy on the operations
 * edge. Called by every room that talks to somebody; calls bus. Owns the ring (4096 records, 1 MiB at most).
 */
#ifndef HS_TRACE_H
#define HS_TRACE_H

#include "hs_proto.h"

struct hs_bus;

/* From now on copies are published. NULL bus: ring only. */
void hs_trace_setup(const char *daemon, struct hs_bus *bus);

/* Adds a record. call, leg may be NULL; the call of a leg that was named with it before is found again. from and to are
 * daemons or addresses. The text is redacted by the caller's choice of words (method and status, never digits or
 * secrets) and cut to 255 bytes. */
void hs_trace_add(enum hs_trace_kind kind, const char *call, const char *leg, const char *from, const char *to,
		  const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Records of a call (NULL: all), oldest first, at most max newest. Fills ret_records, whose texts live until the next
 * add. */
size_t hs_trace_read(const char *call, struct hs_trace *ret_records, size_t max);

#endif
