/* stepcell action: the actions that workflows may use by OWNER/REPO@REF, and how they get here. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/store.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/runner.h"
#include "stepcell/util.h"
#include "stepcell/workflow.h"

struct action_options {
	bool json, as_it_is;
	const char *rev, *commit;
};

static const struct action_options *options_of(const struct session *s)
{
	return s->options;
}

/* ---- OWNER/REPO[/PATH]@REF ---- */

struct name {
	const char *repository, *path, *ref;
};

/* What git forbids in a ref, and so what may not be part of a path here. */
static bool is_ref(const char *ref)
{
	size_t len = strlen(ref);

	for (const char *p = ref; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127 || strchr("~^:?*[\\@", *p))
			return false;
	return len && len <= 255 && *ref != '/' && *ref != '.' && *ref != '-' &&
	       ref[len - 1] != '/' && !strstr(ref, "..") && !strstr(ref, "//") &&
	       !strstr(ref, "/.");
}

static int parse_name(struct arena *a, const char *text, struct name *out, struct err *err)
{
	const char *at = strchr(text, '@'), *slash = strchr(text, '/');
	const char *second = slash ? strchr(slash + 1, '/') : NULL;
	const char *end = second && at && second < at ? second : at;

	if (at && slash && slash < at) {
		char *owner = arena_strndup(a, text, (size_t)(slash - text));
		char *repo = arena_strndup(a, slash + 1, (size_t)(end - slash - 1));

		*out = (struct name){
			.repository = arena_printf(a, "%s/%s", owner, repo),
			.path = end < at ? arena_strndup(a, end + 1, (size_t)(at - end - 1)) : "",
			.ref = at + 1,
		};
		if (name_is_safe(owner) && name_is_safe(repo) && is_ref(out->ref))
			return 0;
	}
	return err_fail(err, ERR_USAGE, "'%s' is no name of an action: OWNER/REPO[/FOLDER]@REF",
			text);
}

/* ---- printing ---- */

static const char *digest_text(struct arena *a, const struct stored_action *action)
{
	return arena_printf(a, "sha256:%s", action->tree.hex);
}

static const struct node *action_node(struct arena *a, const struct stored_action *action)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "action", arena_printf(a, "%s@%s", action->repository, action->ref));
	node_set_text(a, map, "commit", action->commit);
	node_set_text(a, map, "tree", digest_text(a, action));
	node_set(a, map, "bytes", node_number(a, (double)action->bytes));
	node_set(a, map, "entries", node_number(a, (double)action->entries));
	node_set_text(a, map, "added", action->added);
	node_set_text(a, map, "root", action->root);
	return map;
}

static void print_row(struct arena *a, const struct stored_action *action)
{
	(void)printf("%-32s %.12s  %-12.12s  %s  %7.1f MiB\n",
		     arena_printf(a, "%s@%s", action->repository, action->ref), action->tree.hex,
		     *action->commit ? action->commit : "-", action->added,
		     (double)action->bytes / (double)MIB);
}

static void print_visible(const char *what, const char *text)
{
	auto_strbuf struct strbuf clean = STRBUF(64 * KIB);

	strbuf_add_visible(&clean, text, strlen(text));
	(void)printf("%-12s %s\n", what, clean.text);
}

static void print_keys(const char *what, const struct node *map)
{
	for (size_t i = 0; map && i < map->count; i++)
		print_visible(what, map->pairs[i].key->text);
}

/* ---- the action's own file ---- */

static struct action *load_action(struct session *s, const struct name *name,
				  const struct stored_action *stored, struct diags *diags,
				  struct err *err)
{
	static const char *const files[] = {"action.yml", "action.yaml"};
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	auto_fd int root = open(stored->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int dir =
		open_beneath(root, *name->path ? name->path : ".", O_PATH | O_DIRECTORY, 0, err);

	for (size_t i = 0; dir >= 0 && i < COUNT(files); i++) {
		if (faccessat(dir, files[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (file_read(dir, files[i], &text, err) < 0)
			return NULL;
		return action_load(s->arena, files[i], text.text, text.len, diags);
	}
	(void)err_fail(err, ERR_USAGE, "there is no action.yml in '%s'",
		       *name->path ? name->path : ".");
	return NULL;
}

/* What was added and cannot be used is told now; the run would refuse it. */
static void look_at(struct session *s, const struct name *name, const struct stored_action *stored)
{
	struct diags diags = {.arena = s->arena};
	struct err err = {0};
	struct action *action = load_action(s, name, stored, &diags, &err);

	if (!action && diags.errors)
		diags_print(&diags, stderr);
	if (!action)
		log_warn("its action.yml is not valid: a run will refuse it");
	else if (action->kind == ACTION_DOCKER)
		log_note("it runs in a container: its image must be in the store");
}

/* ---- adding ---- */

static bool is_there(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct err ignored;
	struct stat st;

	return path_join(path, sizeof(path), dir, name, &ignored) == 0 && lstat(path, &st) == 0;
}

/* With a working tree, or bare. */
static bool is_repository(const char *dir)
{
	return is_there(dir, ".git") || (is_there(dir, "HEAD") && is_there(dir, "objects"));
}

struct adding {
	struct session *s;
	struct name name;
	struct stored_action *out;
};

static int add_folder(void *arg, const char *folder, const char *commit, struct err *err)
{
	struct adding *adding = arg;
	const struct action_source source = {
		.repository = adding->name.repository,
		.ref = adding->name.ref,
		.commit = arena_strdup(adding->s->arena, commit),
		.path = adding->name.path,
		.folder = folder,
		.tar = -1,
	};

	return action_store_add(adding->s->store, adding->s->arena, &source, adding->out, err);
}

static int add_tar(struct adding *adding, const char *path, const char *commit, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct action_source source = {
		.repository = adding->name.repository,
		.ref = adding->name.ref,
		.commit = commit,
		.path = adding->name.path,
		.tar = fd,
	};

	if (fd < 0)
		return err_fail(err, ERR_USAGE, "cannot open it: %s", strerror(errno));
	return action_store_add(adding->s->store, adding->s->arena, &source, adding->out, err);
}

static bool is_commit(const char *text)
{
	return strlen(text) == 40 && text[strspn(text, "0123456789abcdef")] == '\0';
}

/* A folder and a tar do not know their commit; a ref that is one says it. */
static const char *commit_said(const struct session *s, const struct name *name)
{
	const char *said = options_of(s)->commit;

	return said ? said : is_commit(name->ref) ? name->ref : "";
}

static int add_from(struct adding *adding, const char *from, struct err *err)
{
	const struct action_options *o = options_of(adding->s);
	const char *commit = commit_said(adding->s, &adding->name);
	char path[PATH_MAX];
	struct stat st;

	if (*commit && !is_commit(commit))
		return err_fail(err, ERR_USAGE, "--commit %s: expected 40 digits", commit);
	if (!realpath(from, path) || stat(path, &st) < 0)
		return err_fail(err, ERR_USAGE, "cannot read it: %s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return add_tar(adding, path, commit, err);
	if (o->as_it_is || !is_repository(path))
		return add_folder(adding, path, commit, err);
	return runner_git_tree(path, o->rev ? o->rev : adding->name.ref, add_folder, adding, err);
}

static int action_cmd_add(struct session *s, struct err *err)
{
	struct stored_action stored = {.root = "", .lock = -1};
	struct adding adding = {.s = s, .out = &stored};

	if (parse_name(s->arena, s->words[0], &adding.name, err) < 0)
		return -1;
	if (add_from(&adding, s->words[1], err) < 0)
		return err_wrap(err, "adding '%s' from '%s'", s->words[0], s->words[1]);
	look_at(s, &adding.name, &stored);
	(void)printf("%s\n", digest_text(s->arena, &stored));
	return 0;
}

/* ---- the others ---- */

static int action_cmd_list(struct session *s, struct err *err)
{
	struct node *list = node_list(s->arena);
	struct stored_action *all;
	size_t count;

	if (action_store_list(s->store, s->arena, &all, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (options_of(s)->json)
			node_add(s->arena, list, action_node(s->arena, &all[i]));
		else
			print_row(s->arena, &all[i]);
	}
	if (options_of(s)->json)
		print_json(list);
	return 0;
}

/* One of the store, locked; its absence is an error here. */
static int find(struct session *s, struct name *name, struct stored_action *out, struct err *err)
{
	int found;

	if (parse_name(s->arena, s->words[0], name, err) < 0)
		return -1;
	found = action_store_find(s->store, s->arena, name->repository, name->ref, out, err);
	if (found)
		return found < 0 ? -1 : 0;
	return err_fail(err, ERR_USAGE, "'%s@%s' is not in the action store", name->repository,
			name->ref);
}

static void print_action(struct session *s, const struct stored_action *stored,
			 const struct action *action)
{
	const char *using = node_text(node_get(action->runs, "using"));

	(void)printf("%-12s %s@%s\n%-12s %s\n%-12s %s\n%-12s %s\n%-12s %" PRIu64 " in %" PRIu64
		     " entries\n%-12s %s\n",
		     "action", stored->repository, stored->ref, "commit",
		     *stored->commit ? stored->commit : "unknown", "tree",
		     digest_text(s->arena, stored), "added", stored->added, "bytes", stored->bytes,
		     stored->entries, "files", stored->root);
	if (action->name)
		print_visible("name", action->name);
	print_visible("using", using ? using : "");
	print_keys("input", action->inputs);
	print_keys("output", action->outputs);
}

static int action_cmd_show(struct session *s, struct err *err)
{
	struct diags diags = {.arena = s->arena};
	struct stored_action stored;
	struct action *action;
	struct name name;

	if (find(s, &name, &stored, err) < 0)
		return -1;
	if (options_of(s)->json) {
		print_json(action_node(s->arena, &stored));
		action_store_release(&stored);
		return 0;
	}
	action = load_action(s, &name, &stored, &diags, err);
	if (action)
		print_action(s, &stored, action);
	action_store_release(&stored);
	if (!action && diags.errors)
		return diags_fail(&diags, err);
	return action ? 0 : -1;
}

static int action_cmd_remove(struct session *s, struct err *err)
{
	struct name name;
	int gone;

	if (parse_name(s->arena, s->words[0], &name, err) < 0)
		return -1;
	gone = action_store_remove(s->store, name.repository, name.ref, err);
	if (gone)
		return gone < 0 ? -1 : 0;
	return err_fail(err, ERR_USAGE, "'%s@%s' is not in the action store", name.repository,
			name.ref);
}

static int action_cmd_lock(struct session *s, struct err *err)
{
	struct stored_action *all;
	size_t count;

	if (action_store_list(s->store, s->arena, &all, &count, err) < 0)
		return -1;
	(void)printf("# Which trees the actions are; made by 'stepcell action lock'.\nactions:%s\n",
		     count ? "" : " {}");
	for (size_t i = 0; i < count; i++) {
		(void)printf("  \"%s@%s\":\n", all[i].repository, all[i].ref);
		if (*all[i].commit)
			(void)printf("    commit: \"%s\"\n", all[i].commit);
		(void)printf("    tree: %s\n", digest_text(s->arena, &all[i]));
	}
	return 0;
}

/* ---- the command ---- */

static const struct option_row add_rows[] = {
	{0, "rev", "REV", opt_text, offsetof(struct action_options, rev),
	 "the revision to take of a git repository; default: REF"},
	{0, "worktree", NULL, opt_flag, offsetof(struct action_options, as_it_is),
	 "take a repository's files as they stand, committed or not"},
	{0, "commit", "SHA", opt_text, offsetof(struct action_options, commit),
	 "which commit a folder or a tarball is, for the lock"},
};

static const struct option_row json_row[] = {
	{0, "json", NULL, opt_flag, offsetof(struct action_options, json), "print JSON"},
};

static const struct subcommand subcommands[] = {
	{"add",
	 action_cmd_add,
	 2,
	 2,
	 {.synopsis = "stepcell action add [OPTION]... OWNER/REPO[/FOLDER]@REF SOURCE",
	  .about = "Puts an action into the store, from a folder, a tarball or a local git "
		   "repository; FOLDER is where its action.yml lies.",
	  .rows = add_rows,
	  .count = COUNT(add_rows)},
	 "from a folder, a tarball or a git repository"},
	{"list",
	 action_cmd_list,
	 0,
	 0,
	 {.synopsis = "stepcell action list [--json]",
	  .about = "Lists the actions of the store.",
	  .rows = json_row,
	  .count = COUNT(json_row)},
	 "the actions of the store"},
	{"lock",
	 action_cmd_lock,
	 0,
	 0,
	 {.synopsis = "stepcell action lock >actions.lock",
	  .about = "Prints a lock of all actions in the store: their commits and trees."},
	 "what to keep as actions.lock"},
	{"remove",
	 action_cmd_remove,
	 1,
	 1,
	 {.synopsis = "stepcell action remove OWNER/REPO@REF",
	  .about =
		  "Removes an action from the store, and its files when no other name means them."},
	 "one that no run uses now"},
	{"show",
	 action_cmd_show,
	 1,
	 1,
	 {.synopsis = "stepcell action show [--json] OWNER/REPO[/FOLDER]@REF",
	  .about = "Shows an action: its commit, its tree, its inputs and outputs.",
	  .rows = json_row,
	  .count = COUNT(json_row)},
	 "its commit, tree, inputs and outputs"},
};

int cmd_action(int argc, char **argv, struct err *err)
{
	struct action_options options = {0};

	return store_command(subcommands, COUNT(subcommands), &options, argc, argv, err);
}
