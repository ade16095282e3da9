/* A command line cut into words.
 * Called by commands. Pure. Owns nothing: the words lie in the caller's line, which is changed.
 */
#ifndef SIM_WORDS_H
#define SIM_WORDS_H

#define WORDS_MAX 8

/* Words parted by blanks; "a b" is one, without escapes. The count, -E2BIG too many, -EINVAL a quote that is not closed
 * or a byte that is no text. */
int words_split(char *line, char *ret_words[WORDS_MAX]);

/* A whole number in lowest..highest. 0 or -EINVAL; ret_number untouched then. */
int words_number(const char *word, long lowest, long highest, int *ret_number);

#endif
