/*
 * Every step leaves a layer. A job's mounts are stacks of directories, lowest
 * first; a step writes to fresh uppers, which go on top when it has ended. The
 * host's checkout is only ever the lowest of them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

static struct job_mount *add_mount(struct job_run *job, const char *at)
{
	struct job_mount *m;

	job->mounts = arena_grow(job->arena, job->mounts, job->mount_count, sizeof(*m));
	m = &job->mounts[job->mount_count++];
	*m = (struct job_mount){.at = at};
	return m;
}

void layers_push(struct job_run *job, struct job_mount *mount, const char *path, bool foreign)
{
	mount->layers = arena_grow(job->arena, mount->layers, mount->count, sizeof(*mount->layers));
	mount->layers[mount->count++] =
		(struct cell_layer){.path = arena_strdup(job->arena, path), .foreign = foreign};
}

/* The places that a hosted runner has, whatever the image brings. */
static int make_places(struct job_run *job, const char *layer, struct err *err)
{
	const char *const places[] = {RUNNER_COMMANDS + 1, RUNNER_ACTIONS + 1, RUNNER_TOOLS + 1,
				      RUNNER_EVENT_DIR + 1, job->workspace + 1};
	auto_fd int fd = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", layer);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (mkdir_beneath(fd, places[i], 0755, err) < 0)
			return -1;
	return 0;
}

/* Who the steps are in a container, and where services are found. */
static int name_things(struct job_run *job, const struct image *image, const struct container *c,
		       const char *layer, struct err *err)
{
	struct arena *a = job->arena;
	struct account account;

	if (c) {
		account = account_of(a, image,
				     c->user ? c->user : container_config_text(image, "User"));
		account.home = RUNNER_HOME;
		return container_layer(a, image, &account, &job->hosts, c, layer, err);
	}
	if (!job->hosts.count)
		return 0;
	return mkdir_all(arena_printf(a, "%s/etc", layer), 0755, err) < 0
		       ? -1
		       : hosts_write(&job->hosts, layer, err);
}

/* What lies above an image before anything has run in it. */
static int make_job_layer(struct job_run *job, const struct image *image, const struct container *c,
			  const char *layer, struct err *err)
{
	auto_strbuf struct strbuf event = STRBUF(LIMIT_EVENT_BYTES);
	char path[PATH_MAX];

	if (mkdir_all(layer, 0755, err) < 0 || make_places(job, layer, err) < 0 ||
	    name_things(job, image, c, layer, err) < 0 ||
	    path_join(path, sizeof(path), layer, RUNNER_EVENT + 1, err) < 0)
		return -1;
	json_write(&event, node_get(job->run->github, "event"));
	return file_put(AT_FDCWD, path, event.text, event.len, 0644, err);
}

/*
 * A plain workspace is one writable directory for the whole job: what overlays
 * cannot do as an ordinary user (renaming a directory of a lower layer) works.
 */
static int make_plain(struct job_run *job, struct err *err)
{
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), job->dir, "plain", err) < 0 ||
	    cell_upper_make(job->owner, path, err) < 0)
		return -1;
	job->plain = arena_printf(job->arena, "%s/data", path);
	return 0;
}

/*
 * The layer that lies on top for every script: it and its files of commands.
 * No cell of the job lives while a step is prepared, so one layer serves all;
 * names are the steps' own.
 */
static int make_in(struct job_run *job, struct err *err)
{
	char path[PATH_MAX];

	job->in = arena_printf(job->arena, "%s/in", job->dir);
	if (path_join(path, sizeof(path), job->in, RUNNER_COMMANDS + 1, err) < 0)
		return -1;
	return mkdir_all(path, 0755, err);
}

int layers_open(struct job_run *job, struct err *err)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < job->image.mount_count; i++) {
		const struct image_mount *from = &job->image.mounts[i];
		struct job_mount *m = add_mount(job, from->at);

		for (size_t j = from->layer_count; j-- > 0;)
			layers_push(job, m, from->layers[j].path, from->layers[j].foreign);
	}
	if (path_join(path, sizeof(path), job->dir, "job", err) < 0 ||
	    make_job_layer(job, &job->image, job->container, path, err) < 0 ||
	    make_in(job, err) < 0)
		return err_wrap(err, "layers of job '%s'", job->plan->id);
	layers_push(job, &job->mounts[0], path, false);

	job->work = job->mount_count;
	if (job->run->policy->checkout == POLICY_COPY)
		return make_plain(job, err);
	(void)add_mount(job, job->workspace);
	if (path_join(path, sizeof(path), job->dir, "empty", err) < 0 ||
	    mkdir_all(path, 0755, err) < 0)
		return -1;
	layers_push(job, &job->mounts[job->work], path, false);
	return 0;
}

/* Docker actions may know the workspace by the name that GitHub gives it there. */
static int add_links(struct job_run *job, const char *layer, struct err *err)
{
	const char *folder = arena_printf(job->arena, "%s/github", layer);
	const char *link = arena_printf(job->arena, "%s/workspace", folder);

	if (mkdir_all(folder, 0755, err) < 0)
		return -1;
	return symlink(job->workspace, link) < 0 ? err_sys(err, "cannot link '%s'", link) : 0;
}

int layers_box(struct step_run *step, const struct image *image, const struct container *c,
	       struct err *err)
{
	struct job_run *job = step->job;
	const struct image_mount *from = &image->mounts[0];
	const char *layer = arena_printf(job->arena, "%s/box", step->dir);
	struct job_mount *box = arena_alloc(job->arena, sizeof(*box));

	box->at = "/";
	for (size_t i = from->layer_count; i-- > 0;)
		layers_push(job, box, from->layers[i].path, from->layers[i].foreign);
	layers_push(job, box, layer, false);
	if (make_job_layer(job, image, c, layer, err) < 0 || add_links(job, layer, err) < 0)
		return err_wrap(err, "layers of the step");
	step->box = box;
	return 0;
}

size_t layers_plain(const struct job_run *job, struct cell_bind *out)
{
	if (!job->plain)
		return 0;
	*out = (struct cell_bind){.from = job->plain, .at = job->workspace, .writable = true};
	return 1;
}

int layers_upper(const struct job_run *job, unsigned step, size_t mount, char *out, size_t size,
		 struct err *err)
{
	int n = snprintf(out, size, "%s/%u/%zu", job->dir, step, mount);

	return n < 0 || (size_t)n >= size ? err_fail(err, ERR_USAGE, "path too long") : 0;
}

static bool has_upper(const struct job_run *job, size_t mount)
{
	return mount != job->work || job->run->policy->checkout != POLICY_STRICT;
}

static int make_upper(struct job_run *job, unsigned step, size_t mount, struct err *err)
{
	char path[PATH_MAX];

	if (layers_upper(job, step, mount, path, sizeof(path), err) < 0)
		return -1;
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0
		       ? 0
		       : cell_upper_make(job->owner, path, err);
}

static int make_folder(const struct job_run *job, unsigned step, struct err *err)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%.*s/%u", PATH_MAX - 16, job->dir, step);
	return mkdir_all(path, 0700, err);
}

/* The uppers of a step, unless they were made ahead. */
static int make_uppers(struct job_run *job, unsigned step, struct err *err)
{
	if (job->uppers_of == step)
		return 0;
	if (make_folder(job, step, err) < 0)
		return -1;
	for (size_t i = 0; i < job->mount_count; i++)
		if (has_upper(job, i) && make_upper(job, step, i, err) < 0)
			return err_wrap(err, "layers of the step");
	job->uppers_of = step;
	return 0;
}

/* None, or the one by which overlays since 6.6 know themselves again. */
static bool has_no_attributes(int dir)
{
	char names[32];
	ssize_t n = flistxattr(dir, names, sizeof(names));

	if (n <= 0)
		return n == 0;
	return (size_t)n == strlen(names) + 1 && (strcmp(names, "trusted.overlay.uuid") == 0 ||
						  strcmp(names, "user.overlay.uuid") == 0);
}

/* Nothing in it, and what the step can change of the directory itself is as it was. */
static bool is_untouched(int upper)
{
	auto_fd int data = openat(upper, "data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	return data >= 0 && fstat(data, &st) == 0 && (st.st_mode & ALLPERMS) == 0755 &&
	       has_no_attributes(data);
}

/*
 * What the overlay left in its work directory says that it was volatile, and no
 * other overlay would take it.
 */
static bool clear_work(int upper)
{
	static const struct {
		const char *path;
		int flags;
	} left[] = {
		{"work/work/incompat/volatile/dirty", 0},
		{"work/work/incompat/volatile", AT_REMOVEDIR},
		{"work/work/incompat", AT_REMOVEDIR},
		{"work/work", AT_REMOVEDIR},
	};
	auto_fd int work = -1;
	struct err ignored;
	int failed = 0;

	for (size_t i = 0; i < COUNT(left); i++)
		failed = unlinkat(upper, left[i].path, left[i].flags);
	if (failed == 0 || errno == ENOENT)
		return true;
	work = openat(upper, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return work >= 0 && remove_tree(work, "work", &ignored) == 0;
}

/* True when the upper is as cell_upper_make() makes it. */
static bool renew(const char *path)
{
	auto_fd int upper = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return upper >= 0 && is_untouched(upper) && clear_work(upper);
}

/* The overlay of an ended step is gone with its cell: its upper may serve once more. */
static void take_spare(struct job_run *job, unsigned step, size_t mount)
{
	struct job_mount *m = &job->mounts[mount];
	char from[PATH_MAX], to[PATH_MAX];
	struct err ignored;

	if (!m->spare || layers_upper(job, m->spare, mount, from, sizeof(from), &ignored) < 0 ||
	    layers_upper(job, step, mount, to, sizeof(to), &ignored) < 0)
		return;
	m->spare = 0;
	if (renew(from) && rename(from, to) == 0) {
		*strrchr(from, '/') = '\0';
		(void)rmdir(from); /* once it gave all of them away */
	}
}

void layers_ahead(struct job_run *job, unsigned step)
{
	struct err ignored = {0};
	char path[PATH_MAX];

	if (make_folder(job, step, &ignored) == 0)
		for (size_t i = 0; i < job->mount_count; i++)
			take_spare(job, step, i);
	if (make_uppers(job, step, &ignored) == 0)
		return;
	(void)snprintf(path, sizeof(path), "%.*s/%u", PATH_MAX - 16, job->dir, step);
	(void)remove_tree(AT_FDCWD, path, &ignored);
}

/* The stack of a mount as a cell takes it: top first, the step's own layer above all. */
static struct cell_layer *top_first(struct step_run *step, const struct job_mount *m,
				    const char *in, size_t *count)
{
	struct cell_layer *list =
		arena_array(step->job->arena, m->count + 1, sizeof(struct cell_layer));
	size_t n = 0;

	if (in)
		list[n++] = (struct cell_layer){.path = in};
	for (size_t i = m->count; i-- > 0;)
		list[n++] = m->layers[i];
	*count = n;
	return list;
}

/* What lies at mount `i` for this step; NULL: its own root hides it. */
static const struct job_mount *mount_for(const struct step_run *step, size_t i)
{
	const struct job_run *job = step->job;

	if (!step->box || i == job->work)
		return &job->mounts[i];
	return i == 0 ? step->box : NULL;
}

int layers_begin(struct step_run *step, const char *in, struct cell_overlay **out, size_t *count,
		 struct err *err)
{
	struct job_run *job = step->job;
	struct cell_overlay *list = arena_array(job->arena, job->mount_count, sizeof(*list));
	size_t n = 0;

	if (make_uppers(job, step->uppers, err) < 0)
		return -1;
	for (size_t i = 0; i < job->mount_count; i++) {
		const struct job_mount *m = mount_for(step, i);
		struct cell_overlay *o = &list[n];
		char upper[PATH_MAX];

		if (!m)
			continue;
		n++;
		o->at = m->at;
		o->layers = top_first(step, m, i == 0 ? in : NULL, &o->layer_count);
		if (!has_upper(job, i))
			continue;
		if (layers_upper(job, step->uppers, i, upper, sizeof(upper), err) < 0)
			return -1;
		o->upper = arena_strdup(job->arena, upper);
	}
	*out = list;
	*count = n;
	return 0;
}

void layers_reset_work(struct job_run *job)
{
	if (!job->plain)
		job->mounts[job->work].count = 1; /* the empty directory */
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	bool empty = true;

	if (!dir)
		return errno == ENOENT;
	while (empty && (e = readdir(dir)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	(void)closedir(dir);
	return empty;
}

/* Added to the number of a step for each further cell: no job has so many steps. */
#define NEXT_CELL 0x1000000u

void layers_end(struct step_run *step)
{
	struct job_run *job = step->job;

	for (size_t i = 0; i < job->mount_count; i++) {
		char upper[PATH_MAX], data[PATH_MAX];
		struct err ignored;

		if (layers_upper(job, step->uppers, i, upper, sizeof(upper), &ignored) < 0 ||
		    path_join(data, sizeof(data), upper, "data", &ignored) < 0)
			continue;
		if (mount_for(step, i) != &job->mounts[i])
			continue; /* of a root that goes with the step */
		if (is_empty(data))
			job->mounts[i].spare = step->uppers;
		else
			layers_push(job, &job->mounts[i], data, false);
	}
	step->uppers += NEXT_CELL;
}

void layers_remove(struct job_run *job)
{
	struct err err;

	if (job->dir[0] && remove_tree(AT_FDCWD, job->dir, &err) < 0)
		log_warn("layers of job '%s' stay behind: %s", job->plan->id, err.text);
}
