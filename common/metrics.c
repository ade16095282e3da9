#include "metrics.h"
#include "cleanup.h"
#include "log.h"
#include "table.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum kind { COUNTER, GAUGE, HISTOGRAM, KINDS };

static const char *const kind_names[KINDS] = {"counter", "gauge", "histogram"};

static const int64_t bucket_us[] = {100,    250,    500,    1000,    2500,    5000,    10000,    25000,   50000,
				    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000};
#define BUCKETS HS_COUNT(bucket_us)

struct hs_metric {
	char *labels;
	int64_t value;    /* histogram: how many were observed */
	int64_t sum_us;   /* histogram */
	int64_t *buckets; /* histogram: counts by bucket, not cumulated */
	struct hs_metric *next;
};

/* All figures of a name: they share HELP and TYPE, and the format wants them in one block. */
struct family {
	char *name, *help;
	enum kind kind;
	struct hs_metric *first, **last;
	struct family *next;
};

static struct {
	struct family *first, **last;
	struct hs_table *by_name; /* families, and figures under name{labels} */
} registry;

static struct family *find_family(const char *name, const char *help, enum kind kind)
{
	struct family *family;

	if (!registry.by_name) {
		registry.by_name = hs_table_create();
		registry.last = &registry.first;
	}
	family = hs_table_get(registry.by_name, name);
	if (family)
		return family;
	family = hs_zalloc(sizeof(*family));
	family->name = hs_strdup(name);
	family->help = hs_strdup(help);
	family->kind = kind;
	family->last = &family->first;
	*registry.last = family;
	registry.last = &family->next;
	hs_table_put(registry.by_name, name, family);
	return family;
}

static struct hs_metric *find_metric(const char *name, const char *labels, const char *help, enum kind kind)
{
	AUTO(free) char *key = hs_printf("%s{%s}", name, labels ? labels : "");
	struct family *family = find_family(name, help, kind);
	struct hs_metric *metric = hs_table_get(registry.by_name, key);

	if (metric)
		return metric;
	metric = hs_zalloc(sizeof(*metric));
	metric->labels = hs_strdup(labels ? labels : "");
	if (family->kind == HISTOGRAM)
		metric->buckets = hs_zalloc(BUCKETS * sizeof(*metric->buckets));
	*family->last = metric;
	family->last = &metric->next;
	hs_table_put(registry.by_name, key, metric);
	return metric;
}

struct hs_metric *hs_metric_counter(const char *name, const char *labels, const char *help)
{
	return find_metric(name, labels, help, COUNTER);
}

struct hs_metric *hs_metric_gauge(const char *name, const char *labels, const char *help)
{
	return find_metric(name, labels, help, GAUGE);
}

struct hs_metric *hs_metric_histogram(const char *name, const char *labels, const char *help)
{
	return find_metric(name, labels, help, HISTOGRAM);
}

void hs_metric_add(struct hs_metric *metric, int64_t more)
{
	metric->value += more;
}

void hs_metric_set(struct hs_metric *metric, int64_t value)
{
	metric->value = value;
}

void hs_metric_observe_us(struct hs_metric *metric, int64_t microseconds)
{
	size_t i = 0;

	if (microseconds < 0) /* between two times of a wall clock that was set back */
		microseconds = 0;
	metric->value++;
	metric->sum_us += microseconds;
	while (i < BUCKETS && microseconds > bucket_us[i])
		i++;
	if (i < BUCKETS && metric->buckets)
		metric->buckets[i]++;
}

int64_t hs_metric_value(const struct hs_metric *metric)
{
	return metric->value;
}

/* Every line bears the daemon's name, so that the texts of all daemons can be one page. */
static void print_labels(FILE *out, const char *daemon, const char *labels, const char *more)
{
	const char *parts[] = {labels, more};
	const char *comma = "";

	fputc('{', out);
	if (daemon && *daemon) {
		fprintf(out, "daemon=\"%s\"", daemon);
		comma = ",";
	}
	for (size_t i = 0; i < HS_COUNT(parts); i++) {
		if (!parts[i][0])
			continue;
		fprintf(out, "%s%s", comma, parts[i]);
		comma = ",";
	}
	fputc('}', out);
}

static void print_histogram(FILE *out, const struct family *family, const struct hs_metric *metric, const char *daemon)
{
	int64_t total = 0;

	for (size_t i = 0; i <= BUCKETS; i++) {
		char bound[40] = "le=\"+Inf\"";

		if (i < BUCKETS) {
			total += metric->buckets[i];
			snprintf(bound, sizeof(bound), "le=\"%g\"", (double)bucket_us[i] / 1e6);
		}
		fprintf(out, "%s_bucket", family->name);
		print_labels(out, daemon, metric->labels, bound);
		fprintf(out, " %" PRId64 "\n", i < BUCKETS ? total : metric->value);
	}
	fprintf(out, "%s_sum", family->name);
	print_labels(out, daemon, metric->labels, "");
	fprintf(out, " %.6f\n%s_count", (double)metric->sum_us / 1e6, family->name);
	print_labels(out, daemon, metric->labels, "");
	fprintf(out, " %" PRId64 "\n", metric->value);
}

static void print_family(FILE *out, const struct family *family, const char *daemon)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
		kind_names[family->kind]);
	for (const struct hs_metric *metric = family->first; metric; metric = metric->next) {
		if (family->kind == HISTOGRAM) {
			print_histogram(out, family, metric, daemon);
			continue;
		}
		fputs(family->name, out);
		print_labels(out, daemon, metric->labels, "");
		fprintf(out, " %" PRId64 "\n", metric->value);
	}
}

/* Our own figures in /proc, opened before the sandbox closes it. */
static struct {
	int memory;
	DIR *descriptors;
} process = {.memory = -1};

void hs_metrics_open(void)
{
	if (process.memory < 0)
		process.memory = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (!process.descriptors)
		process.descriptors = opendir("/proc/self/fd");
}

static int64_t resident_bytes(void)
{
	int64_t whole, resident;
	char text[128];
	ssize_t bytes = process.memory < 0 ? -1 : pread(process.memory, text, sizeof(text) - 1, 0);

	if (bytes <= 0)
		return 0;
	text[bytes] = 0;
	if (sscanf(text, "%" SCNd64 " %" SCNd64, &whole, &resident) != 2)
		return 0;
	return resident * sysconf(_SC_PAGESIZE);
}

static int64_t open_descriptors(void)
{
	int64_t count = -4; /* ".", ".." and the two for this */

	if (!process.descriptors)
		return 0;
	rewinddir(process.descriptors);
	while (readdir(process.descriptors))
		count++;
	return count;
}

static void refresh_process(void)
{
	hs_metrics_open();
	hs_metric_set(hs_metric_gauge("hookswitch_process_resident_bytes", "", "Memory in use, shared pages included."),
		      resident_bytes());
	hs_metric_set(hs_metric_gauge("hookswitch_process_open_fds", "", "Open descriptors."), open_descriptors());
	for (int level = 0; level < HS_LOG_LEVEL_COUNT; level++) {
		char labels[32];

		snprintf(labels, sizeof(labels), "level=\"%s\"", level ? hs_enum_log_level.names[level] : "dropped");
		hs_metric_set(hs_metric_counter("hookswitch_log_lines_total", labels,
						"Log lines by level; dropped: standard error was stuck."),
			      (int64_t)hs_log_lines(level));
	}
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* The one figure with a fraction. */
static void print_cpu(FILE *out, const char *daemon)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	fputs("# HELP hookswitch_process_cpu_seconds_total Processor time spent.\n"
	      "# TYPE hookswitch_process_cpu_seconds_total counter\nhookswitch_process_cpu_seconds_total",
	      out);
	print_labels(out, daemon, "", "");
	fprintf(out, " %.6f\n", seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

char *hs_metrics_text(const char *daemon)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return hs_strdup("");
	refresh_process();
	for (const struct family *family = registry.first; family; family = family->next)
		print_family(out, family, daemon);
	print_cpu(out, daemon);
	fclose(out);
	return text;
}
