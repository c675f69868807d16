/*
 * delegate: what gives an ordinary user cgroups with real limits.
 *
 * One list of steps has two readers: it is printed as a shell script, or done.
 * A user gets a directory in each hierarchy and in it only the files by which
 * processes and controllers are arranged: the limits of the directory itself
 * stay root's, and whatever the user makes below cannot exceed them.
 *
 * Where systemd is in charge of a v2 hierarchy it is asked instead: it would
 * put back what others change.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cell/cgroup_parts.h"
#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* A directory of the user's own, in whatever lies above. */
#define GIVEN "stepcell."

enum step_kind {
	STEP_MAKE,  /* the directory `path` */
	STEP_WRITE, /* the line `text` into the file `path` */
	STEP_GIVE,  /* the files `text`, words, of the directory `path` to the user */
	STEP_TELL,  /* what only a person can do */
};

struct step {
	enum step_kind kind;
	const char *path, *text;
};

struct plan {
	struct arena *arena;
	const char *user;
	uint32_t uid;
	struct step *steps;
	size_t count;
};

static void add(struct plan *p, enum step_kind kind, const char *path, const char *text)
{
	p->steps = arena_grow(p->arena, p->steps, p->count, sizeof(*p->steps));
	p->steps[p->count++] = (struct step){kind, path, text};
}

/* ---- what has to be done ---- */

/*
 * For a shell: a cgroup's name may be anything. Whoever was given the one that
 * root is in chose it, and systemd's own have backslashes.
 */
static const char *quoted(struct arena *a, const char *text)
{
	auto_strbuf struct strbuf out = STRBUF(8 * PATH_MAX);

	if (text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			      "/._-@:+")] == '\0')
		return text;
	strbuf_addc(&out, '\'');
	for (; *text; text++)
		if (*text == '\'')
			strbuf_adds(&out, "'\\''");
		else
			strbuf_addc(&out, *text);
	strbuf_addc(&out, '\'');
	return arena_strdup(a, out.text);
}

#define V1_FILES ". cgroup.procs tasks"
#define V2_FILES ". cgroup.procs cgroup.threads cgroup.subtree_control"

static const char *give(struct plan *p, const char *base, const char *files)
{
	const char *dir = arena_printf(p->arena, "%s/" GIVEN "%s", base, p->user);

	add(p, STEP_MAKE, dir, NULL);
	add(p, STEP_GIVE, dir, files);
	return dir;
}

/* The first process has to be put there by root: on v2 nobody else may move it across. */
static void tell_how_to_enter(struct plan *p, const char *dirs)
{
	add(p, STEP_TELL, NULL,
	    arena_printf(p->arena,
			 "for d in%s; do echo $$ >\"$d/cgroup.procs\"; done; exec su - %s", dirs,
			 p->user));
}

static void plan_systemd(struct plan *p)
{
	const char *dir = arena_printf(p->arena, "/etc/systemd/system/user@%u.service.d", p->uid);

	add(p, STEP_MAKE, dir, NULL);
	add(p, STEP_WRITE, arena_printf(p->arena, "%s/stepcell.conf", dir),
	    "[Service]\nDelegate=cpu io memory pids");
	add(p, STEP_TELL, NULL, "systemctl daemon-reload");
	add(p, STEP_TELL, NULL,
	    arena_printf(p->arena,
			 "# %s logs in anew, and then: systemd-run --user --scope -p Delegate=yes "
			 "stepcell ...",
			 p->user));
}

/*
 * A directory that hands controllers down may hold no process: the user's go
 * to the leaf where stepcell looks for itself. It stays root's but for the one
 * file, and so cgroup_v2_leave() leaves it where it is.
 */
static void plan_v2(struct plan *p, const char *top, const char *controllers)
{
	const char *dir, *leaf;

	add(p, STEP_WRITE, arena_printf(p->arena, "%s/cgroup.subtree_control", top), controllers);
	dir = give(p, top, V2_FILES);
	leaf = arena_printf(p->arena, "%s/" CG_V2_LEAF, dir);
	add(p, STEP_WRITE, arena_printf(p->arena, "%s/cgroup.subtree_control", dir), controllers);
	add(p, STEP_MAKE, leaf, NULL);
	add(p, STEP_GIVE, leaf, "cgroup.procs");
	tell_how_to_enter(p, arena_printf(p->arena, " %s", quoted(p->arena, leaf)));
}

static void plan_v1(struct plan *p, const struct cgroup_places *places)
{
	const char *dirs = "";

	for (size_t i = 0; i < CG_PARTS; i++) {
		bool again = false;

		/* controllers that are mounted together have one directory */
		for (size_t k = 0; k < i; k++)
			again |= places->dir[k] && places->dir[i] &&
				 strcmp(places->dir[k], places->dir[i]) == 0;
		if (places->dir[i] && !again)
			dirs = arena_printf(
				p->arena, "%s %s", dirs,
				quoted(p->arena,
				       give(p, places->dir[i], i == CG_V2 ? V2_FILES : V1_FILES)));
	}
	tell_how_to_enter(p, dirs);
}

static int make_plan(struct plan *p, struct err *err)
{
	static const char top[] = "/sys/fs/cgroup";
	char controllers[256];
	struct cgroup_places places;
	bool any = false;

	if (cgroup_v2_controllers(top, controllers, sizeof(controllers))) {
		if (access("/run/systemd/system", F_OK) == 0)
			plan_systemd(p);
		else
			plan_v2(p, top, controllers);
		return 0;
	}
	if (cgroup_places_find(p->arena, &places, err) < 0)
		return -1;
	for (size_t i = 0; i < CG_V1_PARTS; i++)
		any |= places.dir[i] != NULL;
	if (!any)
		return err_fail(err, ERR_SYSTEM,
				"no cgroup controllers are mounted here: mount "
				"a cgroup2 file system at /sys/fs/cgroup");
	plan_v1(p, &places);
	return 0;
}

/* ---- the two readers ---- */

static void print_step(const struct plan *p, const struct step *s, struct strbuf *out)
{
	const char *path = s->path ? quoted(p->arena, s->path) : NULL;

	switch (s->kind) {
	case STEP_MAKE:
		strbuf_addf(out, "mkdir -p %s\n", path);
		break;
	case STEP_WRITE:
		strbuf_addf(out, "echo '%s' >%s\n", s->text, path);
		break;
	case STEP_GIVE:
		strbuf_addf(out, "(cd %s && chown %s %s)\n", path, p->user, s->text);
		break;
	case STEP_TELL:
		strbuf_addf(out, "%s\n", s->text);
		break;
	}
}

static int write_file(const char *path, const char *text, struct err *err)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || write_full(fd, text, strlen(text)) < 0 || write_full(fd, "\n", 1) < 0)
		return err_sys(err, "cannot write '%s'", path);
	return 0;
}

static int give_files(const struct plan *p, const struct step *s, struct err *err)
{
	auto_fd int dir = open(s->path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char *files = arena_strdup(p->arena, s->text), *save = NULL;

	if (dir < 0)
		return err_sys(err, "cannot open '%s'", s->path);
	for (char *f = strtok_r(files, " ", &save); f; f = strtok_r(NULL, " ", &save))
		if (fchownat(dir, f, p->uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, "cannot give '%s/%s' to %s", s->path, f, p->user);
	return 0;
}

static int do_step(const struct plan *p, const struct step *s, struct strbuf *out, struct err *err)
{
	switch (s->kind) {
	case STEP_MAKE:
		return mkdir_all(s->path, 0755, err);
	case STEP_WRITE:
		return write_file(s->path, s->text, err);
	case STEP_GIVE:
		return give_files(p, s, err);
	case STEP_TELL:
		print_step(p, s, out);
	}
	return 0;
}

int cell_delegate(const char *user, uint32_t uid, bool apply, char *text, size_t size,
		  struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf out = STRBUF(size);
	struct plan plan = {.arena = a, .user = user, .uid = uid};

	/* it becomes a part of paths and of what a shell reads */
	if (!name_is_safe(user) || user[0] == '-')
		return err_fail(err, ERR_USAGE, "'%s' is no name of a user", user);
	if (apply && geteuid() != 0)
		return err_fail(err, ERR_USAGE,
				"only root can do it; without --apply it is printed");
	if (make_plan(&plan, err) < 0)
		return -1;
	for (size_t i = 0; i < plan.count; i++)
		if (!apply)
			print_step(&plan, &plan.steps[i], &out);
		else if (do_step(&plan, &plan.steps[i], &out, err) < 0)
			return err_wrap(err, "giving %s cgroups", user);
	/* half a script would do half of it */
	if (out.full)
		return err_fail(err, ERR_SYSTEM, "the commands take more than %zu bytes", size);
	(void)snprintf(text, size, "%s", out.text);
	return 0;
}
