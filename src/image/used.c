#include "image/used.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "stepcell/fd.h"

void image_touch(struct store *store, const struct digest *image)
{
	int fd;

	if (utimensat(store->used, image->hex, NULL, 0) == 0 || errno != ENOENT)
		return;
	fd = openat(store->used, image->hex, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	fd_close(&fd);
}

time_t image_touched(struct store *store, const struct digest *image)
{
	struct stat st;

	return fstatat(store->used, image->hex, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mtim.tv_sec
									       : 0;
}
