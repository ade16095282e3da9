/* One memfd of fixed, sparse size: a page of head, the ring, the records. It can die between any two stores and is
 * whole: what follows the order of the stores below is all there is to recovery.
 *
 * Ring: positions count bytes for ever; the place is the position modulo the ring, which is mapped twice in a row, so
 * that no entry is ever cut at the end. An entry is complete before `head` moves over it. Trimming writes the number of
 * the last forgotten fact before it moves `tail`, so that numbers go on after an empty ring.
 * Records: a run of blocks each. A live one is written in place, and only its head has a checksum. A new version is
 * complete, in blocks of its own, before its mark is set; then the old one's mark is cleared. After a death between the
 * two the higher generation wins. Checksums are seeded with a random number of the journal and the place: bytes that a
 * stranger chose (a Contact in a binding) cannot pose as a record, wherever they come to lie. */
#include "journal.h"
#include "cleanup.h"
#include "log.h"
#include "metrics.h"
#include "pulse.h"
#include "table.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELD_AS "journal"
#define MAGIC UINT64_C(0x31306c6e726a7368)
#define MARK UINT64_C(0x6472736b636f6f68)
#define MARK_LIVE UINT64_C(0x6c6976656b6f6f68) /* the value is written in place */
#define PAGE 4096U
#define RING_MAX (UINT64_C(1) << 30)
#define FACT_MAX 65536U
#define BLOCK 512U
#define BLOCKS 131072U /* 64 MiB */
#define EPOCH_BITS 52  /* exact in a JSON number */

struct head {
	uint64_t magic, ring_bytes, seed, sum; /* never change */
	_Atomic uint64_t epoch;
	_Atomic uint64_t tail, head; /* positions: oldest fact, end of the newest */
	_Atomic uint64_t trimmed;    /* last fact that was forgotten */
	_Atomic uint64_t high;       /* blocks from here on were never used */
};

struct entry {
	uint64_t seq; /* 0: filler over damage */
	uint64_t sum;
	uint32_t bytes, zero;
	uint8_t data[];
};

struct record {
	_Atomic uint64_t mark; /* MARK, MARK_LIVE: valid */
	uint64_t sum;          /* of all that follows, the value included unless it is live */
	uint64_t generation;
	uint32_t bytes;
	uint32_t blocks;
	char key[HS_JOURNAL_KEY];
	uint8_t value[];
};

/* Where a record is; the index of the process. */
struct place {
	uint32_t block, blocks;
};

struct hs_journal {
	int fd;
	uint64_t ring_bytes;
	struct head *head;
	uint8_t *ring;   /* twice ring_bytes */
	uint8_t *blocks; /* BLOCKS * BLOCK; NULL: a ring alone */
	uint64_t last_seq, generation;
	size_t waiting;
	uint64_t found_seq, found_at; /* fact that hs_journal_next gave last, and the position after it; 0: none */
	struct hs_table *places;
	uint64_t used[BLOCKS / 64]; /* a bit a block */
	uint32_t first_free;        /* no free block before it */
	uint64_t damaged;
	bool is_found;
};

/* ---- checksum ---- */

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 29;
}

static uint64_t checksum(uint64_t seed, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t sum = mix(seed, bytes), word;

	for (; bytes >= sizeof(word); bytes -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = mix(sum, word);
	}
	word = 0;
	memcpy(&word, at, bytes);
	return mix(mix(sum, word), seed);
}

static uint64_t entry_sum(const struct hs_journal *journal, const struct entry *entry, uint64_t at)
{
	uint64_t seed = mix(mix(journal->head->seed ^ at, entry->seq), entry->bytes);

	return checksum(seed, entry->data, entry->bytes);
}

static uint64_t record_sum(const struct hs_journal *journal, const struct record *record, uint32_t block, uint64_t mark)
{
	return checksum(mix(journal->head->seed ^ (mark == MARK_LIVE), block), &record->generation,
			sizeof(*record) - offsetof(struct record, generation) +
				(mark == MARK_LIVE ? 0 : record->bytes));
}

static void count_damage(struct hs_journal *journal)
{
	journal->damaged++;
	hs_metric_add(hs_metric_counter("hookswitch_journal_damaged_total", "",
					"Damaged facts and records that were skipped."),
		      1);
}

/* ---- ring ---- */

static size_t entry_size(size_t bytes)
{
	return (sizeof(struct entry) + bytes + 7) & ~(size_t)7;
}

static struct entry *entry_at(const struct hs_journal *journal, uint64_t position)
{
	return (struct entry *)(void *)(journal->ring + position % journal->ring_bytes);
}

/* The entry at a position, when it is one and ends before end. */
static struct entry *check_entry(const struct hs_journal *journal, uint64_t position, uint64_t end)
{
	struct entry *entry = entry_at(journal, position);

	if (end - position < sizeof(*entry) || entry->bytes > end - position - sizeof(*entry) ||
	    entry_size(entry->bytes) > end - position || entry->zero || (entry->seq && entry->bytes > FACT_MAX) ||
	    entry->seq > journal->head->trimmed + journal->ring_bytes ||
	    entry->sum != entry_sum(journal, entry, position))
		return NULL;
	return entry;
}

/* Writes a filler over what is no entry, up to the next that is one. */
static void cover_damage(struct hs_journal *journal, uint64_t position, uint64_t end)
{
	struct entry *filler = entry_at(journal, position);
	uint64_t next = position + 8;

	while (next < end && (entry_at(journal, next)->seq == 0 || !check_entry(journal, next, end)))
		next += 8;
	count_damage(journal);
	if (next - position < sizeof(*filler)) { /* only where tail or head is wrong: entries are longer */
		atomic_store(next < end ? &journal->head->tail : &journal->head->head, next < end ? next : position);
		return;
	}
	filler->seq = 0;
	filler->bytes = (uint32_t)(next - position - sizeof(*filler));
	filler->zero = 0;
	filler->sum = entry_sum(journal, filler, position);
}

static void reset_ring(struct hs_journal *journal)
{
	uint64_t epoch = 0;

	while (epoch == 0)
		if (getrandom(&epoch, sizeof(epoch), 0) == sizeof(epoch))
			epoch >>= 64 - EPOCH_BITS;
	/* First of all: the numbers below begin again. */
	atomic_store(&journal->head->epoch, epoch);
	atomic_store(&journal->head->trimmed, 0);
	atomic_store(&journal->head->head, 0);
	atomic_store(&journal->head->tail, 0);
}

/* A tail beyond the head, at the ring's first byte: the predecessor died while it rewound the empty ring. */
static void finish_rewinding(struct hs_journal *journal)
{
	uint64_t tail = journal->head->tail, head = journal->head->head;

	if (tail > head && tail - head < journal->ring_bytes && tail % journal->ring_bytes == 0)
		atomic_store(&journal->head->head, tail);
}

static bool ring_plausible(const struct hs_journal *journal)
{
	uint64_t tail = journal->head->tail, head = journal->head->head;

	return tail <= head && head - tail <= journal->ring_bytes && tail % 8 == 0 && head % 8 == 0 &&
	       head < UINT64_MAX / 2 && journal->head->epoch != 0 && journal->head->epoch >> EPOCH_BITS == 0 &&
	       journal->head->trimmed < UINT64_MAX / 2;
}

/* Counts the facts of the predecessor; what is damaged becomes filler. */
static void restore_ring(struct hs_journal *journal)
{
	uint64_t at;

	finish_rewinding(journal);
	if (!ring_plausible(journal)) {
		count_damage(journal);
		reset_ring(journal);
	}
	journal->last_seq = journal->head->trimmed;
	for (at = journal->head->tail; at < journal->head->head;) {
		struct entry *entry = check_entry(journal, at, journal->head->head);

		if (!entry || (entry->seq && entry->seq <= journal->last_seq && journal->waiting)) {
			cover_damage(journal, at, journal->head->head);
			at = at < journal->head->tail ? journal->head->tail : at;
			continue;
		}
		if (entry->seq > journal->last_seq) {
			journal->last_seq = entry->seq;
			journal->waiting++;
		}
		at += entry_size(entry->bytes);
	}
	hs_journal_trim(journal, journal->head->trimmed);
}

int hs_journal_append(struct hs_journal *journal, const void *data, size_t bytes, uint64_t *ret_seq)
{
	uint64_t position = journal->head->head;
	struct entry *entry = entry_at(journal, position);

	if (bytes > FACT_MAX || entry_size(bytes) > journal->ring_bytes)
		return -EMSGSIZE;
	if (position - journal->head->tail + entry_size(bytes) > journal->ring_bytes)
		return -ENOSPC;
	entry->seq = ++journal->last_seq;
	entry->bytes = (uint32_t)bytes;
	entry->zero = 0;
	if (bytes)
		memcpy(entry->data, data, bytes);
	entry->sum = entry_sum(journal, entry, position);
	atomic_store_explicit(&journal->head->head, position + entry_size(bytes), memory_order_release);
	journal->waiting++;
	if (ret_seq)
		*ret_seq = entry->seq;
	return 0;
}

bool hs_journal_next(struct hs_journal *journal, uint64_t after, uint64_t *ret_seq, const void **ret_data,
		     size_t *ret_bytes)
{
	bool goes_on = journal->found_seq && after >= journal->found_seq;
	uint64_t at = goes_on ? journal->found_at : journal->head->tail;

	while (at < journal->head->head) {
		const struct entry *entry = entry_at(journal, at);

		at += entry_size(entry->bytes);
		if (entry->seq <= after)
			continue;
		journal->found_seq = entry->seq;
		journal->found_at = at;
		*ret_seq = entry->seq;
		*ret_data = entry->data;
		*ret_bytes = entry->bytes;
		return true;
	}
	return false;
}

/* An empty ring goes on at its first byte, so that a short queue lives in few pages, which are warm. Died between the
 * two stores: see finish_rewinding. */
static void rewind_ring(struct hs_journal *journal, uint64_t at)
{
	uint64_t first = (at + journal->ring_bytes - 1) / journal->ring_bytes * journal->ring_bytes;

	atomic_store_explicit(&journal->head->tail, first, memory_order_release);
	atomic_store_explicit(&journal->head->head, first, memory_order_release);
}

void hs_journal_trim(struct hs_journal *journal, uint64_t seq)
{
	uint64_t at = journal->head->tail, last = journal->head->trimmed;

	while (at < journal->head->head) {
		const struct entry *entry = entry_at(journal, at);

		if (entry->seq > seq)
			break;
		if (entry->seq > journal->head->trimmed) {
			last = entry->seq;
			journal->waiting--;
		}
		at += entry_size(entry->bytes);
	}
	atomic_store_explicit(&journal->head->trimmed, last, memory_order_release);
	atomic_store_explicit(&journal->head->tail, at, memory_order_release);
	if (journal->found_at <= at)
		journal->found_seq = 0;
	if (at == journal->head->head)
		rewind_ring(journal, at);
}

bool hs_journal_is_found(const struct hs_journal *journal)
{
	return journal->is_found;
}

uint64_t hs_journal_epoch(const struct hs_journal *journal)
{
	return journal->head->epoch;
}

uint64_t hs_journal_newest(const struct hs_journal *journal)
{
	return journal->last_seq;
}

uint64_t hs_journal_forgotten(const struct hs_journal *journal)
{
	return journal->head->trimmed;
}

size_t hs_journal_waiting(const struct hs_journal *journal)
{
	return journal->waiting;
}

void hs_journal_fill(const struct hs_journal *journal, size_t *ret_used, size_t *ret_size)
{
	*ret_used = (size_t)(journal->head->head - journal->head->tail);
	*ret_size = (size_t)journal->ring_bytes;
}

/* ---- records ---- */

static struct record *record_at(const struct hs_journal *journal, uint32_t block)
{
	return (struct record *)(void *)(journal->blocks + (size_t)block * BLOCK);
}

static bool is_used(const struct hs_journal *journal, uint32_t block)
{
	return journal->used[block / 64] >> (block % 64) & 1;
}

static void set_used(struct hs_journal *journal, struct place place, bool used)
{
	for (uint32_t i = place.block; i < place.block + place.blocks; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);

		if (used)
			journal->used[i / 64] |= bit;
		else
			journal->used[i / 64] &= ~bit;
	}
	if (!used && place.block < journal->first_free)
		journal->first_free = place.block;
}

/* First run of free blocks; BLOCKS when there is none. */
static uint32_t find_run(struct hs_journal *journal, uint32_t wanted)
{
	uint32_t length = 0, block = journal->first_free;

	for (; block < BLOCKS && is_used(journal, block); block++)
		if (block % 64 == 0 && journal->used[block / 64] == UINT64_MAX)
			block += 63;
	journal->first_free = block < BLOCKS ? block : BLOCKS;
	for (; block < BLOCKS && length < wanted; block++)
		length = is_used(journal, block) ? 0 : length + 1;
	return length == wanted ? block - wanted : BLOCKS;
}

static uint32_t blocks_for(size_t bytes)
{
	return (uint32_t)((sizeof(struct record) + bytes + BLOCK - 1) / BLOCK);
}

static void free_place(struct hs_journal *journal, struct place *place)
{
	if (!place)
		return;
	atomic_store_explicit(&record_at(journal, place->block)->mark, 0, memory_order_release);
	set_used(journal, *place, false);
	free(place);
}

static void index_record(struct hs_journal *journal, const char *key, uint32_t block, uint32_t blocks)
{
	struct place *place = hs_zalloc(sizeof(*place));

	*place = (struct place){block, blocks};
	set_used(journal, *place, true);
	free_place(journal, hs_table_put(journal->places, key, place));
}

static bool key_valid(const char *key)
{
	return key && key[0] && strnlen(key, HS_JOURNAL_KEY) < HS_JOURNAL_KEY;
}

/* A place for a record, with its head but for sum and mark. NULL: there is none. */
static struct record *make_record(struct hs_journal *journal, const char *key, size_t bytes)
{
	uint32_t blocks = blocks_for(bytes), block = journal->blocks ? find_run(journal, blocks) : BLOCKS;
	struct record *record;

	if (block == BLOCKS)
		return NULL;
	if (block + blocks > journal->head->high)
		atomic_store_explicit(&journal->head->high, block + blocks, memory_order_release);
	record = record_at(journal, block);
	record->generation = ++journal->generation;
	record->bytes = (uint32_t)bytes;
	record->blocks = blocks;
	memset(record->key, 0, sizeof(record->key));
	hs_copy(record->key, sizeof(record->key), key);
	return record;
}

/* The value is there: the record is valid from now on, in place of an older one. */
static void finish_record(struct hs_journal *journal, struct record *record, uint64_t mark)
{
	uint32_t block = (uint32_t)(((uint8_t *)record - journal->blocks) / BLOCK);

	record->sum = record_sum(journal, record, block, mark);
	atomic_store_explicit(&record->mark, mark, memory_order_release);
	index_record(journal, record->key, block, record->blocks); /* clears the older one's mark */
}

int hs_journal_put(struct hs_journal *journal, const char *key, const void *value, size_t bytes)
{
	struct record *record;

	if (!key_valid(key))
		return -EINVAL;
	if (bytes > HS_JOURNAL_VALUE)
		return -EMSGSIZE;
	record = make_record(journal, key, bytes);
	if (!record)
		return -ENOSPC;
	if (bytes)
		memcpy(record->value, value, bytes);
	finish_record(journal, record, MARK);
	return 0;
}

void *hs_journal_live(struct hs_journal *journal, const char *key, size_t bytes)
{
	const struct place *place = key_valid(key) ? hs_table_get(journal->places, key) : NULL;
	struct record *record;

	if (!key_valid(key) || bytes > HS_JOURNAL_VALUE)
		return NULL;
	if (place) {
		record = record_at(journal, place->block);
		return record->mark == MARK_LIVE && record->bytes == bytes ? record->value : NULL;
	}
	record = make_record(journal, key, bytes);
	if (!record)
		return NULL;
	memset(record->value, 0, bytes);
	finish_record(journal, record, MARK_LIVE);
	return record->value;
}

void hs_journal_drop(struct hs_journal *journal, const char *key)
{
	free_place(journal, hs_table_remove(journal->places, key));
}

struct walk {
	struct hs_journal *journal;
	const char *prefix;
	void (*visit)(void *context, const char *key, const void *value, size_t bytes);
	void *context;
	char poison[HS_JOURNAL_KEY]; /* "": none was met */
	void *copy;
	size_t copy_bytes;
};

static void visit_poison(struct walk *walk, const struct record *record)
{
	hs_copy(walk->poison, sizeof(walk->poison), record->key);
	free(walk->copy);
	walk->copy = hs_zalloc(record->bytes + 1U);
	memcpy(walk->copy, record->value, record->bytes);
	walk->copy_bytes = record->bytes;
	walk->visit(walk->context, walk->poison, "", 0);
}

/* It stays, under another name, for whoever wants to know what it was. */
static void quarantine(struct walk *walk)
{
	AUTO(free) char *kept = hs_printf("poison/%.*s", HS_JOURNAL_KEY - 8, walk->poison);

	hs_log(ERROR, "journal.poison", LOG_TEXT("record", walk->poison),
	       LOG_WHY("it was being read at three deaths; it is left alone"));
	hs_journal_put(walk->journal, kept, walk->copy, walk->copy_bytes);
	hs_journal_drop(walk->journal, walk->poison);
	free(walk->copy);
}

static _Bool visit_record(void *context, const char *key, void *object)
{
	struct walk *walk = context;
	const struct place *place = object;
	const struct record *record = record_at(walk->journal, place->block);

	if (strncmp(key, walk->prefix, strlen(walk->prefix)) != 0)
		return true;
	if (hs_pulse_work(record->key, 0))
		walk->visit(walk->context, record->key, record->value, record->bytes);
	else
		visit_poison(walk, record);
	hs_pulse_done();
	return true;
}

void hs_journal_each(struct hs_journal *journal, const char *prefix,
		     void (*visit)(void *context, const char *key, const void *value, size_t bytes), void *context)
{
	struct walk walk = {.journal = journal, .prefix = prefix, .visit = visit, .context = context};

	hs_table_each(journal->places, visit_record, &walk);
	if (walk.poison[0])
		quarantine(&walk);
}

static bool record_whole(const struct hs_journal *journal, const struct record *record, uint32_t block)
{
	return record->bytes <= HS_JOURNAL_VALUE && record->blocks == blocks_for(record->bytes) &&
	       record->blocks <= BLOCKS - block && key_valid(record->key) &&
	       record->sum == record_sum(journal, record, block, record->mark);
}

/* Two of one key: the predecessor died between setting one mark and clearing the other. */
static void restore_record(struct hs_journal *journal, struct record *record, uint32_t block)
{
	const struct place *other = hs_table_get(journal->places, record->key);

	if (other && record_at(journal, other->block)->generation > record->generation) {
		atomic_store(&record->mark, 0);
		return;
	}
	index_record(journal, record->key, block, record->blocks);
	if (record->generation > journal->generation)
		journal->generation = record->generation;
}

static void restore_records(struct hs_journal *journal)
{
	uint32_t end = journal->head->high < BLOCKS ? (uint32_t)journal->head->high : BLOCKS;

	for (uint32_t block = 0; block < end;) {
		struct record *record = record_at(journal, block);
		uint32_t blocks = 1;

		bool is_marked = record->mark == MARK || record->mark == MARK_LIVE;

		if (is_marked && record_whole(journal, record, block)) {
			blocks = record->blocks;
			restore_record(journal, record, block);
		} else if (is_marked) {
			count_damage(journal);
			atomic_store(&record->mark, 0);
		}
		block += blocks;
	}
}

/* ---- mapping ---- */

enum parts { RING_ALONE, RING_AND_RECORDS };

static size_t whole_bytes(uint64_t ring_bytes, enum parts parts)
{
	return PAGE + (size_t)ring_bytes + (parts == RING_ALONE ? 0 : (size_t)BLOCKS * BLOCK);
}

static void *map(int fd, void *at, size_t bytes, uint64_t offset)
{
	void *memory = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd, (off_t)offset);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool map_parts(struct hs_journal *journal, uint64_t ring_bytes, enum parts parts)
{
	uint8_t *room = mmap(NULL, 2 * ring_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return false;
	journal->ring_bytes = ring_bytes;
	journal->ring = room;
	if (parts == RING_AND_RECORDS)
		journal->blocks = map(journal->fd, NULL, (size_t)BLOCKS * BLOCK, PAGE + ring_bytes);
	return (journal->blocks || parts == RING_ALONE) && map(journal->fd, room, ring_bytes, PAGE) &&
	       map(journal->fd, room + ring_bytes, ring_bytes, PAGE);
}

static void unmap_parts(struct hs_journal *journal)
{
	if (journal->ring)
		munmap(journal->ring, 2 * journal->ring_bytes);
	if (journal->blocks)
		munmap(journal->blocks, (size_t)BLOCKS * BLOCK);
	if (journal->head)
		munmap(journal->head, PAGE);
	journal->ring = journal->blocks = NULL;
	journal->head = NULL;
	close(journal->fd);
	journal->fd = -1;
}

static uint64_t head_sum(const struct head *head)
{
	return checksum(head->seed, head, offsetof(struct head, sum));
}

/* True when fd is a whole journal; it is the journal's from now on in any case. */
static bool adopt(struct hs_journal *journal, int fd, enum parts parts)
{
	struct stat status;
	uint64_t ring_bytes;

	journal->fd = fd;
	if (fstat(fd, &status) < 0 || status.st_size < (off_t)PAGE)
		return false;
	journal->head = map(fd, NULL, PAGE, 0);
	if (!journal->head || journal->head->magic != MAGIC || journal->head->sum != head_sum(journal->head))
		return false;
	ring_bytes = journal->head->ring_bytes;
	if (ring_bytes % PAGE || ring_bytes == 0 || ring_bytes > RING_MAX ||
	    (size_t)status.st_size != whole_bytes(ring_bytes, parts) || !map_parts(journal, ring_bytes, parts))
		return false;
	restore_ring(journal);
	if (journal->blocks)
		restore_records(journal);
	return true;
}

/* Begins in a descriptor of the right size, which is full of zeros. */
static bool begin(struct hs_journal *journal, uint64_t ring_bytes, enum parts parts)
{
	struct head *head = journal->head = map(journal->fd, NULL, PAGE, 0);

	if (!head || !map_parts(journal, ring_bytes, parts))
		return false;
	if (getrandom(&head->seed, sizeof(head->seed), 0) != sizeof(head->seed))
		return false;
	head->magic = MAGIC;
	head->ring_bytes = ring_bytes;
	head->sum = head_sum(head);
	reset_ring(journal);
	return true;
}

static bool make(struct hs_journal *journal, struct hs_keep *keep, uint64_t ring_bytes)
{
	int result;

	journal->fd = memfd_create("hookswitch-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (journal->fd < 0 || ftruncate(journal->fd, (off_t)whole_bytes(ring_bytes, RING_AND_RECORDS)) < 0 ||
	    fcntl(journal->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ||
	    !begin(journal, ring_bytes, RING_AND_RECORDS))
		return false;
	result = hs_keep_hold(keep, HELD_AS, journal->fd);
	if (result < 0)
		hs_log(ERROR, "journal.unprotected", LOG_WHY(strerror(-result)));
	return true;
}

static struct hs_journal *create(void)
{
	struct hs_journal *journal = hs_zalloc(sizeof(*journal));

	journal->places = hs_table_create();
	journal->fd = -1;
	return journal;
}

/* What a ring of that many bytes takes in whole pages. */
static uint64_t ring_room(size_t ring_bytes)
{
	return ring_bytes ? (ring_bytes + PAGE - 1) / PAGE * PAGE : PAGE;
}

struct hs_journal *hs_journal_open(struct hs_keep *keep, size_t ring_bytes)
{
	struct hs_journal *journal = create();
	int fd = hs_keep_take(keep, HELD_AS);

	ring_bytes = ring_room(ring_bytes);
	if (fd >= 0 && adopt(journal, fd, RING_AND_RECORDS)) {
		journal->is_found = true;
		hs_log(INFO, "journal.restored", LOG_INT("facts", (int64_t)journal->waiting),
		       LOG_INT("records", (int64_t)hs_table_count(journal->places)),
		       LOG_INT("damaged", (int64_t)journal->damaged));
		return journal;
	}
	if (fd >= 0) {
		hs_log(ERROR, "journal.unreadable", LOG_WHY("the head is damaged; a new one begins"));
		unmap_parts(journal);
	}
	if (ring_bytes <= RING_MAX && make(journal, keep, ring_bytes))
		return journal;
	hs_log(ERROR, "journal.refused", LOG_WHY(strerror(errno)));
	hs_journal_close(journal);
	return NULL;
}

struct hs_journal *hs_journal_make_file(const char *path, size_t ring_bytes)
{
	struct hs_journal *journal = create();
	uint64_t room = ring_room(ring_bytes);
	int error;

	unlink(path);
	journal->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	error = journal->fd < 0 ? errno : posix_fallocate(journal->fd, 0, (off_t)whole_bytes(room, RING_ALONE));
	if (error == 0 && begin(journal, room, RING_ALONE))
		return journal;
	if (journal->fd >= 0)
		unlink(path);
	hs_journal_close(journal);
	errno = error ? error : ENOMEM;
	return NULL;
}

struct hs_journal *hs_journal_find_file(const char *path)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct hs_journal *journal;

	if (fd < 0)
		return NULL;
	journal = create();
	if (adopt(journal, fd, RING_ALONE))
		return journal;
	hs_journal_close(journal);
	errno = EPROTO;
	return NULL;
}

static _Bool free_object(void *context, const char *key, void *object)
{
	free(object);
	return true;
}

void hs_journal_close(struct hs_journal *journal)
{
	if (!journal)
		return;
	if (journal->fd >= 0)
		unmap_parts(journal);
	hs_table_each(journal->places, free_object, NULL);
	hs_table_destroy(journal->places);
	free(journal);
}
