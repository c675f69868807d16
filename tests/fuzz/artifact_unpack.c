/* An archive, into an empty folder that is emptied again; the folder beside it must stay empty. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/artifact.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char place[64];
static int outer = -1;

static void cleanup(void)
{
	struct err err;

	(void)remove_tree(AT_FDCWD, place, &err);
}

static void set_up(void)
{
	(void)snprintf(place, sizeof(place), "/tmp/stepcell-fuzz-XXXXXX");
	if (!mkdtemp(place))
		abort();
	(void)atexit(cleanup);
	outer = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (outer < 0 || mkdirat(outer, "beside", 0700) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct artifact_unpack_limits limits = {.max_bytes = MIB, .max_entries = 100};
	auto_fd int in = memfd_create("archive", MFD_CLOEXEC);
	struct artifact_summary summary;
	struct err err;

	if (outer < 0)
		set_up();
	if (in < 0 || write_full(in, data, size) < 0 || lseek(in, 0, SEEK_SET) < 0 ||
	    mkdirat(outer, "in", 0700) < 0)
		abort();

	auto_fd int root = openat(outer, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)artifact_unpack(in, root, &limits, &summary, &err);
	/* rmdir fails when something came to lie there */
	if (unlinkat(outer, "beside", AT_REMOVEDIR) < 0 || mkdirat(outer, "beside", 0700) < 0 ||
	    remove_tree(outer, "in", &err) < 0)
		abort();
	return 0;
}
