#include "artifact/sidehash.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

/* Below this, waking the thread costs more than the hash. */
#define WORTH_IT (64 * 1024)

struct sidehash {
	pthread_t thread;
	bool threaded, pending;
	sem_t work, done;
	struct digest_stream *hash;
	const void *bytes; /* NULL: end */
	size_t len;
};

static void sem_wait_whole(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		continue;
}

static void *hash_pieces(void *arg)
{
	struct sidehash *h = arg;

	for (;;) {
		sem_wait_whole(&h->work);
		if (!h->bytes)
			return NULL;
		digest_add(h->hash, h->bytes, h->len);
		(void)sem_post(&h->done);
	}
}

/* Signals are for the thread that can do something about them. */
static bool start_thread(struct sidehash *h)
{
	sigset_t all, before;
	int failed;

	(void)sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before))
		return false;
	failed = pthread_create(&h->thread, NULL, hash_pieces, h);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !failed;
}

struct sidehash *sidehash_new(void)
{
	struct sidehash *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->hash = digest_new();
	(void)sem_init(&h->work, 0, 0);
	(void)sem_init(&h->done, 0, 0);
	h->threaded = start_thread(h);
	return h;
}

void sidehash_add(struct sidehash *h, const void *bytes, size_t len)
{
	sidehash_wait(h);
	if (!h->threaded || len < WORTH_IT) {
		digest_add(h->hash, bytes, len);
		return;
	}
	h->bytes = bytes;
	h->len = len;
	h->pending = true;
	(void)sem_post(&h->work);
}

void sidehash_wait(struct sidehash *h)
{
	if (h->pending)
		sem_wait_whole(&h->done);
	h->pending = false;
}

void sidehash_end(struct sidehash **hash, struct digest *out)
{
	struct sidehash *h = *hash;

	if (!h)
		return;
	sidehash_wait(h);
	h->bytes = NULL;
	(void)sem_post(&h->work);
	if (h->threaded)
		(void)pthread_join(h->thread, NULL);
	(void)sem_destroy(&h->work);
	(void)sem_destroy(&h->done);
	digest_end(&h->hash, out);
	free(h);
	*hash = NULL;
}
