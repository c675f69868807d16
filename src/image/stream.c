#include "image/stream.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "image/codec.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

#define BLOCK_BYTES (512 * 1024)
#define BLOCKS      8

/* Of the tar itself: the files that an image may have, and as much of headers as the largest has. */
#define TAR_BYTES (LIMIT_IMAGE_BYTES + LIMIT_IMAGE_ENTRIES * 2 * KIB)

struct block {
	char *bytes;
	size_t len; /* 0: the end, or a failure */
};

struct stream {
	struct codec *codec;
	int fd, wake;
	enum compression compression;
	struct digest_stream *hash;
	struct block blocks[BLOCKS];
	sem_t empty, full;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	_Atomic uint64_t taken;
	uint64_t given;
	bool failed; /* with `why`, once a block of length 0 has come */
	struct err why;
	size_t next;  /* block to be handed out */
	bool holding; /* the block before is still in the caller's hands */
	bool over;
};

static void sem_wait_whole(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		continue;
}

/* ---- the thread ---- */

/* A few bytes that unpack to a world of them. */
static int check_bomb(const struct stream *s, struct err *err)
{
	uint64_t in = codec_taken(s->codec);

	if (s->given > TAR_BYTES)
		return err_fail(err, ERR_USAGE, "unpacks to more than %llu bytes",
				(unsigned long long)TAR_BYTES);
	if (s->given < LIMIT_RATIO_FROM || !in || s->given / in < LIMIT_IMAGE_RATIO)
		return 0;
	return err_fail(err, ERR_USAGE, "unpacks to more than %d times its size",
			LIMIT_IMAGE_RATIO);
}

static int fill(struct stream *s, struct block *block, struct err *err)
{
	if (!s->codec && codec_open(s->fd, s->wake, s->compression, &s->codec, err) < 0)
		return -1;
	if (codec_fill(s->codec, block->bytes, BLOCK_BYTES, &block->len, err) < 0)
		return -1;
	s->given += block->len;
	atomic_store(&s->taken, codec_taken(s->codec));
	if (s->hash)
		digest_add(s->hash, block->bytes, block->len);
	return check_bomb(s, err);
}

static void *read_ahead(void *arg)
{
	struct stream *s = arg;

	for (size_t i = 0;; i = (i + 1) % BLOCKS) {
		struct block *block = &s->blocks[i];

		sem_wait_whole(&s->empty);
		if (atomic_load(&s->stop))
			return NULL;
		if (fill(s, block, &s->why) < 0) {
			s->failed = true;
			block->len = 0;
		}
		(void)sem_post(&s->full);
		if (!block->len)
			return NULL;
	}
}

/* Signals are for the thread that can do something about them. */
static int start(struct stream *s, struct err *err)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	s->running = pthread_create(&s->thread, NULL, read_ahead, s) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s->running ? 0 : err_fail(err, ERR_SYSTEM, "cannot start a thread");
}

/* ---- the caller's side ---- */

int stream_open(int fd, enum compression compression, bool hash, struct stream **out,
		struct err *err)
{
	auto_stream struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return err_sys(err, "cannot read ahead");
	s->fd = fd;
	s->wake = -1;
	s->compression = compression;
	(void)sem_init(&s->empty, 0, BLOCKS);
	(void)sem_init(&s->full, 0, 0);
	s->wake = eventfd(0, EFD_CLOEXEC);
	if (s->wake < 0)
		return err_sys(err, "cannot read ahead");
	for (size_t i = 0; i < BLOCKS; i++)
		if (!(s->blocks[i].bytes = malloc(BLOCK_BYTES)))
			return err_sys(err, "cannot read ahead");
	if (hash)
		s->hash = digest_new();
	if (start(s, err) < 0)
		return -1;
	*out = s;
	s = NULL;
	return 0;
}

int stream_read(struct stream *s, const void **bytes, size_t *len, struct err *err)
{
	struct block *block = &s->blocks[s->next];

	if (s->holding)
		(void)sem_post(&s->empty);
	s->holding = false;
	if (!s->over) {
		sem_wait_whole(&s->full);
		s->over = !block->len;
	}
	if (s->over) {
		if (s->failed)
			*err = s->why;
		return s->failed ? -1 : 0;
	}
	*bytes = block->bytes;
	*len = block->len;
	s->next = (s->next + 1) % BLOCKS;
	s->holding = true;
	return 1;
}

uint64_t stream_taken(struct stream *s)
{
	return atomic_load(&s->taken);
}

int stream_finish(struct stream *s, struct digest *out, struct err *err)
{
	const void *bytes;
	size_t len;
	int r;

	do
		r = stream_read(s, &bytes, &len, err);
	while (r > 0);
	if (r == 0 && out)
		digest_end(&s->hash, out);
	return r;
}

void stream_close(struct stream **stream)
{
	struct stream *s = *stream;

	if (!s)
		return;
	if (s->running) {
		atomic_store(&s->stop, true);
		(void)eventfd_write(s->wake, 1);
		(void)sem_post(&s->empty);
		(void)pthread_join(s->thread, NULL);
	}
	for (size_t i = 0; i < BLOCKS; i++)
		free(s->blocks[i].bytes);
	if (s->hash)
		digest_end(&s->hash, NULL);
	codec_close(&s->codec);
	(void)sem_destroy(&s->empty);
	(void)sem_destroy(&s->full);
	fd_close(&s->wake);
	free(s);
	*stream = NULL;
}
