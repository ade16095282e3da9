/* Logs: one line an event on standard error, a stable name first, then fields.
 * Called by every room; calls nobody. Owns the level, which can be changed at run time.
 * The one redactor lives here: numbers are shortened, control characters escaped, secrets never have a field.
 */
#ifndef HS_LOG_H
#define HS_LOG_H

#include "hs_proto.h"
#include <stdint.h>

/* A field of a log line. Make it with the macros below. */
struct hs_log_field {
	const char *name;
	enum { HS_LOG_TEXT, HS_LOG_INT, HS_LOG_NUMBER } type;
	const char *text;
	int64_t number;
};

#define LOG_TEXT(name, value) ((struct hs_log_field){name, HS_LOG_TEXT, value, 0}) /* NULL: left out */
#define LOG_INT(name, value) ((struct hs_log_field){name, HS_LOG_INT, NULL, value})
#define LOG_CALL(value) LOG_TEXT("call", value)
#define LOG_LEG(value) LOG_TEXT("leg", value)
#define LOG_LINE(value) LOG_TEXT("line", value)
#define LOG_WHY(value) LOG_TEXT("why", value) /* free text for a person */
/* A telephone number: it is shortened. */
#define LOG_NUMBER(name, value) ((struct hs_log_field){name, HS_LOG_NUMBER, value, 0})

/* hs_log(INFO, "line.off_hook", LOG_LINE(id), LOG_CALL(call)) */
#define hs_log(level, event, ...)                                                                                      \
	do {                                                                                                           \
		if (hs_log_wants(HS_LOG_LEVEL_##level))                                                                \
			hs_log_write(HS_LOG_LEVEL_##level, event,                                                      \
				     (const struct hs_log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}});                    \
	} while (0)

/* Sets name of the daemon, format and level. Before it: logfmt, info. */
void hs_log_setup(const char *daemon, enum hs_log_format format, enum hs_log_level level);
void hs_log_set_level(enum hs_log_level level);
bool hs_log_wants(enum hs_log_level level);

/* Lines written at a level since the start; level 0: lines dropped because standard error was stuck. */
uint64_t hs_log_lines(enum hs_log_level level);

/* Writes a line; fields end with a zeroed one. One write(2); on a stuck stderr (EAGAIN) the line is dropped and
 * counted. The first line that can be written again follows one that says how many were lost: log.dropped. */
void hs_log_write(enum hs_log_level level, const char *event, const struct hs_log_field *fields);

/* From here on this process and its forks count together what log.dropped has yet to say, so that whoever writes next
 * says it, also for one that died. */
void hs_log_share(void);

/* Shortens a telephone number for logs and traces: "+14155551212" -> "+1415***1212"; up to 4 digits stay.
 * Other text is copied with controls escaped. */
void hs_log_shorten(const char *number, char *ret_text, size_t size);

#endif
