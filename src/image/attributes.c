#include "image/attributes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

bool attribute_is_kept(const char *name)
{
	static const char ours[] = "user.", overlay[] = "user.overlay.";

	return strncmp(name, ours, strlen(ours)) == 0 && name[strlen(ours)] &&
	       strncmp(name, overlay, strlen(overlay)) != 0 && strlen(name) <= 255;
}

static int by_name(const void *a, const void *b)
{
	const struct attribute *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int read_value(int fd, const char *name, size_t *used, struct attributes *out,
		      struct err *err)
{
	char *at = out->values + *used;
	ssize_t n = fgetxattr(fd, name, at, sizeof(out->values) - *used);

	if (n < 0)
		return err_sys(err, "cannot read its attribute '%.100s'", name);
	out->list[out->count++] = (struct attribute){name, at, (size_t)n};
	*used += (size_t)n;
	return 0;
}

int attributes_get(int fd, struct attributes *out, struct err *err)
{
	ssize_t n = flistxattr(fd, out->names, sizeof(out->names));
	size_t used = 0;

	out->count = 0;
	if (n < 0 && errno == EOPNOTSUPP)
		return 0;
	if (n < 0)
		return err_sys(err, "cannot list its attributes");
	for (const char *p = out->names; p < out->names + n; p += strlen(p) + 1) {
		if (!attribute_is_kept(p))
			continue;
		if (out->count == ATTRIBUTES)
			return err_fail(err, ERR_SYSTEM, "more than %d attributes", ATTRIBUTES);
		if (read_value(fd, p, &used, out, err) < 0)
			return -1;
	}
	if (out->count)
		qsort(out->list, out->count, sizeof(*out->list), by_name);
	return 0;
}

static int clear(int fd, struct err *err)
{
	struct attributes had;

	if (attributes_get(fd, &had, err) < 0)
		return -1;
	for (size_t i = 0; i < had.count; i++)
		if (fremovexattr(fd, had.list[i].name) < 0)
			return err_sys(err, "cannot remove its attribute '%.100s'",
				       had.list[i].name);
	return 0;
}

int attributes_set(int fd, const struct attribute *list, size_t count, bool *any, struct err *err)
{
	size_t bytes = 0;

	*any = false;
	if (clear(fd, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const size_t need = strlen(list[i].name) + list[i].len;

		if (!attribute_is_kept(list[i].name) || need > ATTRIBUTE_BYTES - bytes)
			continue;
		if (fsetxattr(fd, list[i].name, list[i].value, list[i].len, 0) < 0) {
			if (errno == EOPNOTSUPP)
				return 0;
			return err_sys(err, "cannot set its attribute '%.100s'", list[i].name);
		}
		bytes += need;
		*any = true;
	}
	return 0;
}
