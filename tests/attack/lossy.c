/* A suite that loses: loaded before the libraries of apid and hookd (LD_PRELOAD), it keeps every tenth event from the
 * log (LOSSY=event), or takes a webhook that was refused for delivered (LOSSY=webhook). With it the chaos test must
 * fail: so we know that its judges see what is lost. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define EVERY 10
#define SQLITE_DONE 101
#define RESPONSE_CODE 0x200002 /* CURLINFO_RESPONSE_CODE */

static bool loses(const char *what)
{
	const char *loss = getenv("LOSSY");
	return loss && strcmp(loss, what) == 0;
}

int sqlite3_step(void *statement);

int sqlite3_step(void *statement)
{
	static int (*step)(void *);
	static const char *(*sql_of)(void *);
	static int events;
	if (!step) {
		*(void **)&step = dlsym(RTLD_NEXT, "sqlite3_step");
		*(void **)&sql_of = dlsym(RTLD_NEXT, "sqlite3_sql");
	}
	const char *sql = sql_of(statement);
	if (loses("event") && sql && strstr(sql, "INSERT INTO events(") && ++events % EVERY == 0)
		return SQLITE_DONE;
	return step(statement);
}

int curl_easy_getinfo(void *handle, int info, ...);

int curl_easy_getinfo(void *handle, int info, ...)
{
	static int (*get)(void *, int, ...);
	va_list arguments;
	va_start(arguments, info);
	void *value = va_arg(arguments, void *);
	va_end(arguments);
	if (!get)
		*(void **)&get = dlsym(RTLD_NEXT, "curl_easy_getinfo");
	int result = get(handle, info, value);
	if (info == RESPONSE_CODE && loses("webhook") && *(long *)value >= 500)
		*(long *)value = 200;
	return result;
}
