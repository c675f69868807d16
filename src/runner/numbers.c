/*
 * The numbers by which GitHub tells runs apart. A run's id is one in all runs; its
 * number is one among those of its workflow, counted from 1 in a file of the
 * state home that nobody removes with the runs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/digest.h"
#include "stepcell/fd.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"

#define START UINT64_C(1577836800) /* 2020: what is left fits JavaScript's integers for long */

uint64_t run_id_number(const char *id)
{
	struct tm tm = {0};
	const char *rest = strptime(id, "%Y%m%d-%H%M%S-", &tm);
	unsigned fraction = 0;

	for (; rest && *rest; rest++)
		fraction = fraction * 16 +
			   (unsigned)(*rest <= '9' ? *rest - '0' : (*rest | 32) - 'a' + 10);
	return ((uint64_t)timegm(&tm) - START) * 65536 + (fraction & 0xffff);
}

/* The file of a workflow of a repository, in a folder that is made. */
static int path_of(const char *home, const char *repository, const char *workflow, char *path,
		   size_t size, struct err *err)
{
	auto_strbuf struct strbuf key = STRBUF(3 * PATH_MAX);
	char folder[PATH_MAX], name[33];
	struct digest digest;

	strbuf_addf(&key, "%s\n%s", repository, workflow);
	digest = digest_of(key.text, key.len);
	(void)snprintf(name, sizeof(name), "%.32s", digest.hex);
	return path_join(folder, sizeof(folder), home, "numbers", err) < 0 ||
			       mkdir_all(folder, 0700, err) < 0
		       ? -1
		       : path_join(path, size, folder, name, err);
}

/* What cannot be read is a number that was never written: a crash on the first time. */
static uint64_t number_in(int fd)
{
	char text[32] = "";
	uint64_t last;

	return pread(fd, text, sizeof(text) - 1, 0) > 0 &&
			       parse_u64(text, 1, UINT64_MAX - 1, &last) == 0
		       ? last
		       : 0;
}

int run_number_next(const char *home, const char *repository, const char *workflow, bool take,
		    uint64_t *out, struct err *err)
{
	char path[PATH_MAX], text[32];
	auto_fd int fd = -1;
	int len;

	if (path_of(home, repository, workflow, path, sizeof(path), err) < 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(err, "cannot open '%s'", path);
	*out = number_in(fd) + 1;
	len = snprintf(text, sizeof(text), "%llu", (unsigned long long)*out);
	if (take && pwrite(fd, text, (size_t)len, 0) != len)
		return err_sys(err, "cannot write the run's number");
	return 0;
}
