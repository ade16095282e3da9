#include "control.h"
#include "cleanup.h"
#include "clock.h"
#include "commands.h"
#include "log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 128
#define BACKLOG 16
#define UNREAD_MAX 65536 /* bytes of answers that wait to be read */

struct link {
	struct link *next;
	struct control *control;
	uv_pipe_t pipe;
	char line[COMMANDS_LINE];
	size_t have;
	bool busy, closing, reading, ended;
	struct command_call call;
};

struct control {
	uv_loop_t *loop;
	struct bank *bank;
	uv_pipe_t pipe;
	char path[96];
	struct link *links;
	unsigned int count;
};

struct reply {
	uv_write_t request;
	struct link *link;
	char *text;
};

static void look_at_lines(struct link *link);

static void gone(uv_handle_t *handle)
{
	struct link *link = handle->data, **at = &link->control->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link->control->count--;
	if (link->call.answer)
		json_object_put(link->call.answer);
	free(link);
}

static void drop(struct link *link)
{
	if (link->closing)
		return;
	link->closing = true;
	uv_close((uv_handle_t *)&link->pipe, gone);
}

static void written(uv_write_t *request, int status)
{
	struct reply *reply = request->data;
	struct link *link = reply->link;

	free(reply->text);
	free(reply);
	if (!link->closing)
		look_at_lines(link);
}

static void answer(struct link *link)
{
	AUTO(json_put) struct json_object *json = commands_answer(&link->call);
	struct reply *reply = hs_zalloc(sizeof(*reply));

	reply->link = link;
	reply->text = hs_printf("%s\n", json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	reply->request.data = reply;
	uv_buf_t buffer = uv_buf_init(reply->text, (unsigned int)strlen(reply->text));

	link->busy = false;
	if (uv_write(&reply->request, (uv_stream_t *)&link->pipe, &buffer, 1, written)) {
		free(reply->text);
		free(reply);
		link->ended = true;
	}
}

/* Who does not read his answers is not served further until he does. Who has closed his end gets what he asked for. */
static bool may_go_on(const struct link *link)
{
	return !link->busy && !link->closing &&
	       uv_stream_get_write_queue_size((const uv_stream_t *)&link->pipe) < UNREAD_MAX;
}

static void run_line(struct link *link, char *line)
{
	link->call = (struct command_call){.bank = link->control->bank, .now_ms = hs_clock_ms()};
	link->busy = true;
	if (commands_begin(&link->call, line))
		answer(link);
}

static void room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret_buffer)
{
	struct link *link = handle->data;

	*ret_buffer = uv_buf_init(link->line + link->have, (unsigned int)(sizeof(link->line) - link->have));
}

static void arrived(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct link *link = stream->data;

	if (count < 0)
		link->ended = true;
	else
		link->have += (size_t)count;
	look_at_lines(link);
}

/* Reads only while there is room: who sends faster than he is answered waits in his own socket. */
static void read_or_not(struct link *link)
{
	bool want = !link->closing && !link->ended && link->have < sizeof(link->line);

	if (want == link->reading)
		return;
	link->reading = want;
	if (want)
		uv_read_start((uv_stream_t *)&link->pipe, room, arrived);
	else
		uv_read_stop((uv_stream_t *)&link->pipe);
}

static void refuse_long_line(struct link *link)
{
	static const char text[] = "{\"ok\":false,\"error\":\"the line is too long\"}\n";
	uv_buf_t buffer = uv_buf_init((char *)text, sizeof(text) - 1);

	uv_try_write((uv_stream_t *)&link->pipe, &buffer, 1);
	drop(link);
}

static void look_at_lines(struct link *link)
{
	char *end;

	while (may_go_on(link) && (end = memchr(link->line, '\n', link->have))) {
		char line[COMMANDS_LINE];
		size_t length = (size_t)(end - link->line);

		memcpy(line, link->line, length);
		line[length] = '\0';
		if (length && line[length - 1] == '\r')
			line[length - 1] = '\0';
		link->have -= length + 1;
		memmove(link->line, end + 1, link->have);
		run_line(link, strlen(line) < length - (length > 0) ? (char *)"\x01" : line);
	}
	if (may_go_on(link) && link->have == sizeof(link->line))
		refuse_long_line(link);
	if (link->ended && !memchr(link->line, '\n', link->have))
		drop(link);
	read_or_not(link);
}

static void connected(uv_stream_t *server, int status)
{
	struct control *control = server->data;

	if (status)
		return;
	struct link *link = hs_zalloc(sizeof(*link));

	link->control = control;
	uv_pipe_init(control->loop, &link->pipe, 0);
	link->pipe.data = link;
	link->next = control->links;
	control->links = link;
	control->count++;
	if (uv_accept(server, (uv_stream_t *)&link->pipe) || control->count > LINKS_MAX)
		drop(link);
	read_or_not(link);
}

/* A socket that nobody serves any more is in the way; anything else is not ours to remove. */
static void remove_old(const char *path)
{
	struct stat status;

	if (!lstat(path, &status) && S_ISSOCK(status.st_mode))
		unlink(path);
}

/* Under another name first: who finds the socket finds somebody listening. */
static int listen_at(struct control *control, uid_t owner, gid_t group)
{
	char fresh[sizeof(control->path) + 8];

	snprintf(fresh, sizeof(fresh), "%s.new", control->path);
	remove_old(fresh);
	mode_t mask = umask(0117);
	int result = uv_pipe_bind(&control->pipe, fresh);

	umask(mask);
	if (!result)
		result = uv_listen((uv_stream_t *)&control->pipe, BACKLOG, connected);
	if (!result && chown(fresh, owner, group))
		result = -errno;
	if (!result && rename(fresh, control->path))
		result = -errno;
	return result;
}

int control_create(uv_loop_t *loop, struct bank *bank, const char *path, uid_t owner, gid_t group,
		   struct control **ret_control)
{
	struct control *control = hs_zalloc(sizeof(*control));

	control->loop = loop;
	control->bank = bank;
	uv_pipe_init(loop, &control->pipe, 0);
	control->pipe.data = control;
	int result = hs_copy(control->path, sizeof(control->path), path) ? 0 : -ENAMETOOLONG;

	if (!result)
		result = listen_at(control, owner, group);
	*ret_control = control;
	if (result)
		hs_log(ERROR, "dahdisim.no_socket", LOG_TEXT("path", path), LOG_TEXT("why", strerror(-result)));
	return result;
}

void control_settle(struct control *control)
{
	int64_t now_ms = hs_clock_ms();

	for (struct link *link = control->links; link; link = link->next) {
		if (!link->busy || link->closing)
			continue;
		link->call.now_ms = now_ms;
		if (!commands_again(&link->call))
			continue;
		answer(link);
		look_at_lines(link);
	}
}

void control_stop(struct control *control)
{
	for (struct link *link = control->links; link; link = link->next)
		drop(link);
	uv_close((uv_handle_t *)&control->pipe, NULL);
	remove_old(control->path);
}

void control_destroy(struct control *control)
{
	free(control);
}
