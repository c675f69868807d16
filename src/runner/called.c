/* Finds the workflows that others call: by --file REF=PATH, or below the checkout. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

struct called_entry {
	const char *uses;
	const char *path;                /* as its places say it */
	const struct workflow *workflow; /* NULL: not there, or wrong, which has been said */
};

static const char *path_of(const struct called *c, const char *uses)
{
	for (size_t i = 0; i < c->files.count; i++) {
		const char *equals = strrchr(c->files.list[i], '=');
		size_t len = equals ? (size_t)(equals - c->files.list[i]) : 0;

		if (len && strlen(uses) == len && strncmp(uses, c->files.list[i], len) == 0)
			return equals + 1;
	}
	return NULL;
}

/* ./path inside of owner/repo/...@ref is a file of that repository, at that ref. */
static const char *whole_name(const struct called *c, const char *uses, struct place at)
{
	for (size_t i = 0; at.file && strncmp(uses, "./", 2) == 0 && i < c->count; i++) {
		const struct called_entry *e = &c->list[i];
		const char *repo = strchr(e->uses, '/'), *ref = strrchr(e->uses, '@');
		const char *end = repo ? strchr(repo + 1, '/') : NULL;

		if (!end || !ref || strncmp(e->uses, "./", 2) == 0 || strcmp(e->path, at.file) != 0)
			continue;
		return arena_printf(c->arena, "%.*s%s%s", (int)(end - e->uses), e->uses, uses + 1,
				    ref);
	}
	return uses;
}

/* A local call stays below the checkout; a path of --file is the operator's. */
static int open_called(const struct called *c, const char *uses, const char *path, struct err *err)
{
	struct stat st;
	auto_fd int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
			      : open_beneath(c->dir, uses + 2, O_RDONLY | O_NONBLOCK, 0, err);

	if (fd < 0)
		return path ? err_sys(err, "cannot open '%s'", path) : -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "'%s' is no regular file", path ? path : uses);
	return take_fd(&fd);
}

static const struct workflow *load(struct called *c, const char *uses, const char *path,
				   struct place at)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct err err = {0};
	auto_fd int fd = open_called(c, uses, path, &err);

	if (fd < 0 || read_capped(fd, &text, &err) < 0) {
		diag_error(c->diags, at, "workflow-call", "%s", err.text);
		return NULL;
	}
	return workflow_load(c->arena, path ? path : uses + 2, text.text, text.len, c->diags);
}

const struct workflow *runner_called(void *arg, const char *uses, struct place at)
{
	struct called *c = arg;
	const struct workflow *found = NULL;
	const char *path;

	uses = whole_name(c, uses, at);
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->list[i].uses, uses) == 0)
			return c->list[i].workflow;
	path = path_of(c, uses);
	if (path || strncmp(uses, "./", 2) == 0)
		found = load(c, uses, path, at);
	c->list = arena_grow(c->arena, c->list, c->count, sizeof(*c->list));
	c->list[c->count++] = (struct called_entry){uses, found ? found->path : "", found};
	return found;
}

const char *called_as(const struct called *c, const struct workflow *workflow)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->list[i].workflow == workflow)
			return c->list[i].uses;
	return NULL;
}
