/* A home with the keys of sipd and hookd, for the tests of keys and secrets.
 * Used by test_keys.c and test_secret.c.
 * Owns the folder.
 */
#ifndef KEYS_HOME_H
#define KEYS_HOME_H

#include "check.h"
#include "cleanup.h"
#include "keys.h"
#include "privs.h"
#include "secret.h"
#include <sys/stat.h>
#include <sys/wait.h>

static char *home;

static inline int make_home(void **state)
{
	home = make_folder();
	hs_privs_setup(64200);
	assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), 0);
	assert_int_equal(hs_keys_make(home, HS_ROLE_HOOKD), 0);
	return 0;
}

static inline int remove_home(void **state)
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

#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

#endif
