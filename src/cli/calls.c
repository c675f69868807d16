#include "cli/calls.h"

#include <fcntl.h>
#include <string.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

struct called {
	const char *uses;
	const struct workflow *workflow; /* NULL: not there, or wrong, which has been said */
};

static const char *path_of(const struct calls *c, const char *uses)
{
	for (size_t i = 0; i < c->files->count; i++) {
		const char *equals = strrchr(c->files->list[i], '=');
		size_t len = (size_t)(equals - c->files->list[i]);

		if (strlen(uses) == len && strncmp(uses, c->files->list[i], len) == 0)
			return equals + 1;
	}
	return NULL;
}

/* A local call stays below the current directory; a path of --file is the operator's. */
static int open_called(const char *uses, const char *path, struct err *err)
{
	int fd;

	if (path) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		return fd >= 0 ? fd : err_sys(err, "cannot open '%s'", path);
	}
	return open_beneath(AT_FDCWD, uses + 2, O_RDONLY, 0, err);
}

static const struct workflow *load(struct calls *c, const char *uses, struct place at)
{
	const char *path = path_of(c, uses);
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct err err = {0};

	if (!path && strncmp(uses, "./", 2) != 0)
		return NULL;

	auto_fd int fd = open_called(uses, path, &err);

	if (fd < 0 || read_capped(fd, &text, &err) < 0) {
		diag_error(c->diags, at, "workflow-call", "%s", err.text);
		return NULL;
	}
	return workflow_load(c->arena, path ? path : uses + 2, text.text, text.len, c->diags);
}

const struct workflow *calls_find(void *arg, const char *uses, struct place at)
{
	struct calls *c = arg;
	const struct workflow *found;

	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->list[i].uses, uses) == 0)
			return c->list[i].workflow;
	found = load(c, uses, at);
	c->list = arena_grow(c->arena, c->list, c->count, sizeof(*c->list));
	c->list[c->count++] = (struct called){uses, found};
	return found;
}
