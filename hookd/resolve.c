#include "resolve.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "table.h"
#include <ares.h>
#include <stdlib.h>
#include <string.h>

/* A name is asked again after its time to live, within these bounds: a receiver behind a short one costs a query every
 * few seconds, not one a webhook, and one that moved is found within a minute. */
#define KEEP_MIN_MS 5000
#define KEEP_MAX_MS 60000
#define NAMES_MAX 1024

/* Each server gets this long, and is asked this often. */
#define SERVER_MS 1500
#define SERVER_TRIES 2

struct resolve_question {
	void (*answered)(void *context, const struct egress_address *addresses, size_t count, const char *why);
	void *context;
	struct resolve_question *next;
};

/* A name that is being asked for or is known. */
struct name {
	struct resolve *resolve;
	char host[EGRESS_HOST_BYTES];
	struct egress_address addresses[EGRESS_MAX_ADDRESSES];
	size_t count;
	int64_t until_ms;
	bool asking; /* c-ares has it, or will on the next turn */
	struct resolve_question *questions;
	struct name *next_to_start;
};

struct watch {
	uv_poll_t poll;
	ares_socket_t socket;
	struct resolve *resolve;
	struct watch *next;
};

struct resolve {
	uv_loop_t *loop;
	ares_channel channel;
	uv_timer_t timer; /* of c-ares */
	uv_timer_t kick;  /* starts questions on the next turn: c-ares may answer before it returns */
	int handles;      /* not yet closed */
	struct watch *watches;
	struct hs_table *names;
	struct name *to_start;
	bool ending;
};

/* ---- c-ares on the loop ---- */

static void arm(struct resolve *resolve);

static void on_timer(uv_timer_t *timer)
{
	struct resolve *resolve = timer->data;

	ares_process_fd(resolve->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(resolve);
}

static void arm(struct resolve *resolve)
{
	struct timeval wait, *found;

	if (resolve->ending)
		return;
	found = ares_timeout(resolve->channel, NULL, &wait);
	if (!found) {
		uv_timer_stop(&resolve->timer);
		return;
	}
	uv_update_time(resolve->loop);
	uv_timer_start(&resolve->timer, on_timer, (uint64_t)found->tv_sec * 1000 + (uint64_t)found->tv_usec / 1000 + 1,
		       0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct resolve *resolve = watch->resolve;
	ares_socket_t socket = watch->socket;
	bool readable = status < 0 || (events & UV_READABLE), writable = status < 0 || (events & UV_WRITABLE);

	ares_process_fd(resolve->channel, readable ? socket : ARES_SOCKET_BAD, writable ? socket : ARES_SOCKET_BAD);
	arm(resolve);
}

static void free_watch(uv_handle_t *handle)
{
	free(handle->data);
}

static void unwatch(struct resolve *resolve, struct watch *watch)
{
	struct watch **at = &resolve->watches;

	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	uv_close((uv_handle_t *)&watch->poll, free_watch);
}

static void on_socket(void *context, ares_socket_t socket, int readable, int writable)
{
	struct resolve *resolve = context;
	struct watch *watch = resolve->watches;

	while (watch && watch->socket != socket)
		watch = watch->next;
	if (!readable && !writable) {
		if (watch)
			unwatch(resolve, watch);
		return;
	}
	if (!watch) {
		watch = hs_zalloc(sizeof(*watch));
		watch->resolve = resolve;
		watch->socket = socket;
		uv_poll_init(resolve->loop, &watch->poll, socket);
		watch->poll.data = watch;
		watch->next = resolve->watches;
		resolve->watches = watch;
	}
	uv_poll_start(&watch->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_ready);
}

struct resolve *resolve_create(uv_loop_t *loop)
{
	struct resolve *resolve = hs_zalloc(sizeof(*resolve));
	struct ares_options options = {
		.timeout = SERVER_MS,
		.tries = SERVER_TRIES,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = resolve,
	};
	int code;

	resolve->loop = loop;
	code = ares_library_init(ARES_LIB_INIT_ALL);
	if (!code)
		code = ares_init_options(&resolve->channel, &options,
					 ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (code) {
		hs_log(ERROR, "resolve.cannot_start", LOG_WHY(ares_strerror(code)));
		free(resolve);
		return NULL;
	}
	uv_timer_init(loop, &resolve->timer);
	uv_timer_init(loop, &resolve->kick);
	resolve->timer.data = resolve->kick.data = resolve;
	resolve->names = hs_table_create();
	return resolve;
}

/* ---- Names ---- */

static bool find_old(void *context, const char *key, void *object)
{
	struct name **ret_name = context, *name = object;

	if (!name->asking && (!*ret_name || name->until_ms < (*ret_name)->until_ms))
		*ret_name = name;
	return true;
}

/* Room for one more: the one that expires first goes. */
static void make_room(struct resolve *resolve)
{
	struct name *oldest = NULL;

	if (hs_table_count(resolve->names) < NAMES_MAX)
		return;
	hs_table_each(resolve->names, find_old, &oldest);
	if (oldest)
		free(hs_table_remove(resolve->names, oldest->host));
}

size_t resolve_known(struct resolve *resolve, const char *host, struct egress_address *ret_addresses)
{
	const struct name *name = hs_table_get(resolve->names, host);

	if (!name || name->until_ms <= hs_clock_ms())
		return 0;
	memcpy(ret_addresses, name->addresses, name->count * sizeof(*ret_addresses));
	return name->count;
}

static int64_t keep(const struct ares_addrinfo *info, struct egress_address *addresses, size_t *ret_count)
{
	int64_t keep_ms = KEEP_MAX_MS;

	*ret_count = 0;
	for (const struct ares_addrinfo_node *node = info->nodes; node && *ret_count < EGRESS_MAX_ADDRESSES;
	     node = node->ai_next) {
		if (egress_from_sockaddr(node->ai_addr, &addresses[*ret_count]) < 0)
			continue;
		(*ret_count)++;
		if (node->ai_ttl * 1000ll < keep_ms)
			keep_ms = node->ai_ttl * 1000ll;
	}
	return keep_ms < KEEP_MIN_MS ? KEEP_MIN_MS : keep_ms;
}

static void tell(struct name *name, const char *why)
{
	struct resolve_question *question = TAKE(name->questions);

	while (question) {
		struct resolve_question *next = question->next;

		if (question->answered)
			question->answered(question->context, name->addresses, name->count, why);
		free(question);
		question = next;
	}
}

static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *info)
{
	struct name *name = context;
	struct resolve *resolve = name->resolve;

	name->asking = false;
	name->count = 0;
	name->until_ms = 0;
	if (!resolve->ending) {
		if (status == ARES_SUCCESS && info)
			name->until_ms = hs_clock_ms() + keep(info, name->addresses, &name->count);
		tell(name, status == ARES_SUCCESS ? "the name has no address" : ares_strerror(status));
		/* The listeners may have asked again at once. */
		if (!name->count && !name->asking)
			free(hs_table_remove(resolve->names, name->host));
	}
	if (info)
		ares_freeaddrinfo(info);
}

static void on_kick(uv_timer_t *kick)
{
	struct resolve *resolve = kick->data;
	struct name *name = TAKE(resolve->to_start);

	while (name) {
		struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
		struct name *next = name->next_to_start;

		ares_getaddrinfo(resolve->channel, name->host, NULL, &hints, on_answer, name);
		name = next;
	}
	arm(resolve);
}

static void start(struct resolve *resolve, struct name *name)
{
	name->asking = true;
	name->next_to_start = resolve->to_start;
	resolve->to_start = name;
	uv_timer_start(&resolve->kick, on_kick, 0, 0);
}

struct resolve_question *resolve_ask(struct resolve *resolve, const char *host,
				     void (*answered)(void *context, const struct egress_address *addresses,
						      size_t count, const char *why),
				     void *context)
{
	struct resolve_question *question = hs_zalloc(sizeof(*question));
	struct name *name = hs_table_get(resolve->names, host);

	if (!name) {
		make_room(resolve);
		name = hs_zalloc(sizeof(*name));
		name->resolve = resolve;
		hs_copy(name->host, sizeof(name->host), host);
		hs_table_put(resolve->names, name->host, name);
	}
	question->answered = answered;
	question->context = context;
	question->next = name->questions;
	name->questions = question;
	if (!name->asking)
		start(resolve, name);
	return question;
}

void resolve_forget(struct resolve_question *question)
{
	if (question)
		question->answered = NULL;
}

static bool free_name(void *context, const char *key, void *object)
{
	struct name *name = object;

	while (name->questions) {
		struct resolve_question *question = name->questions;

		name->questions = question->next;
		free(question);
	}
	free(name);
	return true;
}

/* libuv lets go of its handles in an order of its own. */
static void handle_closed(uv_handle_t *handle)
{
	struct resolve *resolve = handle->data;

	if (--resolve->handles == 0)
		free(resolve);
}

void resolve_destroy(struct resolve *resolve)
{
	if (!resolve)
		return;
	resolve->ending = true;
	ares_destroy(resolve->channel);
	ares_library_cleanup();
	hs_table_each(resolve->names, free_name, NULL);
	hs_table_destroy(resolve->names);
	resolve->handles = 2;
	uv_close((uv_handle_t *)&resolve->kick, handle_closed);
	uv_close((uv_handle_t *)&resolve->timer, handle_closed);
}
