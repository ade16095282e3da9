#include "kept.h"
#include "cleanup.h"
#include "log.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A record of another layout is of another version: its end is told as lost. */
#define LAYOUT(bytes) (0x4d000000U + (uint32_t)(bytes))
#define PREFIX "end/"

static void record_key(const char *id, char ret_key[HS_JOURNAL_KEY])
{
	hs_copy(ret_key, HS_JOURNAL_KEY, PREFIX);
	hs_copy(ret_key + sizeof PREFIX - 1, HS_JOURNAL_KEY - (sizeof PREFIX - 1), id);
}

void *kept_make(struct world *world, const char *id, enum hs_media_kind kind, size_t bytes)
{
	char key[HS_JOURNAL_KEY];
	record_key(id, key);
	struct end_record *record = hs_journal_live(world->journal, key, bytes);
	if (!record)
		return NULL;
	record->kind = kind;
	record->bytes = (uint32_t)bytes;
	return record;
}

void kept_note(struct end *end)
{
	struct end_record *record = end->record;
	record->owner = end->owner;
	record->codec = end->codec;
	hs_copy(record->call, sizeof record->call, end->call);
	hs_copy(record->partner, sizeof record->partner, end->partner ? end->partner->id : "");
	atomic_signal_fence(memory_order_release);
	record->layout = LAYOUT(record->bytes);
}

void kept_drop(struct world *world, const char *id)
{
	char key[HS_JOURNAL_KEY];
	record_key(id, key);
	hs_journal_drop(world->journal, key);
}

void kept_read(struct end *end, struct end_record *record)
{
	end->record = record;
	end->owner = record->owner;
	end->codec = record->codec;
	hs_copy(end->call, sizeof end->call, record->call);
}

struct walk {
	struct world *world;
	void (*visit)(void *context, const char *id, struct end_record *record, size_t bytes);
	void *context;
};

static bool is_text(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static bool is_sane(const struct end_record *record, size_t bytes)
{
	return record->layout == LAYOUT(bytes) && record->bytes == bytes && record->kind > 0 &&
	       record->kind < HS_MEDIA_KIND_COUNT && record->owner >= HS_ROLE_NONE && record->owner < HS_ROLES &&
	       record->codec >= 0 && record->codec < HS_CODEC_COUNT && record->tone >= 0 &&
	       record->tone < HS_TONE_COUNT && is_text(record->call, sizeof record->call) &&
	       is_text(record->partner, sizeof record->partner);
}

/* One that was just being made had not been answered for: whoever asked asks again. */
static void see(void *context, const char *key, const void *value, size_t bytes)
{
	const struct walk *walk = context;
	const char *id = key + sizeof PREFIX - 1;
	struct end_record *record = bytes >= sizeof *record ? hs_journal_live(walk->world->journal, key, bytes) : NULL;
	if (record && is_sane(record, bytes)) {
		walk->visit(walk->context, id, record, bytes);
		return;
	}
	if (!record || record->layout) {
		hs_log(ERROR, "end.unreadable", LOG_LEG(id), LOG_WHY("damaged, or left by another version"));
		for (int kind = HS_MEDIA_KIND_RTP; kind <= HS_MEDIA_KIND_STREAM; kind++) /* which it was is not known */
			walk->world->report->lost(walk->world->report_context, id, (enum hs_media_kind)kind);
	}
	hs_journal_drop(walk->world->journal, key);
}

void kept_each(struct world *world,
	       void (*visit)(void *context, const char *id, struct end_record *record, size_t bytes), void *context)
{
	struct walk walk = {world, visit, context};
	hs_journal_each(world->journal, PREFIX, see, &walk);
}

/* ---- What the keeper holds ---- */

void kept_hold(struct world *world, const char *name, int fd)
{
	int error = hs_keep_hold(world->keep, name, fd);
	if (error < 0)
		hs_log(WARN, "media.unprotected", LOG_TEXT("name", name), LOG_TEXT("error", strerror(-error)),
		       LOG_WHY("it would not outlive a death of mediad"));
}

static void *map(int fd, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static void *find_memory(struct world *world, const char *name, size_t bytes)
{
	AUTO(close) int fd = hs_keep_take(world->keep, name);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0 || status.st_size != (off_t)bytes)
		return NULL;
	return map(fd, bytes);
}

static void *make_memory(struct world *world, const char *name, size_t bytes)
{
	AUTO(close) int fd = memfd_create("hookswitch-audio", MFD_CLOEXEC);
	void *memory = fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 ? map(fd, bytes) : NULL;
	if (memory)
		kept_hold(world, name, fd);
	return memory ? memory : map(-1, bytes);
}

void *kept_map(struct world *world, const char *name, size_t bytes, bool *ret_is_found)
{
	void *memory = find_memory(world, name, bytes);
	*ret_is_found = memory != NULL;
	if (!memory)
		memory = make_memory(world, name, bytes);
	if (!memory)
		abort(); /* no memory */
	return memory;
}

struct map_walk {
	struct world *world;
	void (*visit)(void *context, const char *name, void *memory, size_t bytes);
	void *context;
};

static void see_map(void *context, const char *name)
{
	const struct map_walk *walk = context;
	AUTO(close) int fd = hs_keep_take(walk->world->keep, name);
	struct stat status;
	void *memory = NULL;
	if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0)
		memory = map(fd, (size_t)status.st_size);
	if (memory)
		walk->visit(walk->context, name, memory, (size_t)status.st_size);
}

void kept_each_map(struct world *world, const char *prefix,
		   void (*visit)(void *context, const char *name, void *memory, size_t bytes), void *context)
{
	struct map_walk walk = {world, visit, context};
	hs_keep_each(world->keep, prefix, see_map, &walk);
}

void kept_unmap(struct world *world, const char *name, void *memory, size_t bytes)
{
	munmap(memory, bytes);
	hs_keep_drop(world->keep, name);
}
