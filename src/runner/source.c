/*
 * The checkout. What git knows of it is asked in a cell of its own, with the
 * repository read-only, no network and nothing of the caller's configuration:
 * a repository's hooks, filters and fsmonitor are programs of strangers. The
 * same cell makes the .git that steps get to see: one commit deep, without
 * hooks, and with no remote that carries a credential.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"
#include "stepcell/utf8.h"
#include "stepcell/util.h"

/*
 * $1 the git directory inside the cell, $2 what to take, $3 "tree" to write it out too; $4 ".." or
 * "..." between a base and what is taken, to list what has changed, and then the bases that might
 * be there. GitHub looks at 300 files, and at none when there are more than 1000 commits.
 */
static const char git_script[] =
	"set -eu\n"
	"ask() { git --git-dir=\"$1\" \"${@:2}\"; }\n"
	"sha=$(ask \"$1\" rev-parse -q --verify \"$2^{commit}\") ||\n"
	"  { echo \"it has no commit '$2'\"; exit 1; }\n"
	"branch=$(ask \"$1\" symbolic-ref -q HEAD || true)\n"
	"url=$(ask \"$1\" config --get remote.origin.url || true)\n"
	"url=$(printf %s \"$url\" | sed -E 's|^([A-Za-z+.-]+://)[^/]*@|\\1|; s|[?#].*||')\n"
	"printf 'sha %s\\ntime %s\\nbranch %s\\nremote %s\\n' \"$sha\" "
	"\"$(ask \"$1\" log -1 --format=%ct \"$sha\")\" \"$branch\" \"$url\"\n"
	"ask \"$1\" log -1 --format='author %an%nemail %ae%nwhen %cI' \"$sha\"\n"
	"ask \"$1\" log -1 --format=%B \"$sha\" | head -c 65536 | sed 's|^|message |'\n"
	"changed() {\n"
	"  base=$(ask \"$1\" rev-parse -q --verify --end-of-options \"$3^{commit}\") || return 1\n"
	"  [ \"$(ask \"$1\" rev-list --count --max-count=1001 \"$base..$sha\")\" -le 1000 ] || "
	"return 0\n"
	"  { ask \"$1\" diff --name-only -z --no-renames --no-ext-diff --no-textconv "
	"\"$base$2$sha\" || :; } |\n"
	"    head -zn 300 | tr '\\0' '\\n' | sed 's|^|path |'\n"
	"}\n"
	"for base in \"${@:5}\"; do changed \"$1\" \"$4\" \"$base\" && break; done\n"
	"git init -q --template= /out/git\n"
	"cd /out/git\n"
	/* git_env does not reach what serves a fetch: git takes it away */
	"git fetch -q --no-tags --depth 1 --upload-pack=\"git -c 'safe.directory=*' "
	"-c uploadpack.allowAnySHA1InWant=true upload-pack\" file:///repo.git \"$sha\"\n"
	"if [ \"$branch\" ] && [ \"$2\" = HEAD ]; then\n"
	"  git update-ref \"$branch\" \"$sha\"; git symbolic-ref HEAD \"$branch\"\n"
	"  git update-ref \"refs/remotes/origin/${branch#refs/heads/}\" \"$sha\"\n"
	"else git update-ref --no-deref HEAD \"$sha\"; fi\n"
	"[ -z \"$url\" ] || git config remote.origin.url \"$url\"\n"
	"rm -f .git/FETCH_HEAD\n"
	"git read-tree HEAD\n"
	"[ \"$3\" != tree ] || { mkdir /out/tree; git --work-tree=/out/tree checkout-index -a -f; "
	"}\n";

static const char *const git_env[] = {
	"PATH=/usr/local/bin:/usr/bin:/bin",
	"HOME=/nonexistent",
	"LC_ALL=C.UTF-8",
	"GIT_CONFIG_NOSYSTEM=1",
	"GIT_CONFIG_GLOBAL=/dev/null",
	"GIT_TERMINAL_PROMPT=0",
	"GIT_NO_REPLACE_OBJECTS=1", /* what is said of a commit is of that commit */
	"GIT_ALLOW_PROTOCOL=file",  /* whatever its configuration allows: ext:: is a command */
	"GIT_NO_LAZY_FETCH=1",      /* what is missing is asked of nobody */
	"GIT_GRAFT_FILE=/dev/null",
	"GIT_CONFIG_COUNT=5",
	"GIT_CONFIG_KEY_0=safe.directory",
	"GIT_CONFIG_VALUE_0=*",
	"GIT_CONFIG_KEY_1=core.hooksPath",
	"GIT_CONFIG_VALUE_1=/dev/null",
	"GIT_CONFIG_KEY_2=core.fsmonitor",
	"GIT_CONFIG_VALUE_2=false",
	"GIT_CONFIG_KEY_3=init.defaultBranch",
	"GIT_CONFIG_VALUE_3=main",
	"GIT_CONFIG_KEY_4=log.showSignature", /* it would run the repository's gpg.program */
	"GIT_CONFIG_VALUE_4=false",
	NULL,
};

/* Where the repository of a checkout lies. */
struct repository {
	char common[PATH_MAX]; /* the directory that holds the objects */
	char inside[PATH_MAX]; /* the git directory as the cell sees it */
	bool top;              /* the checkout is the repository's top, not a folder of it */
};

/* The text of a small file without its last newline; -1 when it is none. */
static int small_file(const char *path, char *out, size_t size)
{
	auto_strbuf struct strbuf text = STRBUF(PATH_MAX);
	struct err ignored;

	if (file_read(AT_FDCWD, path, &text, &ignored) < 0 || text.len >= size)
		return -1;
	(void)snprintf(out, size, "%.*s", (int)strcspn(text.text, "\n"), text.text);
	return 0;
}

static bool has_kind(const char *dir, const char *name, mode_t kind)
{
	char path[PATH_MAX + 16];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

/* REPOSITORY/worktrees/NAME: git's own word for a linked worktree (gitrepository-layout(5)). */
static int repository_of_worktree(char *gitdir, struct repository *out)
{
	char *name = strrchr(gitdir, '/'), *folder;

	if (snprintf(out->inside, sizeof(out->inside), "/repo.git/worktrees%s", name) >= PATH_MAX)
		return -1;
	*name = '\0';
	folder = strrchr(gitdir, '/');
	if (!folder || strcmp(folder, "/worktrees") != 0)
		return -1;
	*folder = '\0';
	(void)snprintf(out->common, sizeof(out->common), "%s", gitdir);
	return 0;
}

/*
 * A `.git` file names a directory anywhere; a hostile checkout would name
 * somebody else's repository. Believed only when that directory names this
 * file in turn, as git's own worktrees do. But a checkout can hold such a
 * directory itself, and lie in a folder called worktrees: so what is above
 * must be a repository, or the git cell would be shown a folder of the host.
 */
static int linked_repository(const char *file, struct repository *out)
{
	char text[PATH_MAX], gitdir[PATH_MAX], path[PATH_MAX + 16], back[PATH_MAX];

	if (small_file(file, text, sizeof(text)) < 0 || strncmp(text, "gitdir: /", 9) != 0 ||
	    !realpath(text + 8, gitdir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/gitdir", gitdir);
	if (small_file(path, back, sizeof(back)) < 0 || strcmp(back, file) != 0)
		return -1;
	return repository_of_worktree(gitdir, out) == 0 && has_kind(out->common, "HEAD", S_IFREG) &&
			       has_kind(out->common, "objects", S_IFDIR) &&
			       has_kind(out->common, "refs", S_IFDIR)
		       ? 0
		       : -1;
}

/* Upwards from the checkout, as git looks for it. */
static int find_repository(const char *dir, struct repository *out)
{
	char at[PATH_MAX], git[PATH_MAX + 8];
	struct stat st;

	(void)snprintf(at, sizeof(at), "%s", dir);
	out->top = true;
	for (;;) {
		(void)snprintf(git, sizeof(git), "%s/.git", at);
		if (lstat(git, &st) == 0 && S_ISDIR(st.st_mode)) {
			(void)snprintf(out->common, sizeof(out->common), "%.*s", PATH_MAX - 1, git);
			(void)snprintf(out->inside, sizeof(out->inside), "/repo.git");
			return 0;
		}
		if (lstat(git, &st) == 0 && S_ISREG(st.st_mode))
			return linked_repository(git, out);
		if (!strrchr(at, '/') || at[1] == '\0')
			return -1;
		*strrchr(at, '/') = '\0';
		if (!at[0])
			return -1;
		out->top = false;
	}
}

/* A folder that is no checkout but a repository: only where the operator names it as one. */
static int bare_repository(const char *dir, struct repository *out)
{
	if (!has_kind(dir, "HEAD", S_IFREG))
		return find_repository(dir, out);
	(void)snprintf(out->common, sizeof(out->common), "%s", dir);
	(void)snprintf(out->inside, sizeof(out->inside), "/repo.git");
	return 0;
}

/* Why a program failed: what git calls fatal first, else the last line that says anything. */
static const char *why_failed(const struct strbuf *text, int *len)
{
	const char *fatal = strstr(text->text, "fatal: ");
	size_t end = text->len, start;

	if (fatal) {
		*len = (int)strcspn(fatal, "\n");
		return fatal;
	}
	while (end && text->text[end - 1] == '\n')
		end--;
	for (start = end; start && text->text[start - 1] != '\n';)
		start--;
	*len = (int)(end - start);
	return text->text + start;
}

/* Run a program to its end and keep what it says; -1 when it fails. */
static int capture(struct run *run, struct cell_spec *spec, struct strbuf *out, struct err *err)
{
	struct cell_result result;
	struct cell *cell = NULL;
	const char *why;
	int ends[2], len;

	if (pipe_open(ends, err) < 0)
		return -1;

	auto_fd int r = ends[0];
	auto_fd int w = ends[1];

	spec->stdout_fd = spec->stderr_fd = w;
	if (cell_start(spec, &cell, NULL, err) < 0)
		return -1;
	fd_close(&w);
	if (view_listen(run, cell, r, out, err) < 0 || cell_wait(cell, &result, err) < 0) {
		cell_release(&cell);
		return -1;
	}
	cell_release(&cell);
	if (result.verdict == CELL_PASSED)
		return 0;
	why = why_failed(out, &len);
	return err_fail(err, ERR_USAGE, "%s: %.*s", cell_verdict_name(result.verdict), len, why);
}

static const char *answer(struct arena *a, const char *text, const char *key)
{
	size_t len = strlen(key);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, key, len) == 0 && text[len] == ' ')
			return arena_strndup(a, text + len + 1, strcspn(text + len + 1, "\n"));
	return "";
}

static void keep_paths(struct run *run, const char *text)
{
	struct source *s = &run->source;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		if (strncmp(text, "path ", 5) != 0)
			continue;
		s->paths = arena_grow(run->arena, s->paths, s->path_count, sizeof(*s->paths));
		s->paths[s->path_count++] =
			arena_strndup(run->arena, text + 5, strcspn(text + 5, "\n"));
	}
}

/* The lines of the commit's message; its bytes are whatever its author wrote. */
static const char *message_of(struct arena *a, const char *text)
{
	auto_strbuf struct strbuf raw = STRBUF(128 * KIB), clean = STRBUF(512 * KIB);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		if (strncmp(text, "message ", 8) != 0)
			continue;
		strbuf_add(&raw, text + 8, strcspn(text + 8, "\n"));
		strbuf_addc(&raw, '\n');
	}
	while (raw.len && raw.text[raw.len - 1] == '\n')
		strbuf_cut(&raw, raw.len - 1);
	(void)utf8_clean(raw.text, raw.len, SIZE_MAX, true, &clean);
	return arena_strdup(a, clean.text);
}

static const char *clean_answer(struct arena *a, const char *text, const char *key)
{
	auto_strbuf struct strbuf clean = STRBUF(64 * KIB);
	const char *raw = answer(a, text, key);

	(void)utf8_clean(raw, strlen(raw), SIZE_MAX, true, &clean);
	return arena_strdup(a, clean.text);
}

/* What the event says it came from: the commit before a push, the base of a pull request. */
static void add_bases(struct run *run, const char **argv)
{
	const struct node *event = node_get(run->github, "event");
	const struct node *base = node_get(node_get(event, "pull_request"), "base");
	const char *before = node_text(node_get(event, "before"));
	const char *sha = node_text(node_get(base, "sha")), *ref = node_text(node_get(base, "ref"));

	*argv++ = base ? "..." : "..";
	if (base && sha)
		*argv++ = sha;
	if (base && ref) {
		*argv++ = arena_printf(run->arena, "refs/remotes/origin/%s", ref);
		*argv++ = arena_printf(run->arena, "refs/heads/%s", ref);
	}
	if (!base && before)
		*argv++ = before;
}

static int keep_answers(struct run *run, const char *text, struct err *err)
{
	struct source *s = &run->source;
	const char *time = answer(run->arena, text, "time");
	const char *branch = answer(run->arena, text, "branch");

	s->sha = answer(run->arena, text, "sha");
	s->remote = answer(run->arena, text, "remote");
	s->branch = *branch ? branch : NULL;
	s->author = clean_answer(run->arena, text, "author");
	s->email = clean_answer(run->arena, text, "email");
	s->when = clean_answer(run->arena, text, "when");
	s->message = message_of(run->arena, text);
	keep_paths(run, text);
	if (parse_u64(time, 0, UINT32_MAX, &s->commit_time) < 0)
		return err_fail(err, ERR_USAGE, "git gave no time");
	if (strlen(s->sha) < 40 || s->sha[strspn(s->sha, "0123456789abcdef")])
		return err_fail(err, ERR_USAGE, "git gave no commit");
	return 0;
}

/*
 * What the git cell made is a stranger's: its configuration can run programs,
 * which can leave a link to any folder of the host in the result's place. So
 * now that they are dead the result is moved to where no cell ever writes, and
 * must be a folder there.
 */
static int take_out(const char *upper, const char *name, char *path, size_t size, struct err *err)
{
	auto_fd int top = open(upper, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int out = -1, taken = -1;

	if (top < 0)
		return err_sys(err, "cannot open '%s'", upper);
	out = open_nolinks(top, "0/data/out", O_PATH | O_DIRECTORY, 0, err);
	if (out < 0)
		return -1;
	if (renameat(out, name, top, name) < 0)
		return err_sys(err, "git gave no %s", name);
	taken = open_nolinks(top, name, O_PATH | O_DIRECTORY, 0, err);
	return taken < 0 ? -1 : path_join(path, size, upper, name, err);
}

/*
 * The generated .git must hide the checkout's own: an opaque directory, in the
 * form that the overlay of the jobs will read.
 */
static int make_opaque(const char *layer, struct err *err)
{
	auto_fd int top = open(layer, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int git = -1;

	if (top < 0)
		return err_sys(err, "cannot open '%s'", layer);
	git = open_nolinks(top, ".git", O_RDONLY | O_DIRECTORY, 0, err);
	if (git < 0)
		return -1;
	/* who may write the first is who mounts overlays that read it; uid 0 of a container is not */
	if (fsetxattr(git, "trusted.overlay.opaque", "y", 1, 0) < 0 &&
	    fsetxattr(git, "user.overlay.opaque", "y", 1, 0) < 0)
		return err_sys(err, "cannot mark '%s/.git' opaque", layer);
	return 0;
}

struct git_cell {
	struct cell_owner *owner;
	struct image host;
	char upper[PATH_MAX];
	struct cell_overlay overlays[8];
	size_t count;
};

static int git_cell_open(struct run *run, const struct repository *repo, const char *upper,
			 struct git_cell *g, struct err *err)
{
	struct cell_layer *layer = arena_alloc(run->arena, sizeof(*layer));

	if (image_find(run->store, run->arena, "host", &g->host, err) < 0 ||
	    cell_owner_open(run->home, &g->owner, err) < 0)
		return -1;
	(void)snprintf(g->upper, sizeof(g->upper), "%s", upper);
	if (mkdir_all(g->upper, 0700, err) < 0)
		return -1;
	for (size_t i = 0; i < g->host.mount_count && i < COUNT(g->overlays) - 1; i++) {
		const struct image_mount *m = &g->host.mounts[i];
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%.*s/%zu", PATH_MAX - 8, g->upper, i);
		if (cell_upper_make(g->owner, path, err) < 0)
			return -1;
		g->overlays[g->count++] = (struct cell_overlay){
			.at = m->at,
			.layers = m->layers,
			.layer_count = m->layer_count,
			.upper = arena_strdup(run->arena, path),
		};
	}
	layer->path = arena_strdup(run->arena, repo->common);
	g->overlays[g->count++] =
		(struct cell_overlay){.at = "/repo.git", .layers = layer, .layer_count = 1};
	return 0;
}

static int git_cell_run(struct run *run, const struct repository *repo, struct git_cell *g,
			struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(2 * MIB); /* 300 paths, as long as paths get */
	const struct policy_limits *limits = &run->policy->limits;
	const char *at = run->options->at;
	const char *argv[12] = {"bash",
				"-c",
				git_script,
				"git",
				repo->inside,
				at ? at : "HEAD",
				at ? "tree" : "no"};
	struct cell_spec spec = {
		.name = "git",
		.owner = g->owner,
		.state = run->home,
		.overlays = g->overlays,
		.overlay_count = g->count,
		.argv = argv,
		.env = git_env,
		.workdir = "/",
		.seccomp = run->seccomp,
		.require = run->require,
		.limits = {.memory = 2 * GIB,
			   .pids = 64,
			   .disk = limits->disk, /* a small pack can hold a tree of any size */
			   .files = limits->files,
			   .wall_ms = 120000},
	};

	add_bases(run, argv + 7);
	if (capture(run, &spec, &text, err) < 0)
		return -1;
	return keep_answers(run, text.text, err);
}

static int ask_git(struct run *run, const struct repository *repo, struct err *err)
{
	struct source *s = &run->source;
	struct git_cell g = {.host = {.lock = -1}};
	char upper[PATH_MAX];
	int n = snprintf(upper, sizeof(upper), "%s/source", run->work);
	int ok;

	if (n < 0 || (size_t)n >= sizeof(upper) - 32)
		return err_fail(err, ERR_USAGE, "path too long: '%s'", upper);
	ok = git_cell_open(run, repo, upper, &g, err) == 0 && git_cell_run(run, repo, &g, err) == 0;
	cell_owner_close(&g.owner);
	image_release(&g.host);
	if (!ok)
		return -1;
	if (run->options->at &&
	    take_out(upper, "tree", s->tree_layer, sizeof(s->tree_layer), err) < 0)
		return -1;
	if (!repo->top && !run->options->at)
		return 0;
	return take_out(upper, "git", s->git_layer, sizeof(s->git_layer), err) < 0
		       ? -1
		       : make_opaque(s->git_layer, err);
}

/* A repository that git cannot read is hidden all the same: its config may hold credentials. */
static int hide_git(struct run *run, struct err *err)
{
	struct source *s = &run->source;
	char path[PATH_MAX + 8];
	int n = snprintf(s->git_layer, sizeof(s->git_layer), "%s/no-git", run->work);

	if (n < 0 || (size_t)n >= sizeof(s->git_layer))
		return err_fail(err, ERR_USAGE, "path too long: '%s'", run->work);
	(void)snprintf(path, sizeof(path), "%s/.git", s->git_layer);
	return mkdir_all(path, 0755, err) < 0 ? -1 : make_opaque(s->git_layer, err);
}

struct source source_none(const struct run_options *o, struct err *err)
{
	struct source s = {
		.sha = "0000000000000000000000000000000000000000",
		.remote = "",
		.commit_time =
			315532800, /* 1980: the first that a zip archive, and so a wheel, can say */
	};
	const char *dir = o->dir ? o->dir : ".";

	if (!realpath(dir, s.dir) || access(s.dir, R_OK | X_OK) < 0) {
		(void)err_fail(err, ERR_USAGE, "cannot read the checkout '%s': %s", dir,
			       strerror(errno));
		s.dir[0] = '\0';
	}
	return s;
}

static bool has_git(const char *dir)
{
	char path[PATH_MAX + 8];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/.git", dir);
	return lstat(path, &st) == 0;
}

static int open_repository(struct run *run, struct err *err)
{
	struct repository repo = {0};
	const char *dir = run->source.dir;

	if ((run->source.bare ? bare_repository(dir, &repo) : find_repository(dir, &repo)) < 0) {
		if (run->options->at)
			return err_fail(err, ERR_USAGE, "--at %s: '%s' is in no git repository",
					run->options->at, dir);
		/* a file that names a repository we do not believe in names a folder of the host */
		return has_git(dir) ? hide_git(run, err) : 0;
	}
	if (ask_git(run, &repo, err) == 0)
		return 0;
	if (run->options->at || err->kind == ERR_SYSTEM)
		return err_wrap(err, "asking git about '%s'", dir);
	log_note("'%s' gives no commit (%s); github.sha is zeros", dir, err->text);
	err_clear(err);
	return repo.top ? hide_git(run, err) : 0;
}

int source_open(struct run *run, struct err *err)
{
	return open_repository(run, err) < 0 ? -1 : source_look(run, err);
}
