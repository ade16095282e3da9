/* dahdisim-phone: works the telephones and exchange lines of a running dahdisim. Each line it is given goes there, each
 * answer comes back as a line of JSON; the exit code says whether all of them went well.
 */
#include "cleanup.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static void usage(FILE *stream)
{
	fputs("usage: dahdisim-phone [--socket SOCKET] [PORT COMMAND [ARGUMENTS]]\n"
	      "  SOCKET is what dahdisim was given as --control; without it $DAHDISIM_SOCKET\n"
	      "  PORT is a channel number, or card; without a command, commands are read from standard input\n"
	      "  dahdisim-phone 1 lift; dahdisim-phone 1 dial 102; dahdisim-phone card help\n",
	      stream);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!hs_copy(address.sun_path, sizeof(address.sun_path), path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One command there, one answer back, printed. True: it went well. False also when the simulator is gone. */
static bool exchange(FILE *to, FILE *from, const char *line)
{
	static char answer[1 << 20];

	if (fprintf(to, "%s\n", line) < 0 || fflush(to) || !fgets(answer, sizeof(answer), from)) {
		fputs("dahdisim-phone: the simulator has gone\n", stderr);
		return false;
	}
	fputs(answer, stdout);
	fflush(stdout);
	return strstr(answer, "\"ok\":true") != NULL;
}

/* The simulator has another working folder: names of files are made absolute. */
static char *argument_of(const char *command, const char *word)
{
	bool is_file = !strcmp(command, "speak") || (!strcmp(command, "record") && strcmp(word, "off") != 0);
	char folder[PATH_MAX];

	if (!is_file || word[0] == '/' || !getcwd(folder, sizeof(folder)))
		return hs_strdup(word);
	return hs_printf("%s/%s", folder, word);
}

static char *join(char **words, int count)
{
	char *line = hs_strdup("");

	for (int i = 0; i < count; i++) {
		AUTO(free) char *before = line;
		AUTO(free) char *word = i < 2 ? hs_strdup(words[i]) : argument_of(words[1], words[i]);
		bool quote = !word[0] || strpbrk(word, " \t");

		line = hs_printf("%s%s%s%s%s", before, i ? " " : "", quote ? "\"" : "", word, quote ? "\"" : "");
	}
	return line;
}

static bool from_input(FILE *to, FILE *from)
{
	char line[LINE_MAX_BYTES];
	bool good = true;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			good &= exchange(to, from, line);
	}
	return good;
}

int main(int argc, char **argv)
{
	const char *path = getenv("DAHDISIM_SOCKET");
	int first = 1;

	if (argc > 2 && !strcmp(argv[1], "--socket")) {
		path = argv[2];
		first = 3;
	}
	if (argc > first && argv[first][0] == '-') {
		bool asked = !strcmp(argv[first], "--help");

		usage(asked ? stdout : stderr);
		return asked ? 0 : 2;
	}
	if (!path || argc - first == 1) {
		usage(stderr);
		return 2;
	}
	int fd = connect_to(path);

	if (fd < 0) {
		fprintf(stderr, "dahdisim-phone: %s: %s\n", path, strerror(errno));
		return 1;
	}
	AUTO(file) FILE *from = fdopen(fd, "r");
	AUTO(file) FILE *to = fdopen(dup(fd), "w");
	AUTO(free) char *line = join(argv + first, argc - first);

	if (!from || !to)
		return 1;
	bool good = argc > first ? exchange(to, from, line) : from_input(to, from);

	return good ? 0 : 1;
}
