/* Telephone numbers as people write them, and patterns of numbers as dial plans have them.
 * Called by config_check and apid's routes. Pure.
 * Owns nothing.
 */
#ifndef HS_NUMBER_H
#define HS_NUMBER_H

#include <stdbool.h>

#define HS_NUMBER_BYTES 65

/* Copies a number without what only makes it easy to read (blanks, dashes, dots, slashes, parentheses): digits, * and
 * #, perhaps with + in front. false, and nothing is copied: it is none, or longer than 64. */
bool hs_number_plain(const char *text, char ret_number[HS_NUMBER_BYTES]);

/* Copies what of a text are keys of a telephone (digits, * and #), as an exchange takes it: pauses, letters and
 * whatever only makes it easy to read are left out, and what is beyond 64 keys. */
void hs_number_keys(const char *text, char ret_keys[HS_NUMBER_BYTES]);

/* How a plain number with + in front is dialled in a country: national and international are dialled before the rest.
 * country NULL: every such number is abroad. false, and nothing is written: there is no + in front, or no room. */
bool hs_number_local(const char *number, const char *country, const char *national, const char *international,
		     char ret_number[HS_NUMBER_BYTES]);

/* What is wrong with a pattern, as the end of a sentence; NULL: nothing. In a pattern digits, *, # and a + in front
 * stand for themselves, X for 0-9, Z for 1-9, N for 2-9, and a dot at the end for one or more of anything. */
const char *hs_number_pattern_fault(const char *pattern);

/* True for a pattern that fits one number only. */
bool hs_number_pattern_is_number(const char *pattern);

/* True when a plain number fits a pattern as a whole. */
bool hs_number_fits(const char *pattern, const char *number);

/* True when a longer number that begins with this one would fit. */
bool hs_number_may_grow(const char *pattern, const char *number);

#endif
