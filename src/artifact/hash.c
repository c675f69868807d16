/* hash: hashFiles() of the language: one hash of the hashes of the files, in glob order. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/artifact.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

struct hash {
	int root;
	struct digest_stream *all;
	size_t files;
	struct err *err;
};

static int hash_content(int fd, uint8_t out[32], struct err *err)
{
	struct digest_stream *one = digest_new();
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			digest_add(one, chunk, (size_t)n);
	if (n < 0) {
		digest_end(&one, NULL);
		return err_sys(err, "cannot read");
	}
	digest_end_raw(&one, out);
	return 0;
}

/* A link is hashed as what it leads to; one that leads out, or nowhere, is passed over. */
static int hash_file(void *arg, const char *rel, bool is_dir)
{
	struct hash *h = arg;
	struct err why = {0};
	uint8_t raw[32];
	struct stat st;

	if (is_dir)
		return 0;

	auto_fd int fd = open_beneath(h->root, rel, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &why);

	if (fd < 0 && why.sys == EACCES) {
		*h->err = why;
		return -1;
	}
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (hash_content(fd, raw, h->err) < 0)
		return err_wrap(h->err, "hashing '%.200s'", rel);
	digest_add(h->all, raw, sizeof(raw));
	h->files++;
	return 0;
}

int glob_hash(const struct glob *g, int root, char out[DIGEST_HEX + 1], struct err *err)
{
	struct hash h = {.root = root, .all = digest_new(), .err = err};
	int result = glob_walk(g, root, true, hash_file, &h, err);
	struct digest digest;

	digest_end(&h.all, &digest);
	if (result < 0)
		return -1;
	(void)snprintf(out, DIGEST_HEX + 1, "%s", h.files ? digest.hex : "");
	return 0;
}
