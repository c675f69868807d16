/* The small files that cgroups are made of. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cell/cgroup_parts.h"
#include "stepcell/fd.h"
#include "stepcell/parse.h"

int cg_write(int dir, const char *file, const char *text)
{
	auto_fd int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : write_full(fd, text, strlen(text));
}

int cg_write_u64(int dir, const char *file, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lu", value);
	return cg_write(dir, file, text);
}

static bool read_text(int dir, const char *file, char *text, size_t size)
{
	auto_fd int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool to_number(const char *text, uint64_t *out)
{
	char word[24];

	(void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, " \n"), text);
	if (strcmp(word, "max") == 0) {
		*out = UINT64_MAX;
		return true;
	}
	return parse_u64(word, 0, UINT64_MAX, out) == 0;
}

bool cg_read(int dir, const char *file, uint64_t *out)
{
	char text[64];

	return read_text(dir, file, text, sizeof(text)) && to_number(text, out);
}

bool cg_read_key(int dir, const char *file, const char *key, uint64_t *out)
{
	const size_t len = strlen(key);
	char text[2048];
	char *save = NULL;

	if (!read_text(dir, file, text, sizeof(text)))
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return to_number(line + len + 1, out);
	return false;
}

unsigned cg_each_process(int dir, int signal)
{
	const int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *procs = fd < 0 ? NULL : fdopen(fd, "r");
	unsigned count = 0;
	char line[32];
	uint64_t pid;

	if (!procs)
		return 0;
	while (fgets(line, sizeof(line), procs)) {
		/* 0: a process of a pid namespace that we cannot see into */
		if (!to_number(line, &pid) || pid == 0)
			continue;
		count++;
		if (signal)
			(void)kill((pid_t)pid, signal);
	}
	(void)fclose(procs);
	return count;
}

uint64_t cg_cpu_quota_us(uint64_t milli)
{
	const uint64_t quota = milli * (CG_CPU_PERIOD_US / 1000);

	return quota < 1000 ? 1000 : quota;
}
