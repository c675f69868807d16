/* A folder in memory to unpack in, with a canary beside it, and what must be true of it afterwards. */
#pragma once

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

static inline void must(bool ok)
{
	if (!ok)
		abort();
}

static char path[] = "/dev/shm/stepcell-fuzz-XXXXXX";

static inline void drop_place(void)
{
	struct err err;

	(void)remove_tree(AT_FDCWD, path, &err);
}

/* A folder in memory with a canary beside the root. */
static inline int open_place(void)
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

static inline void check_canary(int place)
{
	auto_strbuf struct strbuf text = STRBUF(64);
	struct err err;
	struct stat st;

	must(file_read(place, "canary", &text, &err) == 0 && strcmp(text.text, "alive") == 0);
	must(fstatat(place, "canary", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 1);
	must((st.st_mode & 07777) == 0600);
}

/* `more` looks at the whole list too; NULL: nothing does. */
static inline void check_list(int root, const struct inodes *inodes, void (*more)(const char *list))
{
	struct strbuf manifest = STRBUF(SCAN_MANIFEST);
	struct scan scan = {.inodes = inodes, .manifest = &manifest};
	struct err err = {0};

	/* trees deeper than the list allows are refused, all others are listed */
	must(scan_tree(&scan, root, &err) == 0 || err.kind == ERR_USAGE);
	for (const char *line = manifest.text; *line; line = strchr(line, '\n') + 1)
		must(line[0] == 'd' || line[0] == 'f' || line[0] == 'l');
	if (more)
		more(manifest.text);
	strbuf_release(&manifest);
}
