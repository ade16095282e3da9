/* What the unit tests of the front begin with: cmocka in the order it wants.
 * Included by tests/front/test_*.c. Owns nothing.
 */
#ifndef FRONT_CHECK_H
#define FRONT_CHECK_H

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

#endif
