/* doctor: the examination and its report. */
#include "doctor.h"
#include "cleanup.h"
#include <stdarg.h>
#include <stdio.h>

static const char *const words_of[FINDINGS] = {"ok", "note", "FAULT"};

static void print(enum finding finding, const char *about, const char *text, const char *mend)
{
	printf("%-6s %-12s %s\n", words_of[finding], about, text);
	if (mend)
		printf("%-6s %-12s -> %s\n", "", "", mend);
}

void doctor_find(struct doctor *doctor, enum finding finding, const char *about, const char *mend, const char *format,
		 ...)
{
	AUTO(free) char *text = NULL;
	va_list arguments;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	doctor->counts[finding]++;
	if (!doctor->ctl->json)
		print(finding, about, text, mend);
	struct json_object *row = json_object_new_object();
	json_object_object_add(row, "level", json_object_new_string(words_of[finding]));
	json_object_object_add(row, "about", json_object_new_string(about));
	json_object_object_add(row, "finding", json_object_new_string(text));
	json_object_object_add(row, "mend", mend ? json_object_new_string(mend) : NULL);
	json_object_array_add(doctor->list, row);
}

static void print_sum(const struct doctor *doctor)
{
	printf("\n%d in order, %d to know, %d to mend\n", doctor->counts[FINDING_OK], doctor->counts[FINDING_NOTE],
	       doctor->counts[FINDING_FAULT]);
}

int doctor_run(struct hookctl *ctl, int count, char **words)
{
	static void (*const parts[])(struct doctor * doctor) = {doctor_daemons, doctor_ports, doctor_addresses,
								doctor_host,    doctor_keys,  doctor_dahdi,
								doctor_lines,   doctor_reach, doctor_webhooks};
	AUTO(json_put) struct json_object *list = json_object_new_array();
	struct doctor doctor = {.ctl = ctl, .list = list};
	if (count > 0)
		return hookctl_usage(ctl, "it takes no arguments");
	for (size_t i = 0; i < HS_COUNT(parts); i++)
		parts[i](&doctor);
	if (ctl->json)
		puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_sum(&doctor);
	return doctor.counts[FINDING_FAULT] > 0 ? HOOKCTL_FAILED : HOOKCTL_OK;
}
