/* sources: the documents of registries that an image was made from, as they hashed here. Private. */
#pragma once

#include "image/reference.h"
#include "image/store.h"
#include "stepcell/limits.h"

struct documents {
	struct digest list[LIMIT_OCI_DEPTH]; /* indexes from the outermost, and last the manifest */
	size_t count;
};

/*
 * Keep that an image of the store was made from them: whoever calls this has
 * hashed them, here. What the image's own manifest says of it may have come with
 * a file, and proves nothing.
 */
int sources_note(struct store *store, const struct digest *image, const struct documents *from,
		 struct err *err);

/*
 * The image that was made from a document of the reference's digest: whatever it
 * was pulled as, it has the same files. Of several the one of that very name is
 * taken, else one of that repository. 0: there is none.
 */
int sources_find(struct store *store, struct arena *a, const struct reference *ref,
		 struct digest *out, struct err *err);
