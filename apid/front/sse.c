#include "sse.h"
#include "cleanup.h"
#include "lwsio.h"
#include "subscription.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TYPE "text/event-stream"
#define WAITING_BYTES 65536 /* for a client that reads no more */
#define ALIVE_MS 15000      /* a comment that often: whoever is between us and the client sees that it lives */

struct sse {
	struct request *request;
	struct subscription *subscription;
	struct hs_wire_out waiting;
	size_t sent; /* of what waits */
	bool wants_write, is_over;
	uv_timer_t alive;
};

/* Any of the types that are accepted, without looking at their weights: nobody names this one who does not want it. */
bool sse_is_wanted(const struct request *request)
{
	return request->message == HS_EVENTS_LIST && strcmp(http_method(request->exchange), "GET") == 0 &&
	       strcasestr(http_header(request->exchange, "Accept"), TYPE);
}

/* ---- What the subscription wants ---- */

static int send_one(void *to, const char *text, size_t bytes, const char *cursor)
{
	struct sse *sse = to;
	if (sse->is_over)
		return -EPIPE;
	if (sse->waiting.used >= WAITING_BYTES)
		return -EAGAIN;
	AUTO(free) char *id = cursor ? hs_printf("id: %s\n", cursor) : hs_strdup("");
	hs_wire_put(&sse->waiting, id, strlen(id));
	hs_wire_put(&sse->waiting, "data: ", 6);
	hs_wire_put(&sse->waiting, text, bytes);
	hs_wire_put(&sse->waiting, "\n\n", 2);
	return 0;
}

static void want_write(void *to)
{
	struct sse *sse = to;
	sse->wants_write = true;
	http_stream_ready(sse->request->exchange);
}

/* The last word is an event of its own; a browser's EventSource comes back by itself, with the id it had. */
static void end(void *to, int code, const char *why)
{
	struct sse *sse = to;
	AUTO(free) char *text = hs_printf("event: closed\ndata: {\"code\":%d,\"why\":\"%s\"}\n\n", code, why);
	if (!sse->is_over)
		hs_wire_put(&sse->waiting, text, strlen(text));
	sse->is_over = true;
	http_stream_ready(sse->request->exchange);
}

static ssize_t read_waiting(void *context, char *buffer, size_t size)
{
	struct sse *sse = context;
	while (sse->waiting.used == 0 && sse->wants_write && !sse->is_over) {
		sse->wants_write = false;
		subscription_writable(sse->subscription);
	}
	size_t left = sse->waiting.used - sse->sent, bytes = left < size ? left : size;
	if (bytes == 0)
		return sse->is_over ? -1 : 0;
	memcpy(buffer, sse->waiting.bytes + sse->sent, bytes);
	sse->sent += bytes;
	if (sse->sent == sse->waiting.used)
		sse->sent = sse->waiting.used = 0;
	return (ssize_t)bytes;
}

static void on_alive(uv_timer_t *timer)
{
	struct sse *sse = timer->data;
	if (sse->waiting.used == 0)
		hs_wire_put(&sse->waiting, ":\n\n", 3);
	http_stream_ready(sse->request->exchange);
}

static void accept_client(void *to)
{
	struct sse *sse = to;
	uv_timer_start(&sse->alive, on_alive, ALIVE_MS, ALIVE_MS);
	hs_wire_put(&sse->waiting, ":\n\n", 3); /* the subscription is in force */
	rest_answer_stream(sse->request, TYPE "; charset=utf-8", read_waiting, sse);
	subscription_opened(sse->subscription);
}

static void refuse_client(void *to, const struct hs_answer *answer)
{
	struct sse *sse = to;
	rest_refuse_answer(sse->request, answer);
}

static const struct subscription_way way = {
	.send = send_one,
	.want_write = want_write,
	.close = end,
	.accept = accept_client,
	.refuse = refuse_client,
};

/* ---- Coming and going ---- */

/* since, of the query or the header; false: the request was answered. */
static bool read_query(struct request *request, struct subscription_query *ret_query)
{
	struct hs_wire_fault fault;
	const char *last = http_header(request->exchange, "Last-Event-ID");
	int error = subscription_read(http_query(request->exchange), ret_query, &fault);
	if (!error && *last && !subscription_since(ret_query, last)) {
		error = -EINVAL;
		hs_copy(fault.field, sizeof(fault.field), "Last-Event-ID");
		hs_copy(fault.why, sizeof(fault.why), "It must be the id of an event that came from here.");
	}
	if (error)
		rest_refuse(request,
			    &(struct problem){.error = HS_ERROR_INVALID, .field = fault.field, .detail = fault.why});
	return !error;
}

void sse_begin(struct request *request)
{
	struct subscription_query query;
	struct front *front = rest_front(request->rest);
	if (!read_query(request, &query))
		return;
	struct sse *sse = hs_zalloc(sizeof(*sse));
	request->sse = sse;
	sse->request = request;
	uv_timer_init(front->house->loop, &sse->alive);
	sse->alive.data = sse;
	sse->subscription = subscription_create(&(struct subscription_setup){
		.front = front,
		.way = &way,
		.to = sse,
		.token = front_token(http_header(request->exchange, "Authorization")),
		.client = http_client(request->exchange),
		.request_id = request->request_id,
		.query = &query,
	});
}

static void free_sse(uv_handle_t *timer)
{
	struct sse *sse = timer->data;
	free(sse->waiting.bytes);
	free(sse);
}

void sse_destroy(struct sse *sse)
{
	if (!sse)
		return;
	subscription_destroy(sse->subscription);
	uv_close((uv_handle_t *)&sse->alive, free_sse);
}
