/*
 * Archives. Whatever they hold, the tree can be listed, holds only files,
 * folders and links without set-id bits, and the file outside is what it was.
 */
#include <stdint.h>

#include "unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	check_list(root, &w.inodes, NULL);
	check_canary(place);
	writer_release(&w);
	must(remove_tree(place, "root", &err) == 0);
	return 0;
}
