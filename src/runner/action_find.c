/*
 * Actions by their names: the stand-ins that the operator maps, and the action
 * store. Each is loaded once a run, before anything starts.
 */
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "runner/actions.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

/* ---- stand-ins ---- */

/*
 * policies/actions/mapping.yml: owner/repo, or owner/repo/path, to a folder beside
 * it, or to the image that its Dockerfile makes.
 */
static const char *mapped_folder(struct run *run, const struct uses *uses)
{
	const char *path = arena_printf(run->arena, "%s/policies/actions/mapping.yml", run->data);
	struct diags diags = {.arena = run->arena};
	const struct node *map;
	const char *name, *folder;

	if (!run->mapping && !(run->mapping = yaml_load(run->arena, path, MIB, &diags))) {
		(void)diags_fail(&diags, &run->fatal);
		return NULL;
	}
	map = node_get(run->mapping, "actions") ? node_get(run->mapping, "actions") : run->mapping;
	name = arena_printf(run->arena, "%s/%s%s%s", uses->owner, uses->repo,
			    *uses->path ? "/" : "", uses->path);
	folder = node_text(node_get_nocase(map, name));
	if (!folder)
		folder = node_text(node_get_nocase(
			map, arena_printf(run->arena, "%s/%s", uses->owner, uses->repo)));
	return folder;
}

static int open_standin(struct run *run, struct known_action *k, int *out, struct err *err)
{
	const char *folder = mapped_folder(run, &k->uses);
	auto_fd int dir = -1;

	if (folder && strncmp(folder, "docker://", 9) == 0) {
		k->image = folder + 9;
		return 0;
	}
	if (!folder || !name_is_safe(folder))
		return 0;
	k->host = arena_printf(run->arena, "%s/policies/actions/%s", run->data, folder);
	dir = open(k->host, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, "cannot open the stand-in '%s'", k->host);
	*out = take_fd(&dir);
	return 1;
}

/* ---- the store ---- */

static int open_stored(struct run *run, struct known_action *k, int *out, struct err *err)
{
	const char *name = arena_printf(run->arena, "%s/%s", k->uses.owner, k->uses.repo);
	int found = action_store_find(run->store, run->arena, name, k->uses.ref, &k->stored, err);

	if (found < 0)
		return -1;
	k->absent = !found;
	if (!found)
		return err_fail(err, ERR_USAGE, "not in the action store");
	if (lock_check(run, &k->stored, err) < 0)
		return -1;

	auto_fd int root = open(k->stored.root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "cannot open its tree");
	*out = open_beneath(root, *k->uses.path ? k->uses.path : ".", O_PATH | O_DIRECTORY, 0, err);
	return *out < 0 ? err_fail(err, ERR_USAGE, "its tree has no folder '%s'", k->uses.path) : 0;
}

/* The files of a JavaScript action may lie anywhere in its tree ("../dist/index.js"). */
static int check_files(struct run *run, const struct known_action *k, struct err *err)
{
	auto_fd int root = open(k->stored.root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int stage = 0; k->action->kind == ACTION_NODE && stage < STAGE_COUNT; stage++) {
		const char *file = action_file(k->action, (enum stage)stage);
		auto_fd int fd = -1;

		if (!file)
			continue;
		fd = open_beneath(
			root,
			arena_printf(run->arena, "%s/%s", *k->uses.path ? k->uses.path : ".", file),
			O_PATH, 0, err);
		if (fd < 0)
			return err_fail(err, ERR_USAGE,
					"its tree has no file '%s': was it built before it was "
					"added?",
					file);
	}
	return 0;
}

/* ---- loading ---- */

/* 1 when it is there, 0 when it is not. */
static int read_text(int dir, const char *name, struct strbuf *text, struct err *err)
{
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	strbuf_clear(text);
	return file_read(dir, name, text, err) < 0 ? -1 : 1;
}

static int load(struct run *run, struct known_action *k, int dir, struct err *err)
{
	static const char *const names[] = {"action.yml", "action.yaml"};
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct diags diags = {.arena = run->arena};

	for (size_t i = 0; i < COUNT(names); i++) {
		int got = read_text(dir, names[i], &text, err);

		if (got < 0)
			return -1;
		if (got == 0)
			continue;
		k->action = action_load(run->arena,
					arena_printf(run->arena, "%s/%s", k->text, names[i]),
					text.text, text.len, &diags);
		return k->action ? 0 : diags_fail(&diags, err);
	}
	return err_fail(err, ERR_USAGE, "it has no action.yml");
}

static int find(struct run *run, struct known_action *k, struct err *err)
{
	auto_fd int dir = -1;
	int found = open_standin(run, k, &dir, err);

	if (found < 0 || (!found && open_stored(run, k, &dir, err) < 0) ||
	    load(run, k, dir, err) < 0)
		return -1;
	if (k->action->kind == ACTION_DOCKER && action_docker_check(run, k->action, k, err) < 0)
		return -1;
	return found ? 0 : check_files(run, k, err);
}

/* Owners and repositories have no case, paths and refs have. */
static bool same(const struct uses *a, const struct uses *b)
{
	return strcasecmp(a->owner, b->owner) == 0 && strcasecmp(a->repo, b->repo) == 0 &&
	       strcmp(a->path, b->path) == 0 && strcmp(a->ref, b->ref) == 0;
}

struct known_action *action_known(struct run *run, const struct uses *uses, const char *text)
{
	struct known_action *k;
	struct err err = {0};

	for (size_t i = 0; i < run->action_count; i++)
		if (same(&run->actions[i]->uses, uses))
			return run->actions[i];
	k = arena_alloc(run->arena, sizeof(*k));
	*k = (struct known_action){.uses = *uses, .text = text, .stored = {.lock = -1}};
	run->actions = arena_grow(run->arena, run->actions, run->action_count, sizeof(k));
	run->actions[run->action_count++] = k;
	if (find(run, k, &err) < 0)
		k->why = arena_strdup(run->arena, err.text);
	return k;
}

void actions_release(struct run *run)
{
	for (size_t i = 0; i < run->action_count; i++)
		action_store_release(&run->actions[i]->stored);
}
