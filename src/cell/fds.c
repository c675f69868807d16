#include "fds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stepcell/fd.h"

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int close_from(unsigned first, unsigned last, struct err *err)
{
	if (first > last)
		return 0;
	return close_range(first, last, 0) < 0 ? err_sys(err, "cannot close descriptors") : 0;
}

int fds_close_others(int *keep, size_t count, struct err *err)
{
	unsigned next = 0;

	qsort(keep, count, sizeof(*keep), compare);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0 || (unsigned)keep[i] < next)
			continue;
		if (keep[i] > 0 && close_from(next, (unsigned)keep[i] - 1, err) < 0)
			return -1;
		next = (unsigned)keep[i] + 1;
	}
	return close_from(next, ~0U, err);
}

/* Out of the way first: a source may bear a number that is another's target. */
static int lift(int fd, size_t above, struct err *err)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, (int)above);

	return up < 0 ? err_sys(err, "cannot move descriptor %d", fd) : up;
}

int fds_place(const int *from, size_t count, int *also, struct err *err)
{
	auto_free int *lifted = calloc(count + 1, sizeof(*lifted));

	if (!lifted)
		return err_sys(err, "cannot move descriptors");
	for (size_t i = 0; i <= count; i++) {
		lifted[i] = lift(i < count ? from[i] : *also, count + 1, err);
		if (lifted[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < count; i++)
		if (dup2(lifted[i], (int)i) < 0)
			return err_sys(err, "cannot place descriptor %zu", i);
	if (dup3(lifted[count], (int)count, O_CLOEXEC) < 0)
		return err_sys(err, "cannot place descriptor %zu", count);
	*also = (int)count;
	return close_from((unsigned)count + 1, ~0U, err);
}
