/* The functions of expressions that need to know how things stand: status and hashFiles. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* A job that starts although its run is cancelled, as with always(), has steps as any other. */
static bool cancelled(const struct scope_arg *s)
{
	return s->frame ? s->job->cancelled : is_cancelled(s->job);
}

static bool status(void *arg, const char *name, const struct node *const *args, size_t count)
{
	const struct scope_arg *s = arg;
	enum result now;

	(void)args, (void)count;
	if (strcmp(name, "always") == 0)
		return true;
	if (strcmp(name, "cancelled") == 0)
		return cancelled(s);
	if (!s->frame)
		now = needs_lineage(s->job, RESULT_SUCCESS);
	else
		now = frame_inside(s->frame) ? s->frame->status : s->job->status;
	if (strcmp(name, "failure") == 0)
		return now == RESULT_FAILURE;
	if (s->frame && frame_inside(s->frame))
		return now == RESULT_SUCCESS && !s->frame->cancelled;
	return now == RESULT_SUCCESS && !cancelled(s);
}

/* ---- hashFiles ---- */

struct hash_request {
	const char *const *patterns;
	size_t count;
	const char *workspace;
};

static int hash_inside(void *arg, int out, struct err *err)
{
	const struct hash_request *q = arg;
	auto_arena struct arena *a = arena_new();
	auto_fd int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct glob *g = glob_parse(a, q->workspace, q->patterns, q->count, err);
	char hex[DIGEST_HEX + 1];

	if (root < 0)
		return err_sys(err, "cannot open the workspace");
	if (!g || glob_hash(g, root, hex, err) < 0)
		return -1;
	return write_full(out, hex, strlen(hex));
}

int scope_hash_files(struct job_run *job, const char *const *patterns, size_t count,
		     struct strbuf *hex, struct err *err)
{
	struct hash_request request = {patterns, count, job->workspace};

	return view_ask(job, hash_inside, &request, hex, err);
}

struct file_list {
	struct strbuf *out;
	size_t count, max;
	struct err *err;
};

/* A line each; a name that is more than one line cannot be told. */
static int list_file(void *arg, const char *rel, bool is_dir)
{
	struct file_list *l = arg;

	if (is_dir || strchr(rel, '\n'))
		return 0;
	if (l->count++ == l->max)
		return err_fail(l->err, ERR_USAGE, "more than %zu files match", l->max);
	strbuf_addf(l->out, "%s\n", rel);
	return 0;
}

struct list_request {
	struct hash_request what;
	size_t max;
};

static int list_inside(void *arg, int out, struct err *err)
{
	const struct list_request *q = arg;
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MIB);
	auto_fd int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct glob *g = glob_parse(a, q->what.workspace, q->what.patterns, q->what.count, err);
	struct file_list list = {.out = &text, .max = q->max, .err = err};

	if (root < 0)
		return err_sys(err, "cannot open the workspace");
	if (!g || glob_walk(g, root, true, list_file, &list, err) < 0)
		return -1;
	return write_full(out, text.text, text.len) < 0 ? err_sys(err, "cannot answer") : 0;
}

int scope_list_files(struct job_run *job, const char *const *patterns, size_t count, size_t max,
		     struct texts *out, struct err *err)
{
	struct list_request request = {{patterns, count, job->workspace}, max};
	auto_strbuf struct strbuf text = STRBUF(MIB);

	*out = (struct texts){0};
	if (view_ask(job, list_inside, &request, &text, err) < 0)
		return -1;
	*out = texts_of_lines(job->arena, text.text, "");
	return 0;
}

static int hash_files(void *arg, const char *const *patterns, size_t count, char out[65], char *why,
		      size_t why_size)
{
	const struct scope_arg *s = arg;
	auto_strbuf struct strbuf hex = STRBUF(DIGEST_HEX);
	struct err err = {0};

	if (!s->job->owner)
		(void)err_fail(&err, ERR_USAGE, "hashFiles() works in steps only");
	else if (scope_hash_files(s->job, patterns, count, &hex, &err) == 0)
		(void)snprintf(out, 65, "%s", hex.text);
	(void)snprintf(why, why_size, "%s", err.text);
	return err.kind == ERR_NONE ? 0 : -1;
}

struct expr_scope scope_make(struct scope_arg *arg, const struct node *contexts)
{
	return (struct expr_scope){
		.contexts = contexts,
		.status = status,
		.hash_files = hash_files,
		.arg = arg,
	};
}

int scope_text(struct arena *a, const struct expr_scope *s, const char *what, const char *text,
	       const char **out, struct err *err)
{
	struct expr_err e = {0};
	const struct node *value;

	*out = NULL;
	if (!text)
		return 0;
	value = template_eval(a, text, s, &e);
	if (!value)
		return err_fail(err, ERR_USAGE, "%s: %s", what, e.text);
	*out = expr_text(a, value);
	return 0;
}

int scope_tree(struct arena *a, const struct expr_scope *s, const char *what,
	       const struct node *tree, const struct node **out, struct err *err)
{
	struct expr_err e = {0};

	*out = NULL;
	if (!tree)
		return 0;
	*out = template_eval_tree(a, tree, s, &e);
	return *out ? 0 : err_fail(err, ERR_USAGE, "%s: %s", what, e.text);
}

static bool are_too_many(const struct node *map)
{
	return map && map->kind == NODE_MAP && map->count > LIMIT_ENV_PAIRS;
}

int scope_variables(struct arena *a, const struct expr_scope *s, const char *what,
		    const struct node *tree, const struct node **out, struct err *err)
{
	*out = NULL;
	if (!are_too_many(tree) && scope_tree(a, s, what, tree, out, err) < 0)
		return -1;
	if (!are_too_many(tree) && !are_too_many(*out))
		return 0;
	return err_fail(err, ERR_USAGE, "%s: more than %u variables", what, LIMIT_ENV_PAIRS);
}
