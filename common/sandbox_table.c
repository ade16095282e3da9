/* What every process of ours may do. What is in no row here nor in a daemon's own: execve, fork, ptrace, mount, bpf,
 * io_uring, keyctl and all the rest. */
#include "cleanup.h"
#include "sandbox_inner.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define CLONE_NAMESPACES                                                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define EVERYBODY (HS_ALWAYS | HS_SCRIBE)

const struct hs_permit sandbox_calls[] = {
	/* descriptors that are open */
	HS_ALLOW("read", EVERYBODY, "sockets, pipes, files"),
	HS_ALLOW("write", EVERYBODY, "the same; log lines"),
	HS_ALLOW("pread64", HS_ALWAYS, "how much memory is in use, for the metrics"),
	HS_ALLOW("writev", EVERYBODY, "the same in parts"),
	HS_ALLOW("close", EVERYBODY, "what is no longer needed"),
	HS_ALLOW("lseek", HS_ALWAYS, "streams of stdio; the list of open descriptors"),
	HS_ALLOW("fstat", HS_ALWAYS, "streams of stdio"),
	HS_ALLOW("newfstatat", HS_ALWAYS, "fstat and stat in newer libraries"),
	HS_ALLOW("fcntl", HS_ALWAYS, "O_NONBLOCK, FD_CLOEXEC", HS_WITHOUT(1, UINT32_MAX & ~7U)),
	HS_ALLOW("fcntl", HS_ALWAYS, "one more of a descriptor", HS_IS(1, F_DUPFD_CLOEXEC)),
	HS_ALLOW("fcntl", HS_KEEPER, "how much waits in the log's pipe", HS_IS(1, F_SETPIPE_SZ)),
	HS_ALLOW("fcntl", HS_START, "the journal keeps its size", HS_IS(1, F_ADD_SEALS)),
	HS_ALLOW("fcntl", HS_START, "the journal has its size", HS_IS(1, F_GET_SEALS)),
	HS_ALLOW("ioctl", HS_ALWAYS, "how much waits", HS_IS(1, FIONREAD)),
	HS_ALLOW("ioctl", HS_ALWAYS, "not to wait", HS_IS(1, FIONBIO)),
	HS_ALLOW("ioctl", HS_ALWAYS, "streams of stdio ask whether they are terminals", HS_IS(1, TCGETS)),

	/* files; which, says landlock */
	HS_ALLOW("openat", HS_ALWAYS, "the state folder, the sign that we are ready"),
	HS_ALLOW("unlink", HS_ALWAYS, "that sign, sockets"),
	HS_ALLOW_INSTEAD("unlinkat", "unlink", HS_ALWAYS, "the same"),
	HS_ALLOW("rename", HS_ALWAYS, "a file appears whole"),
	HS_ALLOW_INSTEAD("renameat", "rename", HS_ALWAYS, "the same"),
	HS_ALLOW_INSTEAD("renameat2", "rename", HS_ALWAYS, "the same"),
	HS_ALLOW("fchmod", HS_ALWAYS, "that sign may be read by everybody"),
	HS_ALLOW("getdents64", HS_ALWAYS, "how many descriptors are open, for the metrics"),

	/* waiting and telling */
	HS_ALLOW("epoll_wait", HS_ALWAYS, "the loop"),
	HS_ALLOW("epoll_pwait", HS_ALWAYS, "the loop"),
	HS_ALLOW("epoll_ctl", HS_ALWAYS, "what the loop waits for"),
	HS_ALLOW("epoll_create1", HS_START, "the loop"),
	HS_ALLOW("poll", EVERYBODY, "keeper and scribe wait; what waits for a peer is sent before the end"),
	HS_ALLOW_INSTEAD("ppoll", "poll", EVERYBODY, "the same"),
	HS_ALLOW("futex", HS_ALWAYS, "threads"),
	HS_ALLOW("eventfd2", HS_START, "the loop is woken by its workers"),
	HS_ALLOW("pipe2", HS_START, "signals of the loop"),
	HS_ALLOW("restart_syscall", EVERYBODY, "the kernel goes on with a call that a signal cut"),

	/* the bus */
	HS_ALLOW("socket", HS_ALWAYS, "connects again to the bus", HS_IS(0, AF_UNIX), HS_KIND(1, SOCK_STREAM)),
	HS_ALLOW("connect", HS_ALWAYS, "connects again to the bus"),
	HS_ALLOW("bind", HS_START, "the bus"),
	HS_ALLOW("listen", HS_START, "the bus"),
	HS_ALLOW("chown", HS_START, "the group of a socket of the bus"),
	HS_ALLOW("fchownat", HS_START, "the same"),
	HS_ALLOW("umask", HS_START, "the same"),
	HS_ALLOW("accept4", HS_ALWAYS, "the bus"),
	HS_ALLOW("recvfrom", HS_ALWAYS, "the bus"),
	HS_ALLOW("recvmsg", HS_ALWAYS, "the bus; descriptors between child and keeper"),
	HS_ALLOW("sendto", HS_ALWAYS, "the bus"),
	HS_ALLOW("sendmsg", HS_ALWAYS, "the bus; descriptors between child and keeper"),
	HS_ALLOW("getsockopt", HS_ALWAYS, "who is at the other end"),

	/* memory */
	HS_ALLOW("brk", EVERYBODY, "the heap"),
	HS_ALLOW("mmap", EVERYBODY, "the heap; nothing that can be executed", HS_WITHOUT(2, PROT_EXEC)),
	HS_ALLOW("munmap", EVERYBODY, "the heap"),
	HS_ALLOW("mremap", HS_ALWAYS, "the heap"),
	HS_ALLOW("madvise", HS_ALWAYS, "what was freed goes back"),
	HS_ALLOW("mprotect", HS_ALWAYS, "the heap; nothing that can be executed", HS_WITHOUT(2, PROT_EXEC)),
	HS_ALLOW("memfd_create", HS_START, "the journal"),
	HS_ALLOW("ftruncate", HS_START, "the journal"),

	/* time, chance, ourselves */
	HS_ALLOW("clock_gettime", EVERYBODY, "where the library's own way does not work"),
	HS_ALLOW("gettimeofday", HS_ALWAYS, "the same"),
	HS_ALLOW("getrandom", HS_ALWAYS, "ids, keys, nonces"),
	HS_ALLOW("getpid", EVERYBODY, "the sign that we are ready"),
	HS_ALLOW("gettid", EVERYBODY, "an abort is told to the thread"),
	HS_ALLOW("geteuid", HS_ALWAYS, "whose socket it is"),
	HS_ALLOW("getuid", HS_START, "the same"),
	HS_ALLOW("getgid", HS_START, "the same"),
	HS_ALLOW("getegid", HS_START, "the same"),
	HS_ALLOW("getrusage", HS_ALWAYS, "processor time, for the metrics"),
	HS_ALLOW("sysinfo", HS_ALWAYS, "how much memory a sort may take"),
	HS_ALLOW("prlimit64", HS_START, "limits become narrower"),
	HS_ALLOW("getrlimit", HS_START, "the same"),
	HS_ALLOW("setrlimit", HS_START, "the same"),
	HS_ALLOW("prctl", HS_START, "names of threads", HS_IS(0, PR_SET_NAME)),
	HS_ALLOW("seccomp", HS_START, "the filter of running"),

	/* signals and the end */
	HS_ALLOW("rt_sigprocmask", EVERYBODY, "signals wait while the loop works"),
	HS_ALLOW("rt_sigaction", HS_ALWAYS, "the loop's signals; that of a refused call stays", HS_NOT(0, SIGSYS)),
	HS_ALLOW("rt_sigreturn", EVERYBODY, "after a signal"),
	HS_ALLOW("tgkill", EVERYBODY, "abort", HS_SELF(0)),
	HS_ALLOW("exit_group", EVERYBODY, "the end"),

	/* a keeper forks, becomes another user in the fork, and holds descriptors */
	HS_ALLOW("sched_getscheduler", HS_KEEPER, "gives way to its child"),
	HS_ALLOW("sched_setscheduler", HS_KEEPER, "the same; the child does not"),
	HS_ALLOW("clone", HS_KEEPER, "the child and the scribe", HS_WITHOUT(0, CLONE_NAMESPACES)),
	HS_ALLOW("set_robust_list", HS_KEEPER, "a fork begins"),
	HS_ALLOW("rseq", HS_KEEPER, "a fork begins"),
	HS_ALLOW("wait4", HS_KEEPER, "the child's end"),
	HS_ALLOW("kill", HS_KEEPER, "the child is stopped"),
	HS_ALLOW("signalfd4", HS_KEEPER, "signals are read"),
	HS_ALLOW("socketpair", HS_KEEPER, "to the child", HS_IS(0, AF_UNIX)),
	HS_ALLOW("socket", HS_KEEPER, "to the keeper of a new program", HS_IS(0, AF_UNIX), HS_KIND(1, SOCK_SEQPACKET)),
	HS_ALLOW("setsockopt", HS_KEEPER, "how much waits there"),
	HS_ALLOW("pipe2", HS_KEEPER, "to the scribe"),
	HS_ALLOW("dup2", HS_KEEPER, "standard error is the scribe's pipe"),
	HS_ALLOW("dup3", HS_KEEPER, "the same"),
	HS_ALLOW("close_range", HS_KEEPER, "the scribe has three descriptors"),
	HS_ALLOW("setresuid", HS_KEEPER, "the child becomes its user"),
	HS_ALLOW("setresgid", HS_KEEPER, "and group"),
	HS_ALLOW("setgroups", HS_KEEPER, "and gets the groups of its edges"),
	HS_ALLOW("capget", HS_KEEPER, "capabilities are given up"),
	HS_ALLOW("capset", HS_KEEPER, "capabilities are given up"),
	HS_ALLOW("prctl", HS_KEEPER, "the same, and all that follows it"),
	HS_ALLOW("getresuid", HS_KEEPER, "the probe looks who it is"),
	HS_ALLOW("getppid", HS_KEEPER, "whether the keeper lives"),
	HS_ALLOW("landlock_create_ruleset", HS_KEEPER, "the child's files"),
	HS_ALLOW("landlock_add_rule", HS_KEEPER, "the child's files"),
	HS_ALLOW("landlock_restrict_self", HS_KEEPER, "the child's files"),
	HS_ALLOW("rt_sigaction", HS_KEEPER, "what SIGSYS does"),
	HS_ALLOW("sigaltstack", HS_KEEPER, "a signal's own stack"),
	HS_ALLOW("access", HS_KEEPER, "whether a path is there"),
	HS_ALLOW("faccessat", HS_KEEPER, "the same"),
	HS_ALLOW("readlink", HS_KEEPER, "where a path leads"),
	HS_ALLOW("readlinkat", HS_KEEPER, "the same"),

	/* a sanitizer looks for leaks from a process of its own, which stops and reads the others */
	HS_ALLOW("clone", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("ptrace", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("wait4", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("set_robust_list", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("rseq", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("exit", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("munlock", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("mlock", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("sched_yield", HS_SANITIZED, "waits for who looks for leaks"),
	HS_ALLOW("prctl", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("process_vm_readv", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("pipe", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("pipe2", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("getppid", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("tgkill", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("kill", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("sigaltstack", HS_SANITIZED, "stacks of threads"),
	HS_ALLOW("rt_sigaction", HS_SANITIZED, "looks for leaks"),
	HS_ALLOW("openat", HS_SANITIZED, "reads its own maps"),
	HS_ALLOW("open", HS_SANITIZED, "reads its own maps"),
	HS_ALLOW("readlink", HS_SANITIZED, "its own name"),
	HS_ALLOW("readlinkat", HS_SANITIZED, "its own name"),
	HS_ALLOW("stat", HS_SANITIZED, "its own name"),
	HS_ALLOW("newfstatat", HS_SANITIZED, "its own name"),
	HS_ALLOW("fstat", HS_SANITIZED, "its own name"),
	HS_ALLOW("lseek", HS_SANITIZED, "its own maps"),
	HS_ALLOW("getdents64", HS_SANITIZED, "its own threads"),
	HS_ALLOW("getdents", HS_SANITIZED, "its own threads"),
	HS_ALLOW("getrlimit", HS_SANITIZED, "stacks of threads"),
	HS_ALLOW("prlimit64", HS_SANITIZED, "stacks of threads"),
	HS_ALLOW("sched_getaffinity", HS_SANITIZED, "stacks of threads"),
	HS_ALLOW("sched_yield", HS_SANITIZED, "its locks"),
	HS_ALLOW("madvise", HS_SANITIZED, "its shadow"),
	HS_ALLOW("futex", HS_SANITIZED, "its locks"),
	HS_ALLOW("getrandom", HS_SANITIZED, "its hash tables"),
};

const size_t sandbox_calls_count = HS_COUNT(sandbox_calls);
