/* What the unit tests begin with: cmocka in the order it wants, and small helpers.
 * Included by tests/common/test_*.c.
 * Owns nothing.
 */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A fresh folder below /tmp. The caller frees the name, the test removes the folder. */
static inline char *make_folder(void)
{
	char name[] = "/tmp/hookswitch-test-XXXXXX";

	assert_non_null(mkdtemp(name));
	return strdup(name);
}

#endif
