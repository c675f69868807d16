/* attributes: which extended attributes of an archive's files are kept. Private. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

/* Of one file: those that are looked at, and the bytes of names and values that every file system takes. */
#define ATTRIBUTES      64
#define ATTRIBUTE_BYTES 2048

struct attribute {
	const char *name;
	const void *value;
	size_t len;
};

/*
 * user.* is what an image's programs say to each other, and is kept. Never are
 *
 *	user.overlay.*, trusted.overlay.*  in a layer overlayfs would act on them
 *	security.*                         file capabilities and labels of another machine
 *	trusted.*, system.*                the administrator's; access lists of owners who are not here
 *	anything else                      whatever the kernel may mean by it one day
 */
bool attribute_is_kept(const char *name);

/*
 * Give an open file or folder those of the list that are kept, in this order, as
 * long as they are within ATTRIBUTE_BYTES, and take those away that it had. A file
 * system that has none keeps none. `any`: it has some now.
 */
int attributes_set(int fd, const struct attribute *list, size_t count, bool *any, struct err *err);

/* Those of an open file or folder that are kept, by name. */
struct attributes {
	struct attribute list[ATTRIBUTES];
	size_t count;
	char names[4096], values[4096];
};
int attributes_get(int fd, struct attributes *out, struct err *err);
