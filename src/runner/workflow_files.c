/* The workflow files that a command line selects: found, read and checked. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "stepcell/arena.h"
#include "stepcell/diag.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/runner.h"

#define FILES_MAX 1000

static int cannot_open(struct err *err, const char *what, const char *path)
{
	(void)err_sys(err, "cannot open the %s '%s'", what, path);
	err->kind = ERR_USAGE;
	return -1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_workflow(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot && (strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

/* A link is not a workflow on GitHub either, and a FIFO would never end. */
static bool is_plain_file(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static int list_folder(struct arena *a, DIR *dir, const char *path, struct texts *out,
		       struct err *err)
{
	for (const struct dirent *e; (e = readdir(dir)) && out->count < FILES_MAX;) {
		if (!is_workflow(e->d_name))
			continue;
		if (!is_plain_file(dirfd(dir), e->d_name)) {
			log_note("'%s/%s' is passed over: it is no regular file", path, e->d_name);
			continue;
		}
		texts_add(a, out, arena_printf(a, "%s/%s", path, e->d_name));
	}
	if (!out->count)
		return err_fail(err, ERR_USAGE, "no workflow (*.yml, *.yaml) in '%s'", path);
	qsort(out->list, out->count, sizeof(*out->list), by_name);
	return 0;
}

/* Takes the descriptor. */
static int list_opened(struct arena *a, int fd, const char *path, struct texts *out,
		       struct err *err)
{
	DIR *dir = fdopendir(fd);
	int status;

	if (!dir) {
		fd_close(&fd);
		return err_sys(err, "cannot list '%s'", path);
	}
	status = list_folder(a, dir, path, out, err);
	(void)closedir(dir);
	return status;
}

/* The usual folder is a word of the checkout's: it is looked up inside. */
static int list_checkout(struct arena *a, const char *dir, struct texts *out, struct err *err)
{
	const char *shown = dir ? dir : ".";
	const char *path = dir ? arena_printf(a, "%s/" RUNNER_WORKFLOWS, dir) : RUNNER_WORKFLOWS;
	auto_fd int top = open(shown, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (top < 0)
		return cannot_open(err, "checkout", shown);
	fd = open_beneath(top, RUNNER_WORKFLOWS, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0) {
		err->kind = ERR_USAGE;
		return err_wrap(err, "no workflows in '%s' (give one with -W)", shown);
	}
	return list_opened(a, fd, path, out, err);
}

int runner_workflow_files(struct arena *a, const char *dir, const char *workflow,
			  struct texts *paths, struct err *err)
{
	struct stat st;

	if (!workflow)
		return list_checkout(a, dir, paths, err);
	if (stat(workflow, &st) < 0)
		return cannot_open(err, "workflow", workflow);
	if (S_ISDIR(st.st_mode)) {
		int fd = open(workflow, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		return fd < 0 ? cannot_open(err, "folder", workflow)
			      : list_opened(a, fd, workflow, paths, err);
	}
	paths->list = arena_array(a, 1, sizeof(*paths->list));
	paths->list[paths->count++] = workflow;
	return 0;
}

struct workflow *runner_workflow_load(struct arena *a, const char *path, const char *shown,
				      struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct diags diags = {.arena = a};
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct workflow *w;

	if (fd < 0 || read_capped(fd, &text, err) < 0) {
		if (fd < 0)
			(void)err_sys(err, "cannot open");
		err->kind = ERR_USAGE;
		(void)err_wrap(err, "workflow '%s'", shown);
		return NULL;
	}
	w = workflow_load(a, shown, text.text, text.len, &diags);
	if (w && !diags.errors)
		return w;
	diags_print(&diags, stderr);
	(void)err_fail(err, ERR_USAGE, "'%s' is no valid workflow (%zu %s)", shown, diags.errors,
		       diags.errors == 1 ? "error" : "errors");
	return NULL;
}
