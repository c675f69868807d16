/*
 * How fast a cell may read and write, by the io controller of v2.
 *
 * It counts by disk, and which disks the layers, the image and the checkout of
 * a cell lie on is a long story (partitions, volumes, file systems over many):
 * so each disk of the host gets the same limit. Partitions are their disk's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cell/cgroup_parts.h"
#include "stepcell/fd.h"

/* "8:0" of a disk that holds anything; false for the empty slots of loop and zram. */
static bool disk_number(int disks, const char *name, char *out, size_t size)
{
	char file[300];
	uint64_t sectors;

	(void)snprintf(file, sizeof(file), "%s/size", name);
	if (!cg_read(disks, file, &sectors) || sectors == 0)
		return false;
	(void)snprintf(file, sizeof(file), "%s/dev", name);

	auto_fd int fd = openat(disks, file, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	if (n <= 0)
		return false;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return true;
}

static int limit_disk(int dir, const char *number, uint64_t bytes, struct err *err)
{
	char line[96];

	(void)snprintf(line, sizeof(line), "%s rbps=%lu wbps=%lu", number, bytes, bytes);
	/* one that was unplugged meanwhile */
	if (cg_write(dir, "io.max", line) < 0 && errno != ENODEV && errno != ENXIO)
		return err_sys(err, "cannot limit disk %s in io.max", number);
	return 0;
}

int cgroup_io_limit(int dir, uint64_t bytes, struct err *err)
{
	DIR *disks = opendir("/sys/block");
	int r = 0;

	if (!disks)
		return err_sys(err, "cannot list the disks in /sys/block");
	for (struct dirent *e; r == 0 && (e = readdir(disks));) {
		char number[32];

		if (e->d_name[0] != '.' &&
		    disk_number(dirfd(disks), e->d_name, number, sizeof(number)))
			r = limit_disk(dir, number, bytes, err);
	}
	(void)closedir(disks);
	return r;
}
