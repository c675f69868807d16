/*
 * Archives. Whatever they hold, the tree can be listed, holds only files,
 * folders and links without set-id bits, and the file outside is what it was.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/scan.h"
#include "image/unpack.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static char path[] = "/dev/shm/stepcell-fuzz-XXXXXX";

static void drop_place(void)
{
	struct err err;

	(void)remove_tree(AT_FDCWD, path, &err);
}

/* A folder in memory with a canary beside the root. */
static int open_place(void)
{
	static int place = -1;
	struct err err;

	if (place < 0) {
		must(mkdtemp(path));
		place = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		must(atexit(drop_place) == 0);
		must(place >= 0 && file_write(place, "canary", "alive", 5, 0600, &err) == 0);
	}
	return place;
}

static void check_canary(int place)
{
	auto_strbuf struct strbuf text = STRBUF(64);
	struct err err;
	struct stat st;

	must(file_read(place, "canary", &text, &err) == 0 && strcmp(text.text, "alive") == 0);
	must(fstatat(place, "canary", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 1);
	must((st.st_mode & 07777) == 0600);
}

static void check_list(int root, const struct inodes *inodes)
{
	struct strbuf manifest = STRBUF(SCAN_MANIFEST);
	struct scan scan = {.inodes = inodes, .manifest = &manifest};
	struct err err = {0};

	/* trees deeper than the list allows are refused, all others are listed */
	must(scan_tree(&scan, root, &err) == 0 || err.kind == ERR_USAGE);
	for (const char *line = manifest.text; *line; line = strchr(line, '\n') + 1)
		must(line[0] == 'd' || line[0] == 'f' || line[0] == 'l');
	strbuf_release(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int place = open_place();
	auto_fd int archive = memfd_create("archive", MFD_CLOEXEC);
	struct writer w;
	struct err err;

	must(write_full(archive, data, size) == 0 && lseek(archive, 0, SEEK_SET) == 0);
	must(mkdirat(place, "root", 0755) == 0);
	auto_fd int root = openat(place, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	writer_init(&w, root);
	(void)unpack(archive, &w, &err);
	check_list(root, &w.inodes);
	check_canary(place);
	writer_release(&w);
	must(remove_tree(place, "root", &err) == 0);
	return 0;
}
