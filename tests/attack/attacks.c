#include "attacks.h"
#include "cleanup.h"
#include "zmtp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLOODS 100 /* of 32 KiB, four times at each door */
#define PATIENCE_MS 200
#define ABSTRACT "hookswitch-attack"

static int victim_port;

static int outcome(long result)
{
	return result < 0 ? -errno : 0;
}

/* ---- programs and processes ---- */

static int run_a_program(const struct attack_world *world)
{
	char *const arguments[] = {(char *)"/bin/true", NULL};

	return outcome(execve(arguments[0], arguments, arguments + 1));
}

static int run_from_memory(const struct attack_world *world)
{
	char *const arguments[] = {(char *)"x", NULL};

	return outcome(syscall(SYS_execveat, STDIN_FILENO, "", arguments, arguments + 1, AT_EMPTY_PATH));
}

static int make_a_process(const struct attack_world *world)
{
	pid_t pid;

	if (world->is_keeper)
		return ATTACK_ALLOWED;
	pid = fork();
	if (pid == 0)
		_exit(0);
	return outcome(pid);
}

static int make_a_thread(const struct attack_world *world)
{
	static char stack[65536];
	long flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;

	if (world->is_keeper) /* whose filter has what its child needs to start */
		return ATTACK_ALLOWED;
	return outcome(syscall(SYS_clone, flags, stack + sizeof(stack), 0, 0, 0));
}

static int enter_namespaces(const struct attack_world *world)
{
	return outcome(unshare(CLONE_NEWUSER));
}

static int clone_into_a_namespace(const struct attack_world *world)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return outcome(pid);
}

static int trace_the_keeper(const struct attack_world *world)
{
	return outcome(ptrace(PTRACE_SEIZE, world->parent, 0, 0));
}

static int read_memory_of_the_keeper(const struct attack_world *world)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return outcome(process_vm_readv(world->parent, &here, 1, &there, 1, 0));
}

static int signal_the_keeper(const struct attack_world *world)
{
	if (world->is_keeper)
		return ATTACK_ALLOWED; /* its own child, that is */
	return outcome(kill(world->parent, SIGCONT));
}

static int signal_a_stranger(const struct attack_world *world)
{
	return outcome(kill(1, SIGCONT));
}

static int steal_a_descriptor(const struct attack_world *world)
{
	return outcome(syscall(SYS_pidfd_open, world->parent, 0));
}

static int raise_its_limits(const struct attack_world *world)
{
	struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};

	if (world->is_keeper)
		return ATTACK_ALLOWED; /* it has none */
	return outcome(setrlimit(RLIMIT_NPROC, &more));
}

static int survive_a_refusal(const struct attack_world *world)
{
	if (world->is_keeper)
		return ATTACK_ALLOWED; /* its child sets it */
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? -errno : 0;
}

/* ---- rights ---- */

static int become_root(const struct attack_world *world)
{
	return outcome(syscall(SYS_setuid, 0));
}

static int regain_capabilities(const struct attack_world *world)
{
	return outcome(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0));
}

static int mount_a_disk(const struct attack_world *world)
{
	return outcome(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int change_root(const struct attack_world *world)
{
	return outcome(chroot("/"));
}

static int load_bpf(const struct attack_world *world)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return outcome(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int open_io_uring(const struct attack_world *world)
{
	char parameters[120] = {0};

	return outcome(syscall(SYS_io_uring_setup, 4, parameters));
}

static int watch_performance(const struct attack_world *world)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr)};

	return outcome(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int handle_faults(const struct attack_world *world)
{
	return outcome(syscall(SYS_userfaultfd, 0));
}

static int read_the_keyring(const struct attack_world *world)
{
	return outcome(syscall(SYS_keyctl, 0, -3, 0));
}

static int load_a_module(const struct attack_world *world)
{
	return outcome(syscall(SYS_init_module, "", 0, ""));
}

static int make_code(const struct attack_world *world)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? -errno
		       : 0;
}

static int turn_data_into_code(const struct attack_world *world)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return outcome(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

/* ---- files ---- */

static int open_one(const char *path, int flags)
{
	AUTO(close) int fd = open(path, flags | O_CLOEXEC, 0600);

	return outcome(fd);
}

/* The files of a telephone may be made anew while dahdid runs, so its table has the folder above them. Its child is
 * kept out of what is not its own by its user; its keeper, which is root, is not. */
static int open_at_home(const struct attack_world *world, const char *name, int flags)
{
	AUTO(free) char *path = hs_printf("%s/%s", world->home, name);

	if (world->is_keeper && world->role == HS_ROLE_DAHDID)
		return ATTACK_ALLOWED;
	return open_one(path, flags);
}

static int read_passwords_of_the_host(const struct attack_world *world)
{
	return open_one("/etc/shadow", O_RDONLY);
}

static int write_a_file_of_the_host(const struct attack_world *world)
{
	return open_one("/var/tmp/hookswitch-attack", O_WRONLY | O_CREAT);
}

static int read_what_everybody_may(const struct attack_world *world)
{
	return open_one("/usr/bin/env", O_RDONLY);
}

static int read_the_token(const struct attack_world *world)
{
	return open_at_home(world, "quickstart.json", O_RDONLY);
}

static int read_the_configuration(const struct attack_world *world)
{
	return open_at_home(world, "hookswitch.yaml", O_RDONLY);
}

static int write_the_log(const struct attack_world *world)
{
	return open_at_home(world, "logs/apid.log", O_WRONLY | O_APPEND);
}

/* Of every other daemon: the first that works, or the last error. */
static int of_others(const struct attack_world *world, const char *format, int flags)
{
	int result = -ENOENT;

	for (int role = 1; role < HS_ROLES; role++) {
		AUTO(free) char *name = NULL;

		if (role == (int)world->role || role == HS_ROLE_OPS)
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		name = hs_printf(format, hs_role_names[role]);
#pragma GCC diagnostic pop
		result = open_at_home(world, name, flags);
		if (result == 0)
			return 0;
	}
	return result;
}

static int read_keys_of_others(const struct attack_world *world)
{
	return of_others(world, "keys/%s.key", O_RDONLY);
}

static int list_state_of_others(const struct attack_world *world)
{
	return of_others(world, "%s", O_RDONLY | O_DIRECTORY);
}

static int write_among_sockets_of_others(const struct attack_world *world)
{
	return of_others(world, "run/%s/ready", O_WRONLY);
}

static int look_into_the_keeper(const struct attack_world *world)
{
	AUTO(free) char *path = hs_printf("/proc/%d/environ", (int)world->parent);

	if (world->is_keeper)
		return ATTACK_ALLOWED; /* that is itself */
	return open_one(path, O_RDONLY);
}

static int link_a_foreign_file(const struct attack_world *world)
{
	AUTO(free) char *to = hs_printf("%s/%s/link", world->home, hs_role_names[world->role]);

	return outcome(syscall(SYS_symlinkat, "/etc/shadow", AT_FDCWD, to));
}

static int make_a_device(const struct attack_world *world)
{
	AUTO(free) char *path = hs_printf("%s/%s/null", world->home, hs_role_names[world->role]);

	return outcome(syscall(SYS_mknodat, AT_FDCWD, path, S_IFCHR | 0600, 0x103));
}

static int open_the_telephones(const struct attack_world *world)
{
	return world->role == HS_ROLE_DAHDID && !world->is_scribe ? ATTACK_ALLOWED
								  : open_at_home(world, "dahdi/channel", O_RDWR);
}

static int open_memory_of_the_machine(const struct attack_world *world)
{
	return open_one("/dev/mem", O_RDWR);
}

static int ask_a_terminal(const struct attack_world *world)
{
	struct winsize size = {0};

	return outcome(ioctl(STDOUT_FILENO, TIOCSTI, &size));
}

/* ---- sockets ---- */

static bool has_internet(enum hs_role role)
{
	return role == HS_ROLE_HOOKD || role == HS_ROLE_HOOK_STREAM || role == HS_ROLE_SIPD;
}

static int connect_out(const struct attack_world *world)
{
	AUTO(close) int fd = -1;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)victim_port)};

	if (world->role == HS_ROLE_SIPD && !world->is_scribe)
		return ATTACK_ALLOWED; /* where a phone listens */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return outcome(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int listen_to_the_world(const struct attack_world *world)
{
	AUTO(close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET};

	if (fd < 0)
		return -errno;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return outcome(bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? -1 : listen(fd, 1));
}

static int send_a_datagram(const struct attack_world *world)
{
	AUTO(close) int fd = -1;

	if (!world->is_scribe && (has_internet(world->role) || world->role == HS_ROLE_MEDIAD) &&
	    (world->is_keeper || world->role != HS_ROLE_SIPD))
		return ATTACK_ALLOWED; /* names, RTP */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return outcome(fd);
}

static int read_packets(const struct attack_world *world)
{
	return outcome(socket(AF_PACKET, SOCK_RAW, 0));
}

static int send_raw(const struct attack_world *world)
{
	return outcome(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int talk_to_the_hypervisor(const struct attack_world *world)
{
	return outcome(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int configure_the_network(const struct attack_world *world)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, 12)); /* NETLINK_NETFILTER */
}

static int connect_unix(const struct sockaddr_un *to, socklen_t length)
{
	AUTO(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : outcome(connect(fd, (const struct sockaddr *)to, length));
}

static int use_an_abstract_socket(const struct attack_world *world)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	memcpy(to.sun_path + 1, ABSTRACT, sizeof(ABSTRACT) - 1);
	return connect_unix(&to, offsetof(struct sockaddr_un, sun_path) + sizeof(ABSTRACT));
}

static struct sockaddr_un door_of(const struct attack_world *world, int binder, int edge)
{
	struct sockaddr_un door = {.sun_family = AF_UNIX};

	snprintf(door.sun_path, sizeof(door.sun_path), "%s/run/%s/%s/socket", world->home, hs_role_names[binder],
		 hs_edges[edge].name);
	return door;
}

/* Every door of the bus at which its role has no business. */
static int enter_doors_of_others(const struct attack_world *world)
{
	int result = -ENOENT;

	for (int binder = 1; binder < HS_ROLES; binder++)
		for (int edge = 0; edge < HS_EDGES; edge++) {
			struct sockaddr_un to;
			uint32_t connect = hs_edges[edge].connect[binder];

			if (!connect || binder == (int)world->role || (connect & 1U << world->role))
				continue;
			to = door_of(world, binder, edge);
			result = connect_unix(&to, sizeof(to));
			if (result == 0)
				return 0;
		}
	return result;
}

/* ---- the bus ---- */

/* What a flood is made of, each as it is on the wire: messages, then what no peer may say. */
static size_t write_flood(uint8_t *to, size_t size)
{
	static const char *const texts[] = {
		"{\"v\":1,\"kind\":\"facts\",\"source\":\"sipd\",\"epoch\":1}",
		"{\"v\":1,\"kind\":\"request\",\"type\":\"leg.hangup\",\"id\":\"q1-00000000000000000000\","
		"\"source\":\"apid\",\"incarnation\":\"i1-00000000000000000000\",\"deadline_ms\":1000,\"body\":{}}",
		"{",
		"null",
	};
	size_t used = 0;

	for (int i = 0; used + ZMTP_HEAD_BYTES + 256 < size; i++) {
		const char *text = texts[i % (int)HS_COUNT(texts)];

		used += zmtp_head_write(to + used, strlen(text), false, false);
		memcpy(to + used, text, strlen(text));
		used += strlen(text);
	}
	return used;
}

/* Sends all of it, as fast as it is taken; false: nobody takes it any more. */
static bool pour(int fd, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes) {
		struct pollfd ready = {.fd = fd, .events = POLLOUT};
		ssize_t sent = send(fd, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && (errno != EAGAIN || poll(&ready, 1, PATIENCE_MS) <= 0))
			return false;
		at += sent > 0 ? sent : 0;
		bytes -= sent > 0 ? (size_t)sent : 0;
	}
	return true;
}

static bool greet(int fd)
{
	uint8_t text[ZMTP_GREETING_BYTES + ZMTP_ANSWER_MAX];

	zmtp_greeting_write(text);
	return pour(fd, text,
		    ZMTP_GREETING_BYTES + zmtp_ready_write(text + ZMTP_GREETING_BYTES, ZMTP_DEALER, NULL, NULL));
}

static void flood(const struct sockaddr_un *door)
{
	static uint8_t text[32768];
	static const struct {
		const char *text;
		size_t bytes;
	} ends[] = {
		{"\2\377\377\377\377\377\377\377\377", 9}, /* a frame of all the memory there is */
		{"\1\0\1\0\1\0\1\0", 8},                   /* a message without end */
		{"\4\7\4PING\0\1", 9},                     /* and silence */
		{"\4\0", 2},
	};
	size_t bytes = write_flood(text, sizeof(text));

	for (size_t i = 0; i < HS_COUNT(ends); i++) {
		AUTO(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)door, sizeof(*door)) < 0 || !greet(fd))
			continue;
		for (int round = 0; round < FLOODS && pour(fd, text, bytes); round++)
			;
		for (int round = 0; round < FLOODS && pour(fd, ends[i].text, ends[i].bytes); round++)
			;
	}
}

/* Facts in the name of a driver, rubbish, requests that are not its own, as fast as it goes, at every door that it may
 * enter. Nobody answers to that here: the test looks at the suite. */
static int flood_the_bus(const struct attack_world *world)
{
	if (world->is_keeper || world->is_scribe)
		return ATTACK_ALLOWED; /* they have no bus */
	for (int binder = 1; binder < HS_ROLES; binder++)
		for (int edge = 0; edge < HS_EDGES; edge++) {
			struct sockaddr_un door;
			uint32_t connect = hs_edges[edge].connect[binder];

			if (!connect || !(connect & 1U << world->role) ||
			    (edge != HS_EDGE_REQUESTS && edge != HS_EDGE_AUDIO))
				continue;
			door = door_of(world, binder, edge);
			flood(&door);
		}
	return ATTACK_ALLOWED;
}

static const struct attack attacks[] = {
	{"run a program", run_a_program, false},
	{"run from memory", run_from_memory, false},
	{"make a process", make_a_process, true},
	{"make a thread", make_a_thread, true},
	{"enter namespaces", enter_namespaces, false},
	{"clone into a namespace", clone_into_a_namespace, true},
	{"trace the keeper", trace_the_keeper, true},
	{"read memory of the keeper", read_memory_of_the_keeper, true},
	{"signal the keeper", signal_the_keeper, true},
	{"signal a stranger", signal_a_stranger, true},
	{"steal a descriptor", steal_a_descriptor, false},
	{"raise its limits", raise_its_limits, true},
	{"survive a refusal", survive_a_refusal, true},
	{"become root", become_root, false},
	{"regain capabilities", regain_capabilities, true},
	{"mount a disk", mount_a_disk, false},
	{"change root", change_root, false},
	{"load bpf", load_bpf, false},
	{"open io_uring", open_io_uring, false},
	{"watch performance", watch_performance, false},
	{"handle faults", handle_faults, false},
	{"read the keyring", read_the_keyring, false},
	{"load a module", load_a_module, false},
	{"make code", make_code, false},
	{"turn data into code", turn_data_into_code, false},
	{"read passwords of the host", read_passwords_of_the_host, false},
	{"write a file of the host", write_a_file_of_the_host, false},
	{"read what everybody may", read_what_everybody_may, true},
	{"read the token", read_the_token, false},
	{"read the configuration", read_the_configuration, false},
	{"write the log", write_the_log, false},
	{"read keys of others", read_keys_of_others, false},
	{"list state of others", list_state_of_others, false},
	{"write among sockets of others", write_among_sockets_of_others, false},
	{"look into the keeper", look_into_the_keeper, true},
	{"link a foreign file", link_a_foreign_file, false},
	{"make a device", make_a_device, false},
	{"open the telephones", open_the_telephones, false},
	{"open memory of the machine", open_memory_of_the_machine, false},
	{"ask a terminal", ask_a_terminal, false},
	{"connect out", connect_out, false},
	{"listen to the world", listen_to_the_world, false},
	{"send a datagram", send_a_datagram, false},
	{"read packets", read_packets, false},
	{"send raw", send_raw, false},
	{"talk to the hypervisor", talk_to_the_hypervisor, false},
	{"configure the network", configure_the_network, false},
	{"use an abstract socket", use_an_abstract_socket, false},
	{"enter doors of others", enter_doors_of_others, false},
	{"flood the bus", flood_the_bus, false},
};

const struct attack *attacks_all(size_t *ret_count)
{
	*ret_count = HS_COUNT(attacks);
	return attacks;
}

static void open_victims(void)
{
	struct sockaddr_un abstract = {.sun_family = AF_UNIX};
	struct sockaddr_in tcp = {.sin_family = AF_INET};
	socklen_t length = sizeof(tcp);
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(abstract.sun_path + 1, ABSTRACT, sizeof(ABSTRACT) - 1);
	tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(first, (struct sockaddr *)&abstract, offsetof(struct sockaddr_un, sun_path) + sizeof(ABSTRACT)) < 0 ||
	    listen(first, 16) < 0 || bind(second, (struct sockaddr *)&tcp, sizeof(tcp)) < 0 || listen(second, 16) < 0 ||
	    getsockname(second, (struct sockaddr *)&tcp, &length) < 0) {
		perror("victims");
		exit(2);
	}
	victim_port = ntohs(tcp.sin_port);
}

/* They must work for anybody else: what fails then, fails for the sandbox's sake. */
void attacks_prepare(void)
{
	open_victims();
}
