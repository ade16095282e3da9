/* Any bytes as the body of an INFO; the first byte chooses the content type. */
#include "info.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {"application/dtmf-relay", "application/dtmf", "application/hook-flash",
					    "x/y"};
	struct info info;

	if (!size)
		return 0;
	info_read(types[data[0] % 4], (const char *)data + 1, size - 1, &info);
	if (info.duration_ms < 1 || info.duration_ms > 65535)
		abort();
	if (info.kind == INFO_DIGIT && (!info.digit[0] || !strchr("0123456789*#ABCD", info.digit[0]) || info.digit[1]))
		abort();
	return 0;
}
