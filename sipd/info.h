/* INFO bodies: digits and hook flash, as ATAs and desk phones send them. Pure.
 * Called by the in-dialog room. Owns nothing.
 */
#ifndef INFO_H
#define INFO_H

#include <stddef.h>

enum info_kind {
	INFO_NOTHING, /* answered with 200 all the same */
	INFO_DIGIT,
	INFO_FLASH,
};

struct info {
	enum info_kind kind;
	char digit[2];   /* one of 0-9 * # A-D */
	int duration_ms; /* 1-65535; 160 where none was said */
};

/* Reads a body: application/dtmf-relay ("Signal=5", "Duration=160"), application/dtmf (a bare digit) or
 * application/hook-flash; also the numeric codes 10, 11, 12-15 and 16. Any bytes are allowed. */
void info_read(const char *content_type, const char *body, size_t bytes, struct info *ret_info);

/* Writes the body of an application/dtmf-relay for one digit. Bytes. */
int info_write(char digit, int duration_ms, char *ret_body, size_t size);

#endif
