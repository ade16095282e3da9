#include "faults.h"
#include "cleanup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ELAST_NUMBER 500 /* the driver's own: an event waits */
#define ERRNO_MAX 511    /* FUSE passes no more */

int faults_add(struct faults *faults, const char *at, int error, int times, int skip)
{
	for (int i = 0; i < FAULTS_MAX; i++) {
		struct fault *row = &faults->rows[i];

		if (row->times)
			continue;
		*row = (struct fault){.error = error, .times = times, .skip = skip};
		hs_copy(row->at, sizeof(row->at), at);
		return 0;
	}
	return -ENOSPC;
}

void faults_clear(struct faults *faults)
{
	*faults = (struct faults){.short_bytes = 0};
}

int faults_due(struct faults *faults, const char *at)
{
	for (int i = 0; i < FAULTS_MAX; i++) {
		struct fault *row = &faults->rows[i];

		if (!row->times || strcmp(row->at, at) != 0)
			continue;
		if (row->skip) {
			row->skip--;
			return 0;
		}
		row->times--;
		return row->error;
	}
	return 0;
}

int faults_errno(const char *name)
{
	char *end;
	long number = strtol(name, &end, 10);

	if (end != name)
		return *end || number < 1 || number > ERRNO_MAX ? -EINVAL : (int)number;
	if (!strcmp(name, "ELAST"))
		return ELAST_NUMBER;
	for (int i = 1; i < 200; i++) {
		const char *known = strerrorname_np(i);

		if (known && !strcmp(known, name))
			return i;
	}
	return -EINVAL;
}
