/*
 * language evaluate N: how long N evaluations of an expression take that has a bit of everything.
 * language time COMMAND...: how long it takes and how much memory, how it ends, and its first line.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stepcell/arena.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/parse.h"
#include "stepcell/workflow.h"

static const char mixed[] =
	"(github.ref == 'refs/heads/main' || startsWith(github.ref, 'refs/tags/v')) && "
	"contains(github.event.labels.*.name, 'ci') && !cancelled() && matrix.python >= 3.1 && "
	"format('{0}-{1}', matrix.os, needs.build.outputs.version) != 'ubuntu-latest-'";
static const char contexts[] =
	"{\"github\": {\"event_name\": \"push\", \"sha\": \"0123\", \"ref\": \"refs/tags/v1\", "
	"\"event\": {\"labels\": [{\"name\": \"bug\"}, {\"name\": \"CI\"}]}}, "
	"\"matrix\": {\"os\": \"ubuntu-latest\", \"python\": 3.12}, "
	"\"needs\": {\"build\": {\"outputs\": {\"version\": \"1.2.3\"}}}}";

static bool no_status(void *arg, const char *name, const struct node *const *args, size_t count)
{
	(void)arg, (void)name, (void)args, (void)count;
	return false;
}

static int evaluate(uint64_t count)
{
	auto_arena struct arena *a = arena_new();
	struct err err = {0};
	struct expr_err e;
	struct expr_scope scope = {
		.contexts = json_parse(a, "contexts", contexts, strlen(contexts), &err),
		.status = no_status,
	};
	const struct expr *expr = expr_parse(a, mixed, strlen(mixed), &e);
	const uint64_t start = now_us();

	for (uint64_t i = 0; i < count; i++) {
		auto_arena struct arena *scratch = arena_new();
		const struct node *value = expr_eval(scratch, expr, &scope, &e);

		if (!value || !expr_truthy(value)) {
			(void)fprintf(stderr, "language: not true: %s\n", e.text);
			return 1;
		}
	}
	printf("%.2f s, of the processor %.2f s\n", (double)(now_us() - start) / 1e6,
	       (double)clock_us(CLOCK_PROCESS_CPUTIME_ID) / 1e6);
	return 0;
}

/* The first line that it printed, cut to what a table has room for. */
static void print_line(int fd)
{
	char line[88];
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);

	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	printf("%s\n", line);
}

static int time_command(char **argv, char **environment)
{
	posix_spawn_file_actions_t files;
	auto_fd int out = memfd_create("out", MFD_CLOEXEC);
	struct rusage used;
	const uint64_t start = now_us();
	pid_t pid;
	int status;

	if (out < 0 || posix_spawn_file_actions_init(&files) ||
	    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO) ||
	    posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO) ||
	    posix_spawn(&pid, argv[0], &files, NULL, argv, environment) ||
	    wait4(pid, &status, 0, &used) != pid)
		return 1;
	printf("%8.1f %8.1f %6.1f %4d  ", (double)(now_us() - start) / 1e3,
	       (double)used.ru_utime.tv_sec * 1e3 + (double)used.ru_utime.tv_usec / 1e3 +
		       (double)used.ru_stime.tv_sec * 1e3 + (double)used.ru_stime.tv_usec / 1e3,
	       (double)used.ru_maxrss / 1024, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	print_line(out);
	(void)posix_spawn_file_actions_destroy(&files);
	return 0;
}

int main(int argc, char **argv, char **environment)
{
	uint64_t count;

	if (argc == 3 && strcmp(argv[1], "evaluate") == 0 &&
	    parse_u64(argv[2], 1, 1000000000, &count) == 0)
		return evaluate(count);
	if (argc > 2 && strcmp(argv[1], "time") == 0)
		return time_command(argv + 2, environment);
	(void)fprintf(stderr, "usage: language evaluate N | time COMMAND...\n");
	return 2;
}
