/* A store of its own, and images in it of trees without files. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "image/manifest.h"
#include "image/names.h"
#include "image/store.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

#define EMPTY_TREE "1111111111111111111111111111111111111111111111111111111111111111"

struct home {
	char path[64];
	struct store *store;
};

static inline int home_setup(void **state)
{
	struct home *home = calloc(1, sizeof(*home));
	struct err err = {0};
	char here[4096];

	/* workers find their filter beside the sources */
	if (!home || !getcwd(here, sizeof(here)) || setenv("STEPCELL_DATA", here, 0) < 0)
		return -1;
	(void)snprintf(home->path, sizeof(home->path), "/tmp/stepcell-store-XXXXXX");
	if (!mkdtemp(home->path) || store_open(home->path, &home->store, &err) < 0)
		return -1;
	*state = home;
	return 0;
}

static inline int home_teardown(void **state)
{
	struct home *home = *state;
	struct err err = {0};

	store_close(&home->store);
	if (remove_tree(AT_FDCWD, home->path, &err) < 0)
		return -1;
	free(home);
	return 0;
}

static inline bool exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A tree without files: its name is what the test says. */
static inline int home_tree(const struct home *home, const char *hex)
{
	struct err err = {0};
	char root[80];

	(void)snprintf(root, sizeof(root), "%s/root", hex);
	return mkdir_beneath(home->store->trees, root, 0755, &err);
}

/* Publish an image by the text of its manifest. */
static inline int home_publish(const struct home *home, const char *name, const char *manifest,
			       const char *origin, struct digest *out)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct err err = {0};

	strbuf_adds(&text, manifest);
	return image_publish(home->store, name, &text, NULL, origin, out, &err);
}
