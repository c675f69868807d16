#include "image/worker.h"

#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"

/* Long enough for a slow disk; a worker that hangs must still end. */
#define UNPACK_MINUTES 60

#define UNPACK_MEMORY (4 * GIB) /* of address space where there is no cgroup; uses some 30 MiB */

enum { FD_RESULT, FD_FROM };

/* In the worker. */
static int work(void *arg, const int *fds, size_t fd_count)
{
	const struct unpack_work *unpack = arg;
	auto_fd int dir = open("/0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int folder = unpack->folder ? open("/1", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct unpack_result result = {0};
	struct err err = {0};
	int r;

	if (dir < 0 || (unpack->folder && folder < 0))
		r = err_sys(&err, "cannot open the worker's directory");
	else
		r = unpack->fn(unpack->arg, unpack->folder ? &folder : &fds[FD_FROM], dir, &result,
			       &err);
	if (r == 0 && write_full(fds[FD_RESULT], &result, sizeof(result)) < 0)
		r = err_sys(&err, "cannot tell the result");
	if (r < 0)
		(void)write_full(fds[fd_count], &err, sizeof(err));
	return r < 0 ? 1 : 0;
}

/*
 * Names are bytes: libarchive's C locale would refuse those that are not ASCII,
 * and inside the worker there is no file to load another from.
 */
static int in_utf8(const struct cell_work *spec, struct err *err)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = uselocale(utf8);
	int r = cell_worker(spec, err);

	(void)uselocale(before);
	if (utf8)
		freelocale(utf8);
	return r;
}

int worker_unpack(const struct unpack_work *unpack, const char *path, struct unpack_result *out,
		  struct err *err)
{
	const struct cell_bind dirs[] = {{.from = path, .writable = true},
					 {.from = unpack->folder}};
	int ends[2];

	if (pipe_open(ends, err) < 0)
		return -1;
	auto_fd int heard = ends[0];
	auto_fd int said = ends[1];
	size_t from = unpack->folder ? 0 : unpack->archive_count;
	auto_free int *fds = calloc(FD_FROM + from, sizeof(*fds));

	if (!fds)
		return err_sys(err, "cannot list the archives");
	fds[FD_RESULT] = said;
	if (from)
		(void)memcpy(&fds[FD_FROM], unpack->archives, from * sizeof(*fds));
	const struct cell_work spec = {
		.name = unpack->name,
		.fn = work,
		.arg = (void *)unpack,
		.dirs = dirs,
		.dir_count = unpack->folder ? 2 : 1,
		.fds = fds,
		.fd_count = FD_FROM + from,
		.limits = {.memory = UNPACK_MEMORY,
			   .open_files = 1024,
			   .wall_ms = UINT64_C(60000) * UNPACK_MINUTES},
	};

	if (in_utf8(&spec, err) < 0)
		return -1;
	return read_full(heard, out, sizeof(*out)) < 0
		       ? err_sys(err, "worker '%s' gave no result", unpack->name)
		       : 0;
}
