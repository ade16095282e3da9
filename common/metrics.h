/* Figures: counters, gauges and histograms in Prometheus text format.
 * Called by every room, on the loop's thread only. Owns the registry.
 * Names begin with hookswitch_, base units, _total for counters; label values are from small fixed sets, never ids.
 */
#ifndef HS_METRICS_H
#define HS_METRICS_H

#include <stdint.h>

struct hs_metric;

/* Registers, or finds again, a figure. labels is "" or ready text: kind="sip",result="ok". Pointers last for ever. */
struct hs_metric *hs_metric_counter(const char *name, const char *labels, const char *help);
struct hs_metric *hs_metric_gauge(const char *name, const char *labels, const char *help);

/* Seconds, in buckets from 100 us to 30 s. */
struct hs_metric *hs_metric_histogram(const char *name, const char *labels, const char *help);

void hs_metric_add(struct hs_metric *metric, int64_t more);
void hs_metric_set(struct hs_metric *metric, int64_t value);
void hs_metric_observe_us(struct hs_metric *metric, int64_t microseconds);
int64_t hs_metric_value(const struct hs_metric *metric);

/* Opens what tells this process's own figures, for a process that will not be able to open it later. */
void hs_metrics_open(void);

/* All of it as text, process figures (resident bytes, CPU seconds, descriptors) included. Every line gets the label
 * daemon="..." unless daemon is NULL, so that the texts of several daemons can stand on one page. The caller frees it.
 */
char *hs_metrics_text(const char *daemon);

#endif
