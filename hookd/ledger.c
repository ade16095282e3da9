#include "ledger.h"
#include "cleanup.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Head of a slot. A number that does not belong there, or a mark that does not fit, makes it an empty one. */
struct slot_head {
	int64_t number;
	uint32_t bytes, mark;
};

#define TEXT_MAX (LEDGER_SLOT - sizeof(struct slot_head))

struct ledger {
	char *path;
	int slots, fd;
	int64_t last; /* number given last */
};

struct ledger *ledger_create(const char *folder, int64_t endpoint, int slots)
{
	struct ledger *ledger = hs_zalloc(sizeof(*ledger));

	ledger->path = hs_printf("%s/attempts-%" PRId64, folder, endpoint);
	ledger->slots = slots;
	ledger->fd = -1;
	return ledger;
}

/* FNV-1a: a slot that was half written when the power went is not shown. */
static uint32_t mark_of(const char *text, size_t bytes)
{
	uint32_t value = 2166136261u;

	for (size_t i = 0; i < bytes; i++)
		value = (value ^ (unsigned char)text[i]) * 16777619u;
	return value;
}

static off_t place_of(const struct ledger *ledger, int64_t number)
{
	return (off_t)(number % ledger->slots) * LEDGER_SLOT;
}

static void find_last(struct ledger *ledger)
{
	for (int slot = 0; slot < ledger->slots; slot++) {
		struct slot_head head;
		ssize_t got = pread(ledger->fd, &head, sizeof(head), (off_t)slot * LEDGER_SLOT);

		if (got == sizeof(head) && head.number > ledger->last && head.number % ledger->slots == slot)
			ledger->last = head.number;
	}
}

/* False when none are kept, or the file cannot be had. */
static bool is_open(struct ledger *ledger)
{
	if (!ledger->slots || ledger->fd >= 0)
		return ledger->slots > 0;
	ledger->fd = open(ledger->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (ledger->fd < 0) {
		hs_log(WARN, "webhook.attempts_not_kept", LOG_TEXT("path", ledger->path), LOG_WHY(strerror(errno)));
		return false;
	}
	find_last(ledger);
	return true;
}

/* The attempt as text that fits a slot: the longest parts are left out first. */
static char *text_of(struct hs_webhook_attempt *attempt, size_t *ret_bytes)
{
	const char **const parts[] = {&attempt->answer_body, &attempt->answer_head, &attempt->body};
	char *text = hs_wire_text(&hs_shape_webhook_attempt, attempt, ret_bytes);

	for (size_t i = 0; i < HS_COUNT(parts) && *ret_bytes > TEXT_MAX; i++) {
		*parts[i] = NULL;
		free(text);
		text = hs_wire_text(&hs_shape_webhook_attempt, attempt, ret_bytes);
	}
	return text;
}

void ledger_add(struct ledger *ledger, struct hs_webhook_attempt *attempt)
{
	AUTO(free) char *text = NULL;
	struct slot_head head;
	char slot[LEDGER_SLOT];
	size_t bytes;

	if (!is_open(ledger))
		return;
	attempt->number = ++ledger->last;
	text = text_of(attempt, &bytes);
	if (bytes > TEXT_MAX)
		return; /* a URL of the longest kind: it is counted and traced all the same */
	head = (struct slot_head){attempt->number, (uint32_t)bytes, mark_of(text, bytes)};
	memcpy(slot, &head, sizeof(head));
	memcpy(slot + sizeof(head), text, bytes);
	if (pwrite(ledger->fd, slot, sizeof(head) + bytes, place_of(ledger, attempt->number)) < 0)
		hs_log(WARN, "webhook.attempts_not_kept", LOG_TEXT("path", ledger->path), LOG_WHY(strerror(errno)));
}

static bool read_slot(const struct ledger *ledger, int64_t number, struct hs_arena *arena,
		      struct hs_webhook_attempt *ret_attempt)
{
	char *slot = hs_arena_alloc(arena, LEDGER_SLOT), *text = slot + sizeof(struct slot_head);
	ssize_t got = pread(ledger->fd, slot, LEDGER_SLOT, place_of(ledger, number));
	const struct hs_json *json;
	struct hs_wire_fault fault;
	struct slot_head head;

	if (got < (ssize_t)sizeof(head))
		return false;
	memcpy(&head, slot, sizeof(head));
	if (head.number != number || head.bytes > (size_t)got - sizeof(head) || head.mark != mark_of(text, head.bytes))
		return false;
	return hs_wire_parse(text, head.bytes, arena, &json, &fault) == 0 &&
	       hs_wire_decode(&hs_shape_webhook_attempt, json, false, arena, ret_attempt, &fault) == 0;
}

/* The lowest number that may still be there. */
static int64_t oldest(const struct ledger *ledger)
{
	return ledger->last > ledger->slots ? ledger->last - ledger->slots + 1 : 1;
}

size_t ledger_list(struct ledger *ledger, int64_t since, size_t limit, struct hs_arena *arena,
		   struct hs_webhook_attempt *ret_attempts, int64_t *ret_last)
{
	size_t count = 0;
	int64_t number;

	*ret_last = 0;
	if (!is_open(ledger))
		return 0;
	*ret_last = ledger->last;
	number = since < 0 ? ledger->last - (int64_t)limit + 1 : since + 1;
	if (number < oldest(ledger))
		number = oldest(ledger);
	for (; number <= ledger->last && count < limit; number++)
		count += read_slot(ledger, number, arena, &ret_attempts[count]);
	return count;
}

const struct hs_webhook_attempt *ledger_find(struct ledger *ledger, const char *delivery, struct hs_arena *arena)
{
	struct hs_webhook_attempt *attempt = hs_arena_alloc(arena, sizeof(*attempt));

	if (!is_open(ledger))
		return NULL;
	for (int64_t number = ledger->last; number >= oldest(ledger); number--)
		if (read_slot(ledger, number, arena, attempt) && !strcmp(attempt->delivery, delivery))
			return attempt;
	return NULL;
}

void ledger_remove(struct ledger *ledger)
{
	unlink(ledger->path);
}

void ledger_destroy(struct ledger *ledger)
{
	if (!ledger)
		return;
	if (ledger->fd >= 0)
		close(ledger->fd);
	free(ledger->path);
	free(ledger);
}
