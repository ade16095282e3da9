/* The page is made before the first fork, so that every child has it; what the keeper alone may write (suspects) is its
 * own memory, of which each child gets the copy of its birth. */
#include "pulse.h"
#include "cleanup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SUSPECTS 32
#define POISON 3 /* deaths */

/* Looks in a row without a beat, by what the kernel says of the child; 0: for ever. */
#define STOPPED_LOOKS 3
#define SLEEPING_LOOKS 10
#define UNKNOWN_LOOKS 30
#define STARTING_LOOKS 120 /* until the first beat, whatever it does */
#define SPINNING_S 10      /* of processor time: waiting for one is no hang */

struct work {
	char what[HS_PULSE_WORK];
	uint64_t number;
};

struct page {
	_Atomic uint64_t beats; /* 0: it has not begun */
	_Atomic bool is_busy;
	struct work work;
};

static struct {
	struct page *page;
	uint64_t beats; /* at the last look */
	int silent;     /* looks in a row without one */
	uint64_t ticks; /* of processor time when the first beat was missed */
	int hangs;
	struct suspect {
		struct work work;
		int deaths; /* 0: free */
	} suspects[SUSPECTS];
	int poisons;
	unsigned next;
} pulse;

int hs_pulse_create(void)
{
	void *page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	pulse.page = page;
	return 0;
}

void hs_pulse_begin(void)
{
	if (!pulse.page)
		return;
	atomic_store(&pulse.page->beats, 0);
	atomic_store(&pulse.page->is_busy, false);
	pulse.beats = pulse.ticks = 0;
	pulse.silent = 0;
}

/* ---- looking ---- */

/* What this file of /proc says: one letter, and processor time in ticks. '?': nothing. */
static char look_at(const char *path, uint64_t *ret_ticks)
{
	char text[512], *at;
	unsigned long user = 0, kernel = 0;
	AUTO(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes;

	*ret_ticks = 0;
	bytes = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (bytes <= 0)
		return '?';
	text[bytes] = 0;
	at = strrchr(text, ')'); /* its name may hold anything */
	if (!at || at[1] != ' ' ||
	    sscanf(at + 3, " %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
		return '?';
	*ret_ticks = user + kernel;
	return at[2];
}

static const char *judge(char state, uint64_t ticks)
{
	uint64_t spun = ticks - pulse.ticks, second = (uint64_t)sysconf(_SC_CLK_TCK);

	switch (state) {
	case 'T':
		return pulse.silent >= STOPPED_LOOKS ? "it was stopped" : NULL;
	case 'S':
		return pulse.silent >= SLEEPING_LOOKS ? "it waits for something and not for its loop" : NULL;
	case 'R':
		return spun >= SPINNING_S * second ? "its loop does not turn" : NULL;
	case '?':
		return pulse.silent >= UNKNOWN_LOOKS ? "its loop does not turn" : NULL;
	default: /* a disk, a debugger, or it is ending */
		return NULL;
	}
}

const char *hs_pulse_look(pid_t child)
{
	uint64_t beats = pulse.page ? atomic_load(&pulse.page->beats) : 0, ticks;
	char path[32], state;

	if (!pulse.page)
		return NULL;
	pulse.silent = beats == pulse.beats ? pulse.silent + 1 : 0;
	pulse.beats = beats;
	if (beats == 0)
		return pulse.silent >= STARTING_LOOKS ? "it does not begin to serve" : NULL;
	if (pulse.silent == 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
	state = look_at(path, &ticks);
	if (pulse.silent == 1)
		pulse.ticks = ticks;
	return judge(state, ticks);
}

bool hs_pulse_is_at_disk(pid_t child)
{
	char path[64];
	const struct dirent *entry;
	bool is_waiting = false;
	uint64_t ticks;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)child);
	tasks = opendir(path);
	while (tasks && !is_waiting && (entry = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.10s/stat", (int)child, entry->d_name);
		is_waiting = entry->d_name[0] != '.' && look_at(path, &ticks) == 'D';
	}
	if (tasks)
		closedir(tasks);
	return is_waiting;
}

bool hs_pulse_has_begun(void)
{
	return pulse.page && atomic_load(&pulse.page->beats) > 0;
}

bool hs_pulse_is_steady(void)
{
	return pulse.beats > 0 && pulse.silent == 0;
}

/* ---- suspects ---- */

static bool same_work(const struct work *a, const struct work *b)
{
	return a->number == b->number && strcmp(a->what, b->what) == 0;
}

static struct suspect *find(const struct work *work)
{
	for (size_t i = 0; i < SUSPECTS; i++)
		if (pulse.suspects[i].deaths && same_work(&pulse.suspects[i].work, work))
			return &pulse.suspects[i];
	return NULL;
}

/* A free place, or that of one that is no poison. */
static struct suspect *make(const struct work *work)
{
	for (size_t i = 0; i < SUSPECTS; i++) {
		struct suspect *suspect = &pulse.suspects[pulse.next++ % SUSPECTS];

		if (suspect->deaths >= POISON)
			continue;
		*suspect = (struct suspect){.work = *work};
		return suspect;
	}
	return NULL;
}

const char *hs_pulse_mourn(bool hung)
{
	struct suspect *suspect;
	struct work work;

	pulse.hangs += hung;
	if (!pulse.page || !atomic_load(&pulse.page->is_busy))
		return NULL;
	work = pulse.page->work;
	work.what[sizeof(work.what) - 1] = 0;
	suspect = find(&work);
	if (!suspect)
		suspect = make(&work);
	if (!suspect || ++suspect->deaths != POISON)
		return NULL;
	pulse.poisons++;
	return suspect->work.what;
}

/* ---- the child's half ---- */

void hs_pulse_beat(void)
{
	if (pulse.page)
		atomic_fetch_add_explicit(&pulse.page->beats, 1, memory_order_relaxed);
}

bool hs_pulse_work(const char *what, uint64_t number)
{
	struct page *page = pulse.page;
	const struct suspect *suspect;

	if (!page)
		return true;
	atomic_store_explicit(&page->is_busy, false, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	hs_copy(page->work.what, sizeof(page->work.what), what);
	page->work.number = number;
	suspect = pulse.suspects[0].deaths ? find(&page->work) : NULL;
	if (suspect && suspect->deaths >= POISON)
		return false;
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&page->is_busy, true, memory_order_relaxed);
	return true;
}

void hs_pulse_done(void)
{
	if (pulse.page)
		atomic_store_explicit(&pulse.page->is_busy, false, memory_order_relaxed);
}

int hs_pulse_hangs(void)
{
	return pulse.hangs;
}

int hs_pulse_poisons(void)
{
	return pulse.poisons;
}
