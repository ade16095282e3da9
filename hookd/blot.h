/* Blot: a copy of an event that may be shown: what was dialled is blotted out, numbers are shortened.
 * Called by verdict and trial for the log of attempts; calls wire. Pure. Owns nothing.
 */
#ifndef HOOKD_BLOT_H
#define HOOKD_BLOT_H

#include <stddef.h>

/* New text (free) of at most limit bytes, cut between two characters. What is no JSON object is blotted out whole. */
char *blot_event(const char *text, size_t bytes, size_t limit);

/* The same of a header line: the signature's value is cut short. New text (free). */
char *blot_line(const char *line);

#endif
