#include "image/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"

/* How coarse the times of files are: the kernel takes them from its clock of jiffies, at least 100 a second. */
#define COARSE_NS 20000000L

static void read_made(struct turn *turn)
{
	char text[sizeof("sha256:") + DIGEST_HEX];
	ssize_t n = pread(turn->fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return;
	text[n] = '\0';
	turn->known = digest_parse(text, &turn->made);
}

/* 1 when it is ours, 0 when its file was collected while we waited. */
static int take(struct store *store, const char *name, struct turn *out, struct err *err)
{
	auto_fd int fd =
		openat(store->turns, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0)
		return err_sys(err, "cannot open a turn of the store");
	if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "cannot wait for a turn of the store");
	if (!st.st_nlink)
		return 0;
	*out = (struct turn){.fd = take_fd(&fd), .turns = store->turns};
	(void)stpcpy(out->name, name);
	read_made(out);
	return 1;
}

int turn_take(struct store *store, const char *what, struct turn *out, struct err *err)
{
	const struct digest name = digest_of(what, strlen(what));
	int r;

	do
		r = take(store, name.hex, out, err);
	while (r == 0);
	return r < 0 ? -1 : 0;
}

void turn_made(struct turn *turn, const struct digest *image)
{
	auto_strbuf struct strbuf text = STRBUF(128);

	strbuf_addf(&text, "sha256:%s", image->hex);
	turn->known = pwrite(turn->fd, text.text, text.len, 0) == (ssize_t)text.len;
}

void turn_end(struct turn *turn)
{
	if (turn->fd >= 0 && !turn->known)
		(void)unlinkat(turn->turns, turn->name, 0);
	fd_close(&turn->fd);
}

static bool is_fresh(const struct timespec *changed)
{
	struct timespec now;
	long long ns;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	ns = (now.tv_sec - changed->tv_sec) * 1000000000LL + (now.tv_nsec - changed->tv_nsec);
	return ns >= 0 && ns < COARSE_NS;
}

bool turn_of_file(int fd, struct strbuf *what)
{
	const struct timespec tick = {.tv_nsec = COARSE_NS};
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || lseek(fd, 0, SEEK_CUR) != 0)
		return false;
	if (is_fresh(&st.st_ctim))
		(void)nanosleep(&tick, NULL);
	if (fstat(fd, &st) < 0)
		return false;
	strbuf_addf(what, "file %llu %llu %lld %lld.%09ld %lld.%09ld",
		    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		    (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		    (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	return true;
}
