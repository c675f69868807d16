/*
 * The worker of fetch.c: one order after the other until there are no more.
 *
 * What comes is written under its name in partial/, locked by whoever does so,
 * and gets its name in the folder when it is whole: what has that name is right,
 * and two pulls of one layer are one download. (Every worker is process 1: a
 * name with that in it would be the same for all of them.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/fetch_talk.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define PROGRESS_MS 100

enum { FD_ORDERS, FD_REPLIES, FD_ERROR };

struct server {
	struct registry *registry;
	int replies;
	int folder, partial;
	uint64_t told_ms;
};

/* ---- replies ---- */

static int reply(struct server *s, const struct fetch_reply *reply)
{
	return write_full(s->replies, reply, sizeof(*reply));
}

static void on_progress(void *arg, uint64_t done, uint64_t size)
{
	struct fetch_reply r = {.word = FETCH_PROGRESS, .done = done, .size = size};
	struct server *s = arg;
	uint64_t now = now_ms();

	if (now - s->told_ms < PROGRESS_MS)
		return;
	s->told_ms = now;
	(void)reply(s, &r);
}

static void on_note(void *arg, const char *text)
{
	struct fetch_reply r = {.word = FETCH_NOTE};

	(void)snprintf(r.err.text, sizeof(r.err.text), "%s", text);
	(void)reply(arg, &r);
}

/* ---- files ---- */

/* Has the file that was locked still its name? Who had it before us may be done with it. */
static bool is_current(const struct server *s, int fd, const char *name)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 &&
	       fstatat(s->partial, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

static int open_partial(const struct server *s, const char *name, struct err *err)
{
	for (;;) {
		auto_fd int fd =
			openat(s->partial, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		int r;

		if (fd < 0)
			return err_sys(err, "cannot open the download");
		do
			r = flock(fd, LOCK_EX);
		while (r < 0 && errno == EINTR);
		if (r < 0)
			return err_sys(err, "cannot lock the download");
		if (is_current(s, fd, name))
			return take_fd(&fd);
	}
}

/* It is whole: its name is in the folder from now on. */
static int keep(const struct server *s, const char *name, struct err *err)
{
	if (renameat(s->partial, name, s->folder, name) < 0)
		return err_sys(err, "cannot keep the download");
	return 0;
}

/* ---- documents ---- */

static int serve_document(struct server *s, const struct fetch_order *order,
			  struct fetch_reply *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_DOCUMENT);
	struct registry_document found = {0};
	auto_fd int fd = -1;

	if (registry_document(s->registry, order->tag[0] ? order->tag : NULL,
			      order->tag[0] ? NULL : &order->digest, &text, &found, err) < 0)
		return -1;
	(void)snprintf(out->type, sizeof(out->type), "%s", found.type);
	out->digest = found.digest;
	fd = open_partial(s, found.digest.hex, err);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, 0) < 0 || write_full(fd, text.text, text.len) < 0)
		return err_sys(err, "cannot write the download");
	return keep(s, found.digest.hex, err);
}

/* ---- blobs ---- */

/*
 * There already, from a pull that did not get to its end? What a disk has made
 * something else of goes.
 */
static bool is_whole(const struct server *s, const struct fetch_order *order)
{
	const char *name = order->digest.hex;
	auto_fd int fd = openat(s->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct digest found;
	struct err ignored;
	struct stat st;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == order->size &&
	    digest_of_fd(fd, &found, &ignored) == 0 && digest_equal(&found, &order->digest))
		return true;
	(void)unlinkat(s->folder, name, 0);
	return false;
}

static int serve_blob(struct server *s, const struct fetch_order *order, struct fetch_reply *out,
		      struct err *err)
{
	const char *name = order->digest.hex;
	auto_fd int fd = -1;

	(void)out;
	if (is_whole(s, order))
		return 0;
	fd = open_partial(s, name, err);
	if (fd < 0)
		return -1;
	if (is_whole(s, order)) {
		(void)unlinkat(s->partial, name, 0);
		return 0;
	}
	return registry_blob(s->registry, &order->digest, order->size, fd, err) < 0
		       ? -1
		       : keep(s, name, err);
}

/* ---- orders ---- */

typedef int serve_fn(struct server *s, const struct fetch_order *order, struct fetch_reply *out,
		     struct err *err);

static serve_fn *const services[] = {
	[FETCH_DOCUMENT] = serve_document,
	[FETCH_BLOB] = serve_blob,
};

static int serve_orders(struct server *s, int orders)
{
	struct fetch_order order;

	while (read_full(orders, &order, sizeof(order)) == 0) {
		struct fetch_reply r = {.word = FETCH_DONE};

		s->told_ms = 0;
		if (services[order.kind](s, &order, &r, &r.err) < 0)
			r.word = FETCH_FAILED;
		if (reply(s, &r) < 0)
			return 1;
	}
	return 0;
}

int fetch_serve(void *arg, const int *fds, size_t fd_count)
{
	struct fetch_work *work = arg;
	auto_fd int folder = open("/0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int partial = open("/0/partial", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct server s = {.replies = fds[FD_REPLIES], .folder = folder, .partial = partial};
	struct err err = {0};
	int r;

	(void)fd_count;
	work->setup.news =
		(struct registry_news){.progress = on_progress, .note = on_note, .arg = &s};
	if (folder < 0 || partial < 0)
		r = err_sys(&err, "cannot open the worker's directory");
	else
		r = registry_open(&work->setup, &s.registry, &err);
	if (r < 0)
		(void)write_full(fds[FD_ERROR], &err, sizeof(err));
	else
		r = serve_orders(&s, fds[FD_ORDERS]);
	registry_close(&s.registry);
	return r ? 1 : 0;
}
