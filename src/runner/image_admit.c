/*
 * May the run use an image? The one that images.lock means, when there is such
 * a lock, and with the files that it was published with.
 *
 *	images:
 *	  NAME: { digest: "sha256:...", origin: "build NAME" }
 */
#include "runner/lock.h"
#include "runner/run.h"

#define LOCK_NAME "images.lock"

static int check_lock(struct run *run, const char *image, const struct digest *digest,
		      struct err *err)
{
	const char *name = run->options->images_lock ? run->options->images_lock : LOCK_NAME;

	if (lock_file_open(run, run->options->images_lock, LOCK_NAME, images_lock_parse,
			   &run->images_lock, err) < 0)
		return -1;
	if (run->images_lock->kind == NODE_NULL ||
	    images_lock_agrees(run->arena, run->images_lock, image, digest, err) == 0)
		return 0;
	return err_wrap(err, "%s", name);
}

int image_admit(struct run *run, const struct image *image, struct err *err)
{
	if (check_lock(run, image->name, &image->digest, err) < 0)
		return -1;
	if (image_use(run->store, &image->digest, image->trees, image->tree_count, err) < 0)
		return err_wrap(err, "image '%s'", image->name);
	return 0;
}

int toolchain_admit(struct run *run, const struct toolchain_match *match, struct err *err)
{
	/* the root's own came with it */
	if (!match->layer_count)
		return 0;
	if (check_lock(run, match->toolchain.image, &match->image, err) < 0)
		return -1;
	if (image_use(run->store, &match->image, match->trees, match->layer_count, err) < 0)
		return err_wrap(err, "Python %s of image '%s'", match->toolchain.version,
				match->toolchain.image);
	return 0;
}
