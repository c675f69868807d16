/* One file of the command line, and the files that it leads to. */
#include <fcntl.h>
#include <string.h>

#include "cli/input.h"
#include "cli/lint.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/runner.h"
#include "stepcell/util.h"

#define DIAGS_MAX 1000

#define ACTIONS_MAX 1000

/* An action of the checkout that a step uses. */
struct used {
	const char *uses;
	const struct action *action;  /* NULL: not there, or no action, which has been said */
	const struct lint_source *at; /* NULL: not there */
};

struct reading {
	struct linting *all;
	const char *path;
	struct arena *arena;
	struct diags diags;
	struct called called; /* workflows */
	struct used *used;    /* actions */
	size_t used_count;
	struct lint_world world;
	struct lint_source **sources; /* the first is the file itself */
	size_t count;
	bool can_be_used; /* by other files of the command line */
};

/* action.yml and action.yaml are actions, all else is a workflow. */
static bool is_action(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return strcmp(name, "action.yml") == 0 || strcmp(name, "action.yaml") == 0;
}

/* ---- sources ---- */

static const struct lint_source *add_source(struct reading *r, const char *file,
					    const struct strbuf *text)
{
	struct lint_source *s = arena_alloc(r->arena, sizeof(*s));

	s->file = arena_strdup(r->arena, file);
	s->text = arena_strndup(r->arena, text->text, text->len);
	s->len = text->len;
	s->comments = lint_comments(r->arena, file, s->text, s->len);
	r->sources = arena_grow(r->arena, r->sources, r->count, sizeof(struct lint_source *));
	r->sources[r->count++] = s;
	return s;
}

/* The text that a place is in; that of a called workflow is read once more. */
static const struct lint_source *source_of(struct reading *r, const char *file)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct err ignored;

	if (!file)
		return NULL;
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->sources[i]->file, file) == 0)
			return r->sources[i];
	if (input_read(file, &text, &ignored) < 0)
		strbuf_clear(&text);
	return add_source(r, file, &text);
}

/* ---- findings ---- */

struct seen_file {
	const char *file;
	bool whole; /* linted; else it was only read, for others that call it */
};

static struct seen_file *find_seen(const struct linting *l, const char *file)
{
	for (size_t i = 0; file && i < l->seen_count; i++)
		if (strcmp(l->seen[i].file, file) == 0)
			return &l->seen[i];
	return NULL;
}

static bool is_whole(const struct linting *l, const char *file)
{
	const struct seen_file *seen = find_seen(l, file);

	return seen && seen->whole;
}

/* What the file itself has is always shown, what others have once. */
static bool is_shown(const struct reading *r, const char *file)
{
	return file && strcmp(file, r->path) != 0 && find_seen(r->all, file);
}

/* False when the operator turned the rule off. */
static bool level_of(const struct linting *l, const struct diag *d, enum diag_level *out)
{
	const char *word = node_text(node_get(l->config.rules, d->rule));

	*out = d->level;
	if (word && strcmp(word, "off") != 0)
		*out = strcmp(word, "error") == 0 ? DIAG_ERROR : DIAG_WARNING;
	return !word || strcmp(word, "off") != 0;
}

static void count(struct lint_report *report, const struct finding *f)
{
	if (f->silenced)
		report->silenced++;
	else if (f->level == DIAG_ERROR)
		report->errors++;
	else
		report->warnings++;
}

static void show(struct reading *r, const struct diag *d)
{
	struct lint_report *report = &r->all->report;
	const struct lint_source *source = source_of(r, d->at.file);
	struct finding f = {
		.at = d->at,
		.rule = lint_rule_find(d->rule),
		.text = d->text,
		.excerpt = lint_excerpt(r->arena, source, d->at),
	};

	if (source && !r->all->options->no_ignore)
		f.silenced = lint_silences(source->comments, d->at.line, d->rule);
	if (!level_of(r->all, d, &f.level))
		return;
	count(report, &f);
	r->all->options->format->show(report, &f);
	report->shown++;
}

/* What an anchor holds is found again at each of its aliases. */
static bool is_same(const struct diag *a, const struct diag *b)
{
	return a->at.file == b->at.file && a->at.line == b->at.line && a->at.col == b->at.col &&
	       strcmp(a->rule, b->rule) == 0 && strcmp(a->text, b->text) == 0;
}

static void show_all(struct reading *r, const struct diags *diags)
{
	const struct diag **sorted = diags_sorted(diags);

	for (size_t i = 0; i < diags->count; i++)
		if (!is_shown(r, sorted[i]->at.file) && (!i || !is_same(sorted[i - 1], sorted[i])))
			show(r, sorted[i]);
}

/* Comments are looked at when all that they could silence has been. */
static void show_comments(struct reading *r)
{
	struct diags diags = {.arena = r->arena, .max = DIAGS_MAX};

	if (r->all->options->no_ignore)
		return;
	lint_comments_check(r->sources[0]->comments, &diags);
	show_all(r, &diags);
}

/* ---- actions of the checkout ---- */

/* "./a/b" is the folder a/b below the current one, and stays below it. */
static const struct lint_source *read_action(struct reading *r, const char *uses)
{
	static const char *const names[] = {"action.yml", "action.yaml"};
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	size_t len = strlen(uses + 2);

	while (len && uses[2 + len - 1] == '/')
		len--;
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *path = arena_printf(r->arena, "%.*s%s%s", (int)len, uses + 2,
						len ? "/" : "", names[i]);
		struct err ignored;
		auto_fd int fd = open_beneath(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0, &ignored);

		if (fd >= 0 && read_capped(fd, &text, &ignored) == 0)
			return add_source(r, path, &text);
		strbuf_clear(&text);
	}
	return NULL;
}

/* Of one with mistakes nobody knows what it takes and gives. */
static const struct action *sound(const struct action *action)
{
	return action && !action->faulty ? action : NULL;
}

/* One that is not there may be made or checked out before its step: that is no mistake. */
static const struct action *find_action(void *arg, const char *uses)
{
	struct reading *r = arg;
	struct used used = {.uses = uses};

	if (strncmp(uses, "./", 2) != 0)
		return NULL;
	for (size_t i = 0; i < r->used_count; i++)
		if (strcmp(r->used[i].uses, uses) == 0)
			return sound(r->used[i].action);
	if (r->used_count == ACTIONS_MAX)
		return NULL;
	used.at = read_action(r, uses);
	if (used.at)
		used.action = action_load_faulty(r->arena, used.at->file, used.at->text,
						 used.at->len, &r->diags);
	r->used = arena_grow(r->arena, r->used, r->used_count, sizeof(used));
	r->used[r->used_count++] = used;
	return sound(used.action);
}

/* The list grows while it is walked: actions use others. */
static void lint_used(struct reading *r)
{
	for (size_t i = 0; i < r->used_count; i++) {
		struct used used = r->used[i];

		if (!used.at || strcmp(used.at->file, r->path) == 0 || is_shown(r, used.at->file))
			continue;
		r->all->report.files++;
		if (used.action)
			action_lint(r->arena, used.action, used.at->text, used.at->len, &r->world,
				    &r->diags);
	}
}

static void remember(struct reading *r)
{
	struct linting *l = r->all;

	for (size_t i = r->can_be_used ? 0 : 1; i < r->count; i++) {
		const char *file = r->sources[i]->file;
		struct seen_file *seen = find_seen(l, file);
		bool whole = i == 0;

		for (size_t k = 0; k < r->used_count; k++)
			whole |= r->used[k].at == r->sources[i];
		if (seen)
			seen->whole |= whole;
		if (seen)
			continue;
		l->seen = arena_grow(l->arena, l->seen, l->seen_count, sizeof(*l->seen));
		l->seen[l->seen_count++] = (struct seen_file){arena_strdup(l->arena, file), whole};
	}
}

/* ---- the file ---- */

static void lint_workflow(struct reading *r)
{
	const struct lint_source *s = r->sources[0];
	const struct workflow *w =
		workflow_load_faulty(r->arena, r->path, s->text, s->len, &r->diags);

	if (!w)
		return;
	r->can_be_used = node_get(w->on, "workflow_call");
	workflow_lint(r->arena, w, s->text, s->len, &r->world, &r->diags);
	workflow_check_calls(r->arena, w,
			     r->all->options->limited ? PERMISSIONS_LIMITED_READ
						      : PERMISSIONS_WRITE,
			     runner_called, &r->called, &r->diags);
}

static void lint_action(struct reading *r)
{
	const struct lint_source *s = r->sources[0];
	const struct action *action =
		action_load_faulty(r->arena, r->path, s->text, s->len, &r->diags);

	r->can_be_used = true;
	if (action)
		action_lint(r->arena, action, s->text, s->len, &r->world, &r->diags);
}

static void begin(struct reading *r, struct linting *l, const char *path, struct arena *a)
{
	const struct texts *files = &l->options->files;

	*r = (struct reading){
		.all = l,
		.path = path,
		.arena = a,
		.diags = {.arena = a, .max = DIAGS_MAX},
		.called = {.arena = a,
			   .diags = &r->diags,
			   .dir = AT_FDCWD,
			   .files = {files->list, files->count}},
		.world = {.action = find_action,
			  .workflow = runner_called,
			  .action_arg = r,
			  .workflow_arg = &r->called,
			  .labels = l->config.labels},
	};
}

int lint_file(struct linting *l, const char *path, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct reading r;

	if (is_whole(l, path))
		return 0;
	if (input_read(path, &text, err) < 0)
		return -1;
	begin(&r, l, path, a);
	(void)add_source(&r, path, &text);
	if (is_action(path))
		lint_action(&r);
	else
		lint_workflow(&r);
	lint_used(&r);
	l->report.files++;
	show_all(&r, &r.diags);
	show_comments(&r);
	remember(&r);
	return 0;
}
