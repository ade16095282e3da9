#include "check.h"
#include "cleanup.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BASE 64200
#define NOBODY 65534

/* Runs a check in a process of its own, because privileges do not come back. */
static void in_child(void (*check)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void must_at(int line, bool right)
{
	if (right)
		return;
	dprintf(STDOUT_FILENO, "line %d: does not hold\n", line);
	_exit(1);
}

#define MUST(right) must_at(__LINE__, right)

static bool status_says(const char *wanted)
{
	AUTO(file) FILE *file = fopen("/proc/self/status", "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		if (strcmp(line, wanted) == 0)
			return true;
	return false;
}

static void must_have_nothing(void)
{
	struct rlimit core;

	MUST(status_says("CapInh:\t0000000000000000\n"));
	MUST(status_says("CapPrm:\t0000000000000000\n"));
	MUST(status_says("CapEff:\t0000000000000000\n"));
	MUST(status_says("CapAmb:\t0000000000000000\n"));
	MUST(status_says("NoNewPrivs:\t1\n"));
	MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	MUST(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
	MUST(umask(0) == 0117);
	MUST(setresuid(0, 0, 0) < 0);
}

static void check_mediad(void)
{
	gid_t groups[64], wanted[] = {BASE + 100 + 16 * HS_ROLE_APID + HS_EDGE_REQUESTS,
				      BASE + 100 + 16 * HS_ROLE_MEDIAD + HS_EDGE_REQUESTS,
				      BASE + 100 + 16 * HS_ROLE_MEDIAD + HS_EDGE_OPERATIONS,
				      BASE + 100 + 16 * HS_ROLE_MEDIAD + HS_EDGE_AUDIO};
	int count;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	hs_privs_setup(BASE);
	MUST(hs_privs_separate());
	MUST(hs_privs_settle() == 0);
	MUST(hs_privs_drop(HS_ROLE_MEDIAD) == 0);
	MUST(getuid() == BASE + HS_ROLE_MEDIAD && geteuid() == getuid() && getgid() == getuid());
	count = getgroups(64, groups);
	MUST(count == (int)HS_COUNT(wanted));
	for (int i = 0; i < count; i++) {
		bool found = false;

		for (size_t k = 0; k < HS_COUNT(wanted); k++)
			found = found || groups[i] == wanted[k];
		MUST(found);
	}
	MUST(status_says("CapBnd:\t0000000000000000\n"));
	must_have_nothing();
	prctl(PR_GET_PDEATHSIG, &count, 0, 0, 0);
	MUST(count == SIGKILL); /* the kernel forgets it when the user changes */
}

static void drops_to_its_user(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(check_mediad);
}

static void check_ordinary(void)
{
	if (geteuid() == 0)
		MUST(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	hs_privs_setup(BASE);
	MUST(!hs_privs_separate());
	MUST(hs_privs_uid(HS_ROLE_SIPD) == geteuid());
	MUST(hs_privs_role(geteuid()) == HS_ROLES);
	MUST(hs_privs_role(0) == HS_ROLE_NONE);
	MUST(hs_privs_settle() == 0);
	MUST(hs_privs_drop(HS_ROLE_SIPD) == 0);
	must_have_nothing();
}

static void an_ordinary_user_drops_the_rest(void **state)
{
	in_child(check_ordinary);
}

static void check_refusal(void)
{
	/* Without setup nothing is separate, and root must not go on. */
	MUST(hs_privs_drop(HS_ROLE_SIPD) == -EPERM);
}

static void never_goes_on_as_root(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(check_refusal);
}

static void check_keeper(void)
{
	hs_privs_setup(BASE);
	MUST(hs_privs_settle() == 0);
	MUST(status_says("CapEff:\t00000000000001e0\n")); /* KILL SETGID SETUID SETPCAP */
	MUST(status_says("CapPrm:\t00000000000001e0\n"));
	MUST(getuid() == 0);
}

static void the_keeper_keeps_little(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(check_keeper);
}

static void check_roles(void)
{
	hs_privs_setup(BASE);
	MUST(hs_privs_role(0) == HS_ROLE_OPS);
	for (int role = 1; role < HS_ROLES; role++)
		if (role != HS_ROLE_OPS)
			MUST(hs_privs_role(hs_privs_uid((enum hs_role)role)) == (enum hs_role)role);
	MUST(hs_privs_role(BASE) == HS_ROLE_NONE);
	MUST(hs_privs_role(BASE + HS_ROLES) == HS_ROLE_NONE);
	MUST(hs_privs_role(BASE + HS_ROLE_OPS) == HS_ROLE_NONE);
	MUST(hs_privs_role(1000) == HS_ROLE_NONE);
	MUST(hs_privs_role((uid_t)-1) == HS_ROLE_NONE);
}

static void knows_roles_by_uid(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(check_roles);
}

/* ---- folders ---- */

static char *home;

static int make_home(void **state)
{
	home = make_folder();
	return 0;
}

static int remove_home(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("rm", "rm", "-rf", home, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	free(home);
	return 0;
}

static void must_be(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	AUTO(free) char *whole = hs_printf("%s/%s", home, path);
	struct stat status;

	MUST(lstat(whole, &status) == 0 && S_ISDIR(status.st_mode));
	MUST((status.st_mode & 07777) == mode);
	MUST(status.st_uid == uid && status.st_gid == gid);
}

static void check_folders(void)
{
	umask(0);
	hs_privs_setup(BASE);
	for (int again = 0; again < 2; again++) {
		MUST(hs_privs_make_folders(home, HS_ROLE_MEDIAD) == 0);
		must_be("", 0711, 0, 0);
		must_be("run", 0711, 0, 0);
		must_be("mediad", 0700, BASE + HS_ROLE_MEDIAD, BASE + HS_ROLE_MEDIAD);
		must_be("run/mediad", 0711, BASE + HS_ROLE_MEDIAD, BASE + HS_ROLE_MEDIAD);
		must_be("run/mediad/audio", 02710, BASE + HS_ROLE_MEDIAD,
			hs_privs_edge_gid(HS_ROLE_MEDIAD, HS_EDGE_AUDIO));
		must_be("run/mediad/requests", 02710, BASE + HS_ROLE_MEDIAD,
			hs_privs_edge_gid(HS_ROLE_MEDIAD, HS_EDGE_REQUESTS));
	}
}

static void makes_folders(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(check_folders);
}

/* A daemon that was taken over owns run/mediad: it may lay anything there before its keeper starts again. */
static void check_traps(void)
{
	AUTO(free) char *edge = hs_printf("%s/run/mediad/audio", home);
	AUTO(free) char *own = hs_printf("%s/mediad", home);
	AUTO(free) char *prey = hs_printf("%s/prey", home);
	struct stat status;

	hs_privs_setup(BASE);
	MUST(mkdir(prey, 0700) == 0);
	MUST(hs_privs_make_folders(home, HS_ROLE_MEDIAD) == 0);
	MUST(rmdir(edge) == 0 && symlink(prey, edge) == 0);
	MUST(hs_privs_make_folders(home, HS_ROLE_MEDIAD) == -ENOTDIR);
	MUST(stat(prey, &status) == 0 && status.st_uid == 0 && (status.st_mode & 07777) == 0700);
	MUST(unlink(edge) == 0 && mkfifo(edge, 0600) == 0);
	MUST(hs_privs_make_folders(home, HS_ROLE_MEDIAD) == -ENOTDIR);
	MUST(unlink(edge) == 0 && mkdir(edge, 0700) == 0 && chown(edge, 1234, 1234) == 0);
	MUST(hs_privs_make_folders(home, HS_ROLE_MEDIAD) == -EPERM); /* a stranger's */
	MUST(rmdir(edge) == 0 && rmdir(own) == 0 && symlink(prey, own) == 0);
	MUST(hs_privs_make_folders(home, HS_ROLE_MEDIAD) == -ENOTDIR);
}

static void follows_no_link(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(check_traps);
}

#define GROUP(binder, edge) (BASE + 100 + 16 * (binder) + (edge))

/* As systemd and containers start a daemon: with its user and groups, and nothing of root's. */
static void check_placed(void)
{
	gid_t groups[] = {BASE, GROUP(HS_ROLE_APID, HS_EDGE_REQUESTS), GROUP(HS_ROLE_MEDIAD, HS_EDGE_REQUESTS),
			  GROUP(HS_ROLE_MEDIAD, HS_EDGE_OPERATIONS), GROUP(HS_ROLE_MEDIAD, HS_EDGE_AUDIO)};
	AUTO(free) char *lock = hs_privs_lock_path(home, HS_ROLE_MEDIAD);
	AUTO(free) char *audio = hs_printf("%s/run/mediad/audio", home);
	uid_t uid = BASE + HS_ROLE_MEDIAD;
	gid_t group = 0;

	hs_privs_setup(BASE);
	MUST(!hs_privs_placed());
	MUST(hs_privs_place(home, HS_ROLE_MEDIAD) == 0 && hs_privs_place(home, HS_ROLE_SIPD) == 0);
	MUST(setgroups(HS_COUNT(groups), groups) == 0 && setresgid(uid, uid, uid) == 0);
	if (fork() == 0) {
		MUST(setgroups(HS_COUNT(groups) - 1, groups) == 0 && setresuid(uid, uid, uid) == 0);
		hs_privs_setup(BASE);
		MUST(hs_privs_check_groups(HS_ROLE_MEDIAD, &group) == -ENOENT);
		MUST(group == groups[HS_COUNT(groups) - 1]);
		_exit(0);
	}
	MUST(wait(&(int){0}) > 0);
	MUST(setresuid(uid, uid, uid) == 0);
	hs_privs_setup(BASE);
	MUST(hs_privs_placed() && hs_privs_separate());
	MUST(hs_privs_role(BASE + HS_ROLE_APID) == HS_ROLE_APID && hs_privs_role(0) == HS_ROLE_OPS);
	MUST(hs_privs_make_folders(home, HS_ROLE_MEDIAD) == 0);
	MUST(hs_privs_make_folders(home, HS_ROLE_SIPD) == -EPERM);
	MUST(access(lock, R_OK | W_OK) == 0);
	MUST(hs_privs_check_groups(HS_ROLE_MEDIAD, &group) == 0);
	MUST(hs_privs_check_groups(HS_ROLE_SIPD, &group) == -ENOENT);
	MUST(hs_privs_settle() == 0 && hs_privs_drop(HS_ROLE_MEDIAD) == 0);
	must_have_nothing();
	MUST(chmod(audio, 0777) == 0 && hs_privs_make_folders(home, HS_ROLE_MEDIAD) == -EPERM);
}

static void check_group_too_many(void)
{
	gid_t groups[] = {GROUP(HS_ROLE_APID, HS_EDGE_REQUESTS), GROUP(HS_ROLE_SIPD, HS_EDGE_REQUESTS),
			  GROUP(HS_ROLE_SIPD, HS_EDGE_OPERATIONS), GROUP(HS_ROLE_MEDIAD, HS_EDGE_REQUESTS),
			  GROUP(HS_ROLE_MEDIAD, HS_EDGE_AUDIO)};
	uid_t uid = BASE + HS_ROLE_SIPD;
	gid_t group = 0;

	MUST(setgroups(HS_COUNT(groups), groups) == 0 && setresgid(uid, uid, uid) == 0 &&
	     setresuid(uid, uid, uid) == 0);
	hs_privs_setup(BASE);
	MUST(hs_privs_check_groups(HS_ROLE_SIPD, &group) == -EPERM);
	MUST(group == GROUP(HS_ROLE_MEDIAD, HS_EDGE_AUDIO));
	hs_privs_keep_group(group); /* that of a device */
	MUST(hs_privs_check_groups(HS_ROLE_SIPD, &group) == 0);
}

static void runs_where_it_was_placed(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(check_placed);
	in_child(check_group_too_many);
}

static void check_ordinary_folders(void)
{
	if (geteuid() == 0)
		MUST(chown(home, NOBODY, NOBODY) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	hs_privs_setup(BASE);
	MUST(hs_privs_make_folders(home, HS_ROLE_APID) == 0);
	must_be("run", 0700, geteuid(), getegid());
	must_be("apid", 0700, geteuid(), getegid());
	must_be("run/apid/calls", 02710, geteuid(), getegid());
	must_be("run/apid/digits", 02710, geteuid(), getegid());
	MUST(hs_privs_make_folders("/proc/nowhere", HS_ROLE_APID) < 0);
}

/* The home in a folder that only root may enter, as in a checkout in /root. */
static void check_way(void)
{
	AUTO(free) char *closed = hs_printf("%s/closed", home);
	AUTO(free) char *deep = hs_printf("%s/closed/deep", home);
	AUTO(free) char *inner = hs_printf("%s/closed/deep/var", home);
	AUTO(free) char *own = hs_printf("%s/closed/deep/var/mediad/file", home);
	AUTO(free) char *secret = hs_printf("%s/closed/secret", home);
	int fd;

	MUST(mkdir(closed, 0700) == 0 && mkdir(deep, 0755) == 0 && chmod(home, 0711) == 0);
	fd = open(secret, O_WRONLY | O_CREAT, 0644);
	MUST(fd >= 0);
	hs_privs_setup(BASE);
	MUST(hs_privs_make_folders(inner, HS_ROLE_MEDIAD) == 0);
	fd = hs_privs_open_way(inner);
	if (fd == -EPERM)
		_exit(0); /* namespaces are not allowed here; the daemon says so */
	MUST(fd == 0);
	MUST(access(secret, F_OK) < 0 && errno == ENOENT);
	MUST(mkdir(secret, 0700) < 0 && errno == EROFS);
	MUST(hs_privs_open_way(inner) == 0); /* nothing is closed any more */
	MUST(hs_privs_drop(HS_ROLE_MEDIAD) == 0);
	MUST(open(own, O_WRONLY | O_CREAT, 0600) >= 0);
}

static void reaches_a_home_in_a_closed_folder(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(check_way);

	AUTO(free) char *own = hs_printf("%s/closed/deep/var/mediad/file", home);
	AUTO(free) char *secret = hs_printf("%s/closed/secret", home);

	/* Nothing changed outside of the child's view. */
	assert_int_equal(access(secret, F_OK), 0);
	if (access(own, F_OK) < 0)
		print_message("namespaces are not allowed here\n");
}

static void an_ordinary_user_makes_his_own(void **state)
{
	in_child(check_ordinary_folders);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops_to_its_user),
		cmocka_unit_test(an_ordinary_user_drops_the_rest),
		cmocka_unit_test(never_goes_on_as_root),
		cmocka_unit_test(the_keeper_keeps_little),
		cmocka_unit_test(knows_roles_by_uid),
		cmocka_unit_test_setup_teardown(makes_folders, make_home, remove_home),
		cmocka_unit_test_setup_teardown(follows_no_link, make_home, remove_home),
		cmocka_unit_test_setup_teardown(runs_where_it_was_placed, make_home, remove_home),
		cmocka_unit_test_setup_teardown(reaches_a_home_in_a_closed_folder, make_home, remove_home),
		cmocka_unit_test_setup_teardown(an_ordinary_user_makes_his_own, make_home, remove_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
