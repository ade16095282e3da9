/* What all unit tests of mediad include, in the order that cmocka needs. */
#ifndef TESTS_MEDIAD_CASES_H
#define TESTS_MEDIAD_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A repeatable source of numbers: property tests must fail the same way twice. */
static inline uint32_t cases_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
