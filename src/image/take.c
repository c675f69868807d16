#include "image/take.h"

#include <sys/file.h>

#include "image/manifest.h"
#include "image/names.h"
#include "image/verify.h"
#include "stepcell/fd.h"

static int take_whole(struct store *store, const struct image *image, const char *again,
		      bool replace, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	auto_fd int gate = -1;
	struct digest same;

	if (!image_whole(store, image) || blob_get(store, &image->digest, &text, NULL, err) < 0 ||
	    (!replace && image_name_keep(store, image->name, &text, err) < 0))
		return -1;
	gate = publish_gate(store, LOCK_SH, err);
	return gate < 0 ? -1 : image_publish(store, image->name, &text, NULL, again, &same, err);
}

bool take_made(struct store *store, struct arena *a, const struct turn *turn, const char *again,
	       bool replace)
{
	struct image image = {.lock = -1};
	struct manifest m;
	struct err ignored;
	bool taken = turn->known && image_load(store, a, &turn->made, &m, &image, &ignored) == 0 &&
		     take_whole(store, &image, again, replace, &ignored) == 0;

	image_release(&image);
	return taken;
}
