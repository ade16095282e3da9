/* Names: numbers, display names and device texts, from the network and towards it (security model 6.8). Pure.
 * Called by the rooms that read or build messages. Owns nothing.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* What was dialled: the user part of a Request-URI, unescaped, without parameters after ";" and without the visual
 * separators of a number. -EINVAL when nothing is left, it is too long for ret_text or holds controls or bad UTF-8. */
int names_dialled(const char *user, char *ret_text, size_t size);

/* A number for the user part of a URI: what may stand there stays, "#" and others are escaped, blanks and separators
 * go. Empty when nothing is left. */
void names_uri_user(const char *number, char *ret_text, size_t size);

/* A display name as a quoted string, quotes included: controls and bad UTF-8 become "?", quotes and backslashes are
 * escaped, at most 64 bytes of it stay, cut between characters. Empty when nothing printable is left. */
void names_quoted(const char *name, char *ret_text, size_t size);

/* Text from the network for logs and facts: printable UTF-8, cut between characters, never failing. */
void names_clean(const char *text, char *ret_text, size_t size);

#endif
