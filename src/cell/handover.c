/*
 * The spec of a cell, from stepcell to a child that is there already.
 *
 * The child is a fork, so memory that both share lies at the same address in
 * both, and a copy of the spec in it needs no encoding. Descriptors go through
 * the socket. The child looks only when the message has come, and stepcell
 * never looks again: nothing that happens in there can come back this way.
 */
#include "handover.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fds.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* More than the kernel takes for a command and its environment, and as many layers. */
#define HANDOVER_BYTES (16 * MIB)

struct handover {
	struct cell_spec spec;
	int *trees; /* overlays', then binds', then /dev's */
	int pty;
	struct pty_look pty_look;
	size_t used; /* bytes, this among them */
};

int handover_open(struct handover **out, struct err *err)
{
	struct handover *h = mmap(NULL, HANDOVER_BYTES, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (h == MAP_FAILED)
		return err_sys(err, "cannot share memory with the cell");
	h->used = sizeof(*h);
	*out = h;
	return 0;
}

int handover_keep(struct handover *h, struct err *err)
{
	return madvise(h, HANDOVER_BYTES, MADV_DONTFORK) < 0
		       ? err_sys(err, "cannot keep the cell's memory from others")
		       : 0;
}

void handover_close(struct handover **h)
{
	if (*h)
		(void)munmap(*h, HANDOVER_BYTES);
	*h = NULL;
}

/* ---- the copy ---- */

/* Room in it; once it is full there is none, and `used` tells. */
static void *room(struct handover *h, size_t size)
{
	const size_t at = (h->used + 15) & ~(size_t)15;

	if (h->used > HANDOVER_BYTES || size > HANDOVER_BYTES || at + size > HANDOVER_BYTES) {
		h->used = HANDOVER_BYTES + 1;
		return NULL;
	}
	h->used = at + size;
	return (char *)h + at;
}

static void *copy(struct handover *h, const void *from, size_t size)
{
	void *to = size ? room(h, size) : NULL;

	return to ? memcpy(to, from, size) : NULL;
}

static const char *copy_text(struct handover *h, const char *text)
{
	return text ? copy(h, text, strlen(text) + 1) : NULL;
}

static const char *const *copy_texts(struct handover *h, const char *const *list)
{
	const char **to;
	size_t count = 0;

	while (list && list[count])
		count++;
	to = list ? copy(h, list, (count + 1) * sizeof(*list)) : NULL;
	for (size_t i = 0; to && i < count; i++)
		to[i] = copy_text(h, list[i]);
	return to;
}

static struct cell_overlay copy_overlay(struct handover *h, const struct cell_overlay *from)
{
	struct cell_layer *layers = copy(h, from->layers, from->layer_count * sizeof(*layers));

	for (size_t i = 0; layers && i < from->layer_count; i++)
		layers[i].path = copy_text(h, layers[i].path);
	return (struct cell_overlay){.at = copy_text(h, from->at),
				     .layers = layers,
				     .layer_count = from->layer_count,
				     .upper = copy_text(h, from->upper)};
}

static int copy_spec(struct handover *h, const struct cell_spec *spec, struct err *err)
{
	struct cell_overlay *overlays =
		copy(h, spec->overlays, spec->overlay_count * sizeof(*overlays));
	struct cell_bind *binds = copy(h, spec->binds, spec->bind_count * sizeof(*binds));

	for (size_t i = 0; overlays && i < spec->overlay_count; i++)
		overlays[i] = copy_overlay(h, &spec->overlays[i]);
	for (size_t i = 0; binds && i < spec->bind_count; i++) {
		binds[i].from = copy_text(h, binds[i].from);
		binds[i].at = copy_text(h, binds[i].at);
	}
	h->spec = *spec;
	h->spec.name = copy_text(h, spec->name);
	h->spec.state = copy_text(h, spec->state);
	h->spec.seccomp = copy_text(h, spec->seccomp);
	h->spec.workdir = copy_text(h, spec->workdir);
	h->spec.argv = copy_texts(h, spec->argv);
	h->spec.env = copy_texts(h, spec->env);
	h->spec.fds = copy(h, spec->fds, spec->fd_count * sizeof(*spec->fds));
	h->spec.overlays = overlays;
	h->spec.binds = binds;
	if (h->used > HANDOVER_BYTES)
		return err_fail(err, ERR_USAGE,
				"a command, its environment and its mounts of more "
				"than 16 MiB");
	return 0;
}

/* ---- the descriptors ---- */

/* All of them, in one order for both sides. Returns how many; `out` has room for each. */
static size_t list_fds(struct handover *h, int **out)
{
	int *const single[] = {&h->spec.stdin_fd, &h->spec.stdout_fd, &h->spec.stderr_fd, &h->pty};
	const size_t trees = setup_tree_count(&h->spec);
	size_t n = 0;

	for (size_t i = 0; i < COUNT(single); i++)
		if (*single[i] > 0) /* 0 is /dev/null's, and never a socket of ours */
			out[n++] = single[i];
	for (size_t i = 0; i < h->spec.fd_count; i++)
		out[n++] = (int *)&h->spec.fds[i];
	for (size_t i = 0; i < trees; i++)
		if (h->trees[i] >= 0)
			out[n++] = &h->trees[i];
	return n;
}

static int **list_new(const struct handover *h)
{
	return calloc(4 + h->spec.fd_count + setup_tree_count(&h->spec), sizeof(int *));
}

/* What one message carries; the kernel takes up to 253. */
#define BATCH 64

struct message {
	char byte;
	struct iovec bytes;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(BATCH * sizeof(int))];
	struct msghdr head;
};

static void message_make(struct message *m)
{
	*m = (struct message){.byte = 's'};
	m->bytes = (struct iovec){.iov_base = &m->byte, .iov_len = 1};
	m->head = (struct msghdr){.msg_iov = &m->bytes,
				  .msg_iovlen = 1,
				  .msg_control = m->control,
				  .msg_controllen = sizeof(m->control)};
}

static int batch_send(int socket, int *const *list, size_t count, struct err *err)
{
	struct message m;
	struct cmsghdr *c;

	message_make(&m);
	c = CMSG_FIRSTHDR(&m.head);
	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS};
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), list[i], sizeof(int));
	m.head.msg_controllen = count ? CMSG_SPACE(count * sizeof(int)) : 0;
	if (sendmsg(socket, &m.head, MSG_NOSIGNAL) != 1)
		return err_sys(err, "cannot give the cell its descriptors");
	return 0;
}

static int batch_receive(int socket, int *const *list, size_t count, struct err *err)
{
	struct message m;
	struct cmsghdr *c;

	message_make(&m);
	if (recvmsg(socket, &m.head, MSG_CMSG_CLOEXEC) != 1)
		return err_fail(err, ERR_SYSTEM, "stepcell went away");
	if (!count)
		return 0;
	c = CMSG_FIRSTHDR(&m.head);
	if (!c || c->cmsg_len != CMSG_LEN(count * sizeof(int)))
		return err_fail(err, ERR_SYSTEM, "not all descriptors came");
	for (size_t i = 0; i < count; i++)
		memcpy(list[i], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	return 0;
}

typedef int batch_fn(int socket, int *const *list, size_t count, struct err *err);

static int all_batches(struct handover *h, int socket, batch_fn *batch, struct err *err)
{
	auto_free int **list = list_new(h);
	size_t count, done = 0;

	if (!list)
		return err_sys(err, "cannot list the descriptors");
	count = list_fds(h, list);
	do { /* one at least: it says that the spec is there */
		size_t n = count - done < BATCH ? count - done : BATCH;

		if (batch(socket, list + done, n, err) < 0)
			return -1;
		done += n;
	} while (done < count);
	return 0;
}

/* ---- both sides ---- */

int handover_give(const struct setup *s, int socket, struct err *err)
{
	const struct cell_spec *spec = s->spec;
	struct handover *h = s->handover;
	const size_t trees = setup_tree_count(spec);
	struct rlimit before;
	int r;

	h->trees = copy(h, s->trees, trees * sizeof(*s->trees));
	h->pty = s->pty;
	h->pty_look = s->pty_look;
	if (copy_spec(h, spec, err) < 0)
		return -1;
	before = fds_limit_raise();
	r = all_batches(h, socket, batch_send, err);
	fds_limit_restore(&before);
	return r;
}

/* Whoever waits for long must not outlive stepcell, whoever else holds the socket's other end. */
int take_spec(struct setup *s, struct err *err)
{
	struct handover *h = s->handover;
	char byte;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys(err, "cannot tie the cell to stepcell");
	if (recv(s->go, &byte, 1, MSG_PEEK) != 1)
		return err_fail(err, ERR_SYSTEM, "stepcell went away");
	if (all_batches(h, s->go, batch_receive, err) < 0)
		return -1;
	s->spec = &h->spec;
	s->trees = h->trees;
	s->pty = h->pty;
	s->pty_look = h->pty_look;
	return 0;
}
