#include "handover.h"
#include "cleanup.h"
#include "clock.h"
#include "keeper.h"
#include "log.h"
#include "notify.h"
#include "pass.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MEET_MS 10000 /* until the old one has connected, and between two words of its offer */
#define VERSION 1     /* of the words below; counts up when one changes */

enum word {
	OFFER = 1, /* number: version of the words; text: layout */
	LOCK,      /* descriptor */
	NOTIFY,    /* descriptor; number: milliseconds between two beats */
	OPENED,    /* text: name; descriptor */
	ASK,
	TAKE,
	LEFT, /* text: name; descriptor */
	ALL,  /* number: children that ended */
	DONE,
	STOP,
	RECALL,
};

struct message {
	uint32_t word;
	int32_t number;
	char text[HS_HANDOVER_TEXT]; /* ends with NUL */
};

static struct {
	const char *path;
	char layout[HS_HANDOVER_TEXT];
	int lock, connection, notify;
	int notify_ms;
	int teller;
	pid_t other;
	bool is_heir;
} state = {.lock = -1, .connection = -1, .notify = -1, .teller = -1};

/* Whoever wants the lock finds us in it. */
static void sign(void)
{
	char text[16];

	snprintf(text, sizeof(text), "%-10d\n", (int)getpid());
	if (lseek(state.lock, 0, SEEK_SET) < 0 || write(state.lock, text, strlen(text)) < 0)
		hs_log(WARN, "keeper.not_signed", LOG_TEXT("error", strerror(errno)),
		       LOG_WHY("an upgrade will not find this keeper: restart it instead"));
}

void hs_handover_setup(const char *path, const char *layout, int lock)
{
	state.path = path;
	hs_copy(state.layout, sizeof(state.layout), layout);
	state.lock = lock;
	if (lock >= 0)
		sign();
}

void hs_handover_tell(int fd)
{
	state.teller = fd;
}

int hs_handover_socket(void)
{
	return state.connection;
}

bool hs_handover_is_heir(void)
{
	return state.is_heir;
}

void hs_handover_leave(void)
{
	hs_auto_close(&state.connection);
	state.connection = -1;
}

/* ---- words ---- */

/* Waits for room: the other one has nothing else to do than to take it. */
static int say(enum word word, int number, const char *text, int fd)
{
	struct message message = {.word = word, .number = number};
	struct pollfd room = {.fd = state.connection, .events = POLLOUT};
	int result;

	hs_copy(message.text, sizeof(message.text), text);
	while ((result = hs_pass_send(state.connection, &message, sizeof(message), fd)) == -EAGAIN)
		if (poll(&room, 1, MEET_MS) <= 0)
			return -ETIMEDOUT;
	return result;
}

/* 1, 0: none yet, -errno: there will be none. */
static int hear(struct message *ret_message, int *ret_fd)
{
	int result = hs_pass_receive(state.connection, ret_message, sizeof(*ret_message), ret_fd);

	ret_message->text[sizeof(ret_message->text) - 1] = 0;
	return result == 1 ? 1 : result == -EAGAIN ? 0 : result == 0 ? -EPIPE : result;
}

/* The next word, for so long. */
static int await(int64_t patience_ms, struct message *ret_message, int *ret_fd)
{
	struct pollfd ready = {.fd = state.connection, .events = POLLIN};
	int64_t until = hs_clock_ms() + patience_ms, left;
	int result;

	while ((result = hear(ret_message, ret_fd)) == 0) {
		left = until - hs_clock_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		poll(&ready, 1, (int)left);
	}
	return result;
}

/* Whether the process at the other end is this one, and of our own user. */
static bool is_peer(int connection, pid_t wanted)
{
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && wanted > 0 &&
	       peer.pid == wanted && peer.uid == geteuid();
}

static int fill_address(struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(state.path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	hs_copy(address->sun_path, sizeof(address->sun_path), state.path);
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

enum hs_handover_said hs_handover_hear(void)
{
	struct message message;
	int fd = -1, result = hear(&message, &fd);

	if (fd >= 0) /* no word that is due here has one */
		close(fd);
	if (result == 0)
		return HS_HANDOVER_NOTHING;
	if (result < 0)
		return HS_HANDOVER_LOST;
	switch (message.word) {
	case TAKE:
		return HS_HANDOVER_TAKE;
	case DONE:
		return HS_HANDOVER_DONE;
	case STOP:
		return HS_HANDOVER_STOP;
	case RECALL:
		return HS_HANDOVER_RECALL;
	default:
		return HS_HANDOVER_LOST;
	}
}

/* ---- the old keeper ---- */

static int meet(pid_t asker)
{
	struct sockaddr_un address;
	AUTO(close) int fd = fill_address(&address);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (!is_peer(fd, asker))
		return -EPERM;
	state.connection = fd;
	state.other = asker;
	fd = -1;
	return 0;
}

static bool offer_opened(void *context, const char *name, int fd)
{
	int *result = context;

	*result = say(OPENED, 0, name, fd);
	return *result == 0;
}

static int offer(void)
{
	int result = say(OFFER, VERSION, state.layout, -1), interval = 0;
	int notify = hs_notify_socket(&interval);

	if (result == 0)
		result = say(LOCK, 0, "", state.lock);
	if (result == 0 && notify >= 0)
		result = say(NOTIFY, interval, "", notify);
	if (result == 0)
		hs_keeper_each(true, offer_opened, &result);
	return result < 0 ? result : say(ASK, 0, "", -1);
}

void hs_handover_meet(pid_t asker)
{
	int result = state.connection >= 0 ? -EBUSY : !state.path || state.lock < 0 ? -ENOENT : meet(asker);

	if (result == 0) {
		hs_log(INFO, "keeper.asked", LOG_INT("by", asker));
		result = offer();
		if (result < 0)
			hs_handover_leave();
	}
	if (result < 0)
		hs_log(WARN, "keeper.no_successor", LOG_INT("asked_by", asker), LOG_TEXT("error", strerror(-result)),
		       LOG_WHY("SIGHUP is for a keeper of a new program, started with --upgrade; it goes on"));
}

static bool leave(void *context, const char *name, int fd)
{
	int *result = context;

	*result = say(LEFT, 0, name, fd);
	return *result == 0;
}

int hs_handover_give(int deaths)
{
	int result = 0;

	hs_keeper_each(false, leave, &result);
	return result < 0 ? result : say(ALL, deaths, "", -1);
}

void hs_handover_say(enum hs_handover_said what)
{
	say(what == HS_HANDOVER_STOP ? STOP : RECALL, 0, "", -1);
}

void hs_handover_end(void)
{
	char text[32];

	snprintf(text, sizeof(text), "MAINPID=%d", (int)state.other);
	hs_notify_tell(text);
	hs_log(INFO, "keeper.handed_over", LOG_INT("to", state.other));
	hs_handover_leave();
}

/* ---- the new keeper ---- */

/* Whose lock it is: its pid in decimal, in the file's first line. 0: nobody's. */
static pid_t read_pid(int lock)
{
	char text[16] = "";

	if (pread(lock, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return (pid_t)strtol(text, NULL, 10);
}

/* Until the process with this pid has connected: others are sent away. */
static int await_other(int listener, pid_t pid)
{
	int64_t until = hs_clock_ms() + MEET_MS, left;

	while ((left = until - hs_clock_ms()) > 0) {
		struct pollfd ready = {.fd = listener, .events = POLLIN};
		int fd;

		poll(&ready, 1, (int)left);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0 && is_peer(fd, pid)) {
			state.connection = fd;
			state.other = pid;
			return 0;
		}
		hs_auto_close(&fd);
	}
	return -ESRCH;
}

static int call(pid_t pid)
{
	struct sockaddr_un address;
	AUTO(close) int listener = fill_address(&address);
	int result;

	if (listener < 0)
		return listener;
	unlink(state.path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(state.path, 0600) < 0 ||
	    listen(listener, 4) < 0 || pid <= 1 || kill(pid, SIGHUP) < 0)
		result = -errno;
	else
		result = await_other(listener, pid);
	unlink(state.path);
	return result;
}

/* Takes what belongs to a word of the offer; a descriptor that nobody wants is closed. */
static int take_word(const struct message *message, int fd)
{
	switch (message->word) {
	case OFFER:
		if (message->number == VERSION && strcmp(message->text, state.layout) == 0)
			return 0;
		hs_log(ERROR, "keeper.other_layout", LOG_TEXT("theirs", message->text), LOG_TEXT("ours", state.layout),
		       LOG_WHY("this program cannot go on with what the one that runs keeps of its calls. That one "
			       "goes "
			       "on as it is; to change programs, stop it, which ends its calls, and start this one"));
		return -EPROTO;
	case LOCK:
		state.lock = fd;
		return fd < 0 ? -EPROTO : 0;
	case NOTIFY:
		state.notify = fd;
		state.notify_ms = message->number;
		return 0;
	case OPENED:
		return fd < 0 ? -EPROTO : hs_keeper_hold(message->text, fd);
	default:
		hs_auto_close(&fd);
		return message->word == ASK ? 0 : -EPROTO;
	}
}

static int take_offer(void)
{
	struct message message = {0};
	int fd = -1, result = 0;

	while (result == 0 && message.word != ASK) {
		result = await(MEET_MS, &message, &fd);
		if (result > 0)
			result = take_word(&message, fd);
	}
	return result == 0 && state.lock < 0 ? -EPROTO : result;
}

int hs_handover_ask(int lock)
{
	int result = call(read_pid(lock));

	if (result == 0)
		result = take_offer();
	if (result == 0) {
		state.is_heir = true;
		hs_notify_inherit(-1, 0);
	} else {
		hs_log(ERROR, "keeper.not_taken_over", LOG_TEXT("error", strerror(-result)),
		       LOG_WHY("the keeper that runs does not hand over; it goes on as it is"));
	}
	return result;
}

int hs_handover_take(void)
{
	struct message message = {0};
	int fd = -1, result = say(TAKE, 0, "", -1);

	while (result == 0 && message.word != ALL) {
		result = await(HS_HANDOVER_MS, &message, &fd);
		if (result > 0 && message.word == LEFT && fd >= 0)
			result = hs_keeper_hold(message.text, fd);
		else if (result > 0)
			result = message.word == ALL ? 0 : -EPROTO;
	}
	return result < 0 ? result : message.number;
}

static void finish(void)
{
	sign();
	say(DONE, 0, "", -1);
	hs_handover_leave();
	state.is_heir = false;
	hs_notify_inherit(state.notify, state.notify_ms);
	state.notify = -1;
	hs_log(INFO, "keeper.took_over", LOG_INT("from", state.other));
}

void hs_handover_done(void)
{
	if (state.is_heir)
		finish();
	if (state.teller < 0)
		return;
	if (write(state.teller, "", 1) < 0)
		hs_log(DEBUG, "keeper.untold");
	hs_auto_close(&state.teller);
	state.teller = -1;
}
