/* A step uses somebody else's action: its files, its inputs, and the frame of a composite one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/actions.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct action_use *action_use_of(struct job_run *job, struct frame *frame, const struct step *step)
{
	struct action_use *use;

	for (size_t i = 0; i < job->use_count; i++)
		if (job->uses[i]->up == frame->use && job->uses[i]->step == step)
			return job->uses[i];
	use = arena_alloc(job->arena, sizeof(*use));
	*use = (struct action_use){
		.up = frame->use, .frame = frame, .step = step, .state = node_map(job->arena)};
	job->uses = arena_grow(job->arena, job->uses, job->use_count, sizeof(use));
	job->uses[job->use_count++] = use;
	return use;
}

/* ---- its files ---- */

static int copy_file(int from, int to, const char *name, struct err *err)
{
	auto_strbuf struct strbuf bytes = STRBUF(4 * MIB);
	struct stat st;

	if (file_read(from, name, &bytes, err) < 0)
		return -1;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "'%s'", name);

	auto_fd int fd =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0755);

	if (fd < 0 || write_full(fd, bytes.text, bytes.len) < 0)
		return err_sys(err, "cannot write '%s'", name);
	return 0;
}

static int copy_files(const char *from_path, int to, struct err *err)
{
	auto_fd int from = open(from_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = from < 0 ? NULL : fdopendir(dup(from));
	struct dirent *e;
	int ok = 0;

	if (!dir)
		return err_sys(err, "cannot read '%s'", from_path);
	while (ok == 0 && (e = readdir(dir)))
		if (e->d_type == DT_REG)
			ok = copy_file(from, to, e->d_name, err);
	(void)closedir(dir);
	return ok;
}

/* A stand-in's files become a layer of the job, where a hosted runner has them. */
static int bring_in(struct step_run *step, const struct action_use *use, struct err *err)
{
	const char *layer = arena_printf(step->job->arena, "%s/action", step->dir);

	if (mkdir_all(layer, 0755, err) < 0)
		return -1;

	auto_fd int root = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || mkdir_beneath(root, use->path + 1, 0755, err) < 0)
		return root < 0 ? err_sys(err, "cannot open '%s'", layer) : -1;

	auto_fd int to = open_nolinks(root, use->path + 1, O_RDONLY | O_DIRECTORY, 0, err);

	if (to < 0 || copy_files(use->known->host, to, err) < 0)
		return -1;
	layers_push(step->job, &step->job->mounts[0], layer, false);
	return 0;
}

/* The whole tree of a stored action, read-only and as it is, in every cell from here on. */
static void mount_tree(struct job_run *job, const char *at, const struct stored_action *stored)
{
	struct cell_layer *layer;

	for (size_t i = 0; i < job->tree_count; i++)
		if (strcmp(job->trees[i].at, at) == 0)
			return;
	layer = arena_alloc(job->arena, sizeof(*layer));
	*layer = (struct cell_layer){.path = stored->root};
	job->trees = arena_grow(job->arena, job->trees, job->tree_count, sizeof(*job->trees));
	job->trees[job->tree_count++] =
		(struct cell_overlay){.at = at, .layers = layer, .layer_count = 1};
}

static int have_files(struct step_run *step, struct action_use *use, struct err *err)
{
	struct arena *a = step->job->arena;
	const struct known_action *k = use->known;
	const char *at = arena_printf(a, "%s/%s/%s/%s", RUNNER_ACTIONS, k->uses.owner, k->uses.repo,
				      k->uses.ref);

	use->path = at;
	if (k->host)
		return bring_in(step, use, err);
	mount_tree(step->job, at, &k->stored);
	if (*k->uses.path)
		use->path = arena_printf(a, "%s/%s", at, k->uses.path);
	output_say(step, "%s: tree sha256:%.12s%s%s", step->step->uses, k->stored.tree.hex,
		   *k->stored.commit ? ", commit " : "", k->stored.commit);
	return 0;
}

/* ---- its action.yml ---- */

static int read_local(struct step_run *step, const char *rel, struct strbuf *text, struct err *err)
{
	if (view_read(step->job, rel, text, err) == 0)
		return 0;
	if (step->job->checked_out)
		return err_wrap(err, "cannot find '%s'", step->step->uses);
	return err_fail(err, ERR_USAGE,
			"cannot find '%s' in the workspace; actions/checkout has not run",
			step->step->uses);
}

/* Of the workspace as it is now: action.yml or action.yaml. */
static int load_local(struct step_run *step, struct action_use *use, const struct uses *uses,
		      struct err *err)
{
	static const char *const names[] = {"action.yml", "action.yaml"};
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct arena *a = step->job->arena;
	struct diags diags = {.arena = a};

	use->path =
		arena_printf(a, "%s%s%s", step->job->workspace, *uses->path ? "/" : "", uses->path);
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *name =
			*uses->path ? arena_printf(a, "%s/%s", uses->path, names[i]) : names[i];

		strbuf_clear(&text);
		if (read_local(step, name, &text, err) < 0)
			continue;
		err_clear(err);
		use->action = action_load(a, name, text.text, text.len, &diags);
		return use->action ? 0 : diags_fail(&diags, err);
	}
	return -1;
}

static int open_known(struct step_run *step, struct action_use *use, const struct uses *uses,
		      struct err *err)
{
	struct known_action *k = action_known(step->job->run, uses, step->step->uses);

	if (!k->action)
		return err_fail(err, ERR_USAGE, "'%s': %s", step->step->uses, k->why);
	use->known = k;
	use->action = k->action;
	return have_files(step, use, err);
}

int action_use_open(struct step_run *step, struct action_use *use, struct err *err)
{
	struct uses uses;

	if (uses_parse(step->job->arena, step->step->uses, &uses, err) < 0)
		return -1;
	if (use->path) /* a part before this one has found it */
		return 0;
	return uses.kind == USES_REPOSITORY ? open_known(step, use, &uses, err)
					    : load_local(step, use, &uses, err);
}

/* ---- its inputs ---- */

/* What an action does not declare is given to it all the same, and told. */
static void tell_unexpected(struct step_run *step, const struct action *action,
			    const struct node *with)
{
	auto_strbuf struct strbuf names = STRBUF(KIB), valid = STRBUF(KIB);

	for (size_t i = 0; with && i < with->count; i++)
		if (!node_get_nocase(action->inputs, with->pairs[i].key->text))
			strbuf_addf(&names, "%s'%s'", names.len ? ", " : "",
				    with->pairs[i].key->text);
	for (size_t i = 0; names.len && action->inputs && i < action->inputs->count; i++)
		strbuf_addf(&valid, "%s'%s'", valid.len ? ", " : "",
			    action->inputs->pairs[i].key->text);
	if (names.len)
		note_warning(step, arena_printf(step->job->arena,
						"unexpected inputs %s; valid inputs are [%s]",
						names.text, valid.text));
}

static void tell_deprecated(struct step_run *step, const char *name, const struct node *input)
{
	const char *why = node_text(node_get(input, "deprecationMessage"));

	if (why)
		note_warning(step, arena_printf(step->job->arena, "input '%s' is deprecated: %s",
						name, why));
}

static void add_given(struct arena *a, struct node *inputs, const struct node *with)
{
	for (size_t i = 0; with && i < with->count; i++)
		if (!node_get_nocase(inputs, with->pairs[i].key->text))
			node_set_text(a, inputs, with->pairs[i].key->text,
				      expr_text(a, with->pairs[i].value));
}

const struct node *action_inputs(struct job_run *job, struct frame *frame, struct step_run *step,
				 const struct action *action, const struct node *with,
				 struct err *err)
{
	struct arena *a = job->arena;
	struct scope_arg arg = {job, frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, frame, step));
	struct node *inputs = node_map(a);

	if (with && with->kind != NODE_MAP)
		with = NULL;
	for (size_t i = 0; action->inputs && i < action->inputs->count; i++) {
		const char *name = action->inputs->pairs[i].key->text;
		const struct node *input = action->inputs->pairs[i].value;
		const struct node *value = node_get_nocase(with, name);

		if (value && step && step->stage == STAGE_MAIN)
			tell_deprecated(step, name, input);
		if (!value &&
		    scope_tree(a, &scope, name, node_get(input, "default"), &value, err) < 0)
			return NULL;
		node_set_text(a, inputs, name, value ? expr_text(a, value) : "");
	}
	if (step && step->stage == STAGE_MAIN)
		tell_unexpected(step, action, with);
	if (action->kind != ACTION_COMPOSITE)
		add_given(a, inputs, with);
	return inputs;
}

/* ---- composite actions ---- */

static int depth_of(const struct frame *frame)
{
	return frame ? 1 + depth_of(frame->up) : 0;
}

static int enter(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	const struct node *inputs =
		action_inputs(job, step->frame, step, step->use->action, step->with, err);
	struct frame *frame = arena_alloc(job->arena, sizeof(*frame));

	if (!inputs)
		return -1;
	*frame = (struct frame){
		.up = job->frame,
		.owner = step,
		.action = step->use->action,
		.steps = &step->use->action->steps,
		.results = node_map(job->arena),
		.ids = node_map(job->arena),
		.inputs = inputs,
		.env = step->env,
		.use = step->use,
		.status = RESULT_SUCCESS,
		.deadline_ms = step->timeout_ms ? now_ms() + step->timeout_ms : 0,
	};
	job->frame = frame;
	return 0;
}

int action_start(struct step_run *step, struct err *err)
{
	struct action_use *use = action_use_of(step->job, step->frame, step->step);
	struct uses uses;

	if (uses_parse(step->job->arena, step->step->uses, &uses, err) < 0)
		return -1;
	if (uses.kind == USES_IMAGE)
		return action_image(step, uses.image, err) < 0 ? -1 : 1;
	if (step->stage == STAGE_MAIN) {
		use->frame = step->frame;
		use->id = step->id;
	}
	if (depth_of(step->frame) > LIMIT_ACTION_DEPTH)
		return err_fail(err, ERR_USAGE, "actions use each other more than %d deep",
				LIMIT_ACTION_DEPTH);
	if (action_use_open(step, use, err) < 0)
		return -1;
	step->use = use;
	switch (use->action->kind) {
	case ACTION_COMPOSITE:
		return enter(step, err) < 0 ? -1 : 1;
	case ACTION_NODE:
		return action_node(step, err) < 0 ? -1 : 1;
	default:
		return action_docker(step, err) < 0 ? -1 : 1;
	}
}
