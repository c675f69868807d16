/*
 * Layers on top of one another. The first two bytes say how long the lower one
 * is; whatever they hold, the file outside is what it was, the tree holds only
 * files, folders and links, and no name in it is a whiteout's.
 */
#include <stdint.h>

#include "image/whiteout.h"
#include "unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int apply(struct writer *w, const uint8_t *data, size_t size)
{
	auto_fd int archive = memfd_create("layer", MFD_CLOEXEC);
	auto_stream struct stream *stream = NULL;
	struct digest hash;
	struct err err;

	must(write_full(archive, data, size) == 0 && lseek(archive, 0, SEEK_SET) == 0);
	must(stream_open(archive, COMPRESSION_ANY, true, &stream, &err) == 0);
	if (unpack_stream(stream, w, &err) < 0)
		return -1;
	return stream_finish(stream, &hash, &err);
}

/* Names of a list's lines are behind the last space but for links. */
static void check_names(const char *list)
{
	for (const char *line = list; *line; line = strchr(line, '\n') + 1)
		for (const char *at = line; at < strchr(line, '\n'); at++)
			must(strncmp(at, "/.wh.", 5) != 0 || line[0] == 'l');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t lower = size >= 2 ? (size_t)data[0] << 8 | data[1] : 0;
	struct written written = {0};
	int place = open_place();
	struct writer w;
	struct err err;

	if (size < 2)
		return 0;
	data += 2;
	size -= 2;
	lower = lower < size ? lower : size;
	must(mkdirat(place, "root", 0755) == 0);
	auto_fd int root = openat(place, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	writer_init(&w, root);
	w.layers = true;
	if (apply(&w, data, lower) == 0) {
		w.written = &written;
		(void)apply(&w, data + lower, size - lower);
	}
	check_list(root, &w.inodes, check_names);
	check_canary(place);
	written_clear(&written);
	writer_release(&w);
	must(remove_tree(place, "root", &err) == 0);
	return 0;
}
