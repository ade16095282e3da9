/* Figures of several daemons as one page of Prometheus text: each name's HELP, TYPE and samples in one block.
 * Called by serve_suite. Pure.
 */
#ifndef METRICS_MERGE_H
#define METRICS_MERGE_H

#include <stddef.h>

struct metrics_merge;

struct metrics_merge *metrics_merge_create(void);

/* Adds one daemon's page. Lines that are no figures are dropped. */
void metrics_merge_add(struct metrics_merge *merge, const char *text);

/* The page, at most max bytes, cut at a line. The caller frees it. */
char *metrics_merge_text(const struct metrics_merge *merge, size_t max);

void metrics_merge_destroy(struct metrics_merge *merge); /* NULL is fine */

#endif
