/* Any bytes as hookswitch.yaml: read, checked, dumped, and the dump read again. */
#include "cleanup.h"
#include "config.h"
#include "log.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	nowhere = fopen("/dev/null", "we");
	return nowhere ? 0 : -1;
}

static struct hs_config *load(const void *data, size_t size, enum hs_role role)
{
	AUTO(close) int fd = memfd_create("config", MFD_CLOEXEC);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) != (ssize_t)size)
		abort();
	return hs_config_load(path, role, nowhere);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hs_config *config = load(data, size, HS_ROLE_OPS), *again;
	AUTO(free) char *text = NULL;
	size_t bytes;
	FILE *out;

	if (!config)
		return 0;
	out = open_memstream(&text, &bytes);
	hs_config_dump(config, out);
	fclose(out);
	hs_config_destroy(config);
	again = load(text, bytes, HS_ROLE_SIPD);
	if (!again)
		abort(); /* a dump can always be read */
	hs_config_destroy(again);
	return 0;
}
