/* A journal with facts and records whose bytes were changed, and its successor: the input is a list of places and
 * bytes. Nothing may crash, and what is taken over must be usable. */
#include "cleanup.h"
#include "journal.h"
#include "keep.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING 8192
#define TOUCHED (4096 + RING + 32768)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t pattern[TOUCHED];

/* Opens the journal in fd; the descriptor stays the caller's. */
static struct hs_journal *open_journal(int fd)
{
	struct hs_journal *journal;
	struct hs_keep *keep;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		abort();
	keep = hs_keep_create(pair[1], 1);
	hs_keep_leave(keep, "journal", dup(fd));
	journal = hs_journal_open(keep, RING);
	hs_keep_destroy(keep);
	close(pair[0]);
	if (!journal)
		abort();
	return journal;
}

/* A new journal and the descriptor that its keeper would hold. */
static struct hs_journal *make_journal(int *ret_fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct hs_keep_message message;
	struct iovec part = {&message, sizeof(message)};
	struct msghdr packet = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct hs_journal *journal;
	struct hs_keep *keep;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		abort();
	keep = hs_keep_create(pair[1], 0);
	journal = hs_journal_open(keep, RING);
	if (!journal || recvmsg(pair[0], &packet, 0) < 0)
		abort();
	memcpy(ret_fd, CMSG_DATA(&control.head), sizeof(*ret_fd));
	hs_keep_destroy(keep);
	close(pair[0]);
	return journal;
}

/* A whole journal's bytes, made once. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct hs_journal *journal;
	char text[600];
	void *memory;
	uint64_t seq;
	int fd;

	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	journal = make_journal(&fd);
	memset(text, 'f', sizeof(text));
	for (int i = 0; i < 12; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key/%d", i);
		hs_journal_append(journal, text, 50U * (unsigned)i, &seq);
		hs_journal_put(journal, key, text, 50U * (unsigned)i);
	}
	hs_journal_trim(journal, 3);
	memory = mmap(NULL, TOUCHED, PROT_READ, MAP_SHARED, fd, 0);
	memcpy(pattern, memory, TOUCHED);
	munmap(memory, TOUCHED);
	hs_journal_close(journal);
	close(fd);
	return 0;
}

static void visit(void *context, const char *key, const void *value, size_t bytes)
{
	size_t zeros = 0;

	for (size_t i = 0; i < bytes; i++) /* touches all of it */
		zeros += ((const uint8_t *)value)[i] == 0;
	if (strlen(key) >= HS_JOURNAL_KEY || zeros > HS_JOURNAL_VALUE)
		abort();
	if (bytes % 3 == 0)
		hs_journal_drop(context, key);
}

static void use(struct hs_journal *journal)
{
	uint64_t seq, after = 0;
	const void *data;
	size_t bytes;

	while (hs_journal_next(journal, after, &seq, &data, &bytes)) {
		if (seq <= after)
			abort();
		after = seq;
	}
	hs_journal_each(journal, "", visit, journal);
	hs_journal_trim(journal, after);
	if (hs_journal_append(journal, "fact", 4, &seq) < 0 || seq <= after ||
	    hs_journal_put(journal, "key/1", "value", 5) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("journal", MFD_CLOEXEC);
	struct hs_journal *journal;
	uint8_t *memory;

	if (fd < 0 || ftruncate(fd, 4096 + RING + (64 << 20)) < 0)
		abort();
	memory = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(memory, pattern, TOUCHED);
	for (; size >= 3; data += 3, size -= 3) /* 16 bits of place, steered to where something is; a byte */
		memory[(data[0] | (unsigned)data[1] << 8) % TOUCHED] ^= data[2];
	munmap(memory, TOUCHED);
	journal = open_journal(fd);
	use(journal);
	hs_journal_close(journal);
	journal = open_journal(fd); /* once more, over what the first one mended */
	use(journal);
	hs_journal_close(journal);
	close(fd);
	return 0;
}
