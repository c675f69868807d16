/*
 * keep HOME IMAGE: what an image of the store costs at the start of a run, and how fast it is verified.
 * A start finds the image (its name, its manifest, a lock) and looks at a sample of its files.
 */
#include <stdio.h>
#include <stdlib.h>

#include "image/verify.h"
#include "stepcell/arena.h"
#include "stepcell/clock.h"
#include "stepcell/image.h"
#include "stepcell/limits.h"

#define ROUNDS 500

struct keep {
	struct store *store;
	const char *name;
	struct image image;
};

static void must(int r, const struct err *err)
{
	if (r == 0)
		return;
	(void)fprintf(stderr, "keep: %s\n", err->text);
	exit(1);
}

static void find(struct keep *k)
{
	auto_arena struct arena *a = arena_new();
	struct image image;
	struct err err = {0};

	must(image_find(k->store, a, k->name, &image, &err), &err);
	image_release(&image);
}

static void use(struct keep *k)
{
	struct err err = {0};

	must(image_use(k->store, &k->image.digest, k->image.trees, k->image.tree_count, &err),
	     &err);
}

static void look(struct keep *k)
{
	if (!image_whole(k->store, &k->image))
		exit(1);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The middle one of some rounds, in milliseconds. */
static double middle(struct keep *k, void (*fn)(struct keep *k), unsigned rounds)
{
	static double took[ROUNDS];

	for (unsigned i = 0; i < rounds; i++) {
		const uint64_t from = now_us();

		fn(k);
		took[i] = (double)(now_us() - from) / 1e3;
	}
	qsort(took, rounds, sizeof(*took), compare);
	return took[rounds / 2];
}

static void verify(struct keep *k, struct arena *a)
{
	struct image_finding *found, best = {.seconds = 1e9};
	struct err err = {0};
	size_t count;

	for (unsigned i = 0; i < 5; i++) {
		must(image_verify(k->store, a, &k->image, &found, &count, &err), &err);
		if (found[0].seconds < best.seconds)
			best = found[0];
	}
	(void)printf("  every file read again: %.2f s, %.0f MiB/s, %.0f files a second (the least "
		     "of 5)\n",
		     best.seconds, (double)best.bytes / (double)MIB / best.seconds,
		     (double)best.entries / best.seconds);
}

int main(int argc, char **argv)
{
	auto_arena struct arena *a = arena_new();
	struct keep k = {.name = argc == 3 ? argv[2] : ""};
	struct err err = {0};
	double found, used;

	if (argc != 3)
		return 2;
	must(store_open(argv[1], &k.store, &err), &err);
	must(image_find(k.store, a, k.name, &k.image, &err), &err);
	found = middle(&k, find, ROUNDS);
	used = middle(&k, use, ROUNDS);
	(void)printf("a cached image, %.0f MiB in %llu files\n",
		     (double)k.image.bytes / (double)MIB,
		     (unsigned long long)k.image.trees[0].entries);
	(void)printf("  at the start of a run: found in %.3f ms, a sample of its files looked at "
		     "in %.3f; "
		     "together %.3f ms (goal 1), nothing copied\n",
		     found, used, found + used);
	(void)printf("  every entry looked at: %.1f ms\n", middle(&k, look, 21));
	verify(&k, a);
	image_release(&k.image);
	store_close(&k.store);
	return 0;
}
