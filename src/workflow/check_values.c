/* Values with a syntax of their own: actions, groups, cron. */
#include <string.h>

#include "stepcell/parse.h"
#include "workflow/check.h"

/* ---- uses ---- */

static size_t span_until(const char *s, const char *stops)
{
	return strcspn(s, stops);
}

/* owner/repo[/path]@ref */
static bool is_remote_action(const char *s)
{
	size_t owner = span_until(s, "/@"), repo;

	if (!owner || s[owner] != '/')
		return false;
	repo = span_until(s + owner + 1, "/@");
	if (!repo)
		return false;
	s = strchr(s, '@');
	return s && s[1];
}

void check_uses(struct checker *c, const struct type *type, const struct node *n)
{
	const char *s = node_text(n);

	(void)type;
	if (!s || !*s || template_has_expr(s))
		return;
	if (strncmp(s, "./", 2) == 0 || strncmp(s, ".\\", 2) == 0 ||
	    strncmp(s, "docker://", 9) == 0)
		return;
	if (s[0] == '.' || strchr("$", s[0]) || !is_remote_action(s))
		diag_error(c->diags, n->at, "action",
			   "expected owner/repo@ref, owner/repo/path@ref, ./path or "
			   "docker://image, found '%.200s'",
			   s);
}

/* ./path or owner/repo/path@ref, the path below .github/workflows and of a YAML file */
void check_call_uses(struct checker *c, const struct type *type, const struct node *n)
{
	static const char folder[] = "/.github/workflows/";
	const char *s = node_text(n), *at, *dot;
	size_t len;

	(void)type;
	if (!s || !*s || template_has_expr(s))
		return;
	at = strncmp(s, "./", 2) == 0 ? s + strlen(s) : strrchr(s, '@');
	len = at ? (size_t)(at - s) : strlen(s);
	dot = memrchr(s, '.', len);
	if (at && (*s == '.' || (at[1] && is_remote_action(s))) &&
	    memmem(s, len, folder, strlen(folder)) && dot &&
	    (strncmp(dot, ".yml", (size_t)(at - dot)) == 0 ||
	     strncmp(dot, ".yaml", (size_t)(at - dot)) == 0))
		return;
	diag_error(c->diags, n->at, "workflow-call",
		   "expected ./.github/workflows/FILE.yml or "
		   "owner/repo/.github/workflows/FILE.yml@ref, "
		   "found '%.200s'",
		   s);
}

/* ---- concurrency ---- */

#define GROUP_MAX 400

void check_concurrency_group(struct checker *c, const struct type *type, const struct node *n)
{
	const char *s = node_text(n);

	(void)type;
	if (s && strlen(s) > GROUP_MAX && !template_has_expr(s))
		diag_error(c->diags, n->at, "syntax-check",
			   "a concurrency group has at most %d characters", GROUP_MAX);
}

/* One waits and the other would cancel it. */
void check_concurrency(struct checker *c, const struct type *type, const struct node *n)
{
	const struct node *cancel = node_get(n, "cancel-in-progress"),
			  *queue = node_get(n, "queue");

	(void)type;
	if (cancel && cancel->kind == NODE_BOOL && cancel->truth && node_text(queue) &&
	    strcmp(queue->text, "max") == 0)
		diag_error(c->diags, queue->at, "syntax-check",
			   "'queue: max' does not go with 'cancel-in-progress: true'");
}

/* ---- runs-on ---- */

/* NAME, or with its owner in front: org/NAME, enterprise/NAME */
void check_runner_group(struct checker *c, const struct type *type, const struct node *n)
{
	static const char *const owners[] = {"org/", "organization/", "ent/", "enterprise/"};
	const char *s = node_text(n), *slash = s ? strchr(s, '/') : NULL;

	(void)type;
	if (!slash || template_has_expr(s))
		return;
	for (size_t i = 0; i < COUNT(owners); i++)
		if (strncmp(s, owners[i], strlen(owners[i])) == 0 && slash[1] &&
		    !strchr(slash + 1, '/'))
			return;
	diag_error(c->diags, n->at, "syntax-check",
		   "expected the name of a runner group, or organization/NAME or enterprise/NAME, "
		   "found '%.100s'",
		   s);
}

/* ---- cron ---- */

static const char *const months[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL",
				     "AUG", "SEP", "OCT", "NOV", "DEC", NULL};
static const char *const days[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL};

static const struct cron_field {
	const char *name;
	unsigned min, max;
	const char *const *words; /* the first stands for min */
} cron_fields[] = {
	{"minute", 0, 59, NULL},           {"hour", 0, 23, NULL},
	{"day of the month", 1, 31, NULL}, {"month", 1, 12, months},
	{"day of the week", 0, 7, days},
};

static bool cron_value(const struct cron_field *f, const char *s, uint64_t *out)
{
	for (unsigned i = 0; f->words && f->words[i]; i++)
		if (strcasecmp(f->words[i], s) == 0) {
			*out = f->min + i;
			return true;
		}
	return parse_u64(s, f->min, f->max, out) == 0;
}

/* * or A or A-B, each with /STEP behind if so wished; `s` may be cut up. */
static bool cron_item(const struct cron_field *f, char *s)
{
	char *step = strchr(s, '/'), *to;
	uint64_t n, first, last;

	if (step) {
		*step++ = '\0';
		if (parse_u64(step, 1, f->max, &n) < 0)
			return false;
	}
	if (strcmp(s, "*") == 0)
		return true;
	to = strchr(s, '-');
	if (!to)
		return cron_value(f, s, &first);
	*to++ = '\0';
	return cron_value(f, s, &first) && cron_value(f, to, &last) && first <= last;
}

static bool cron_field_is_valid(const struct cron_field *f, char *s)
{
	for (char *rest = s, *item; (item = strsep(&rest, ","));)
		if (!cron_item(f, item))
			return false;
	return true;
}

void check_cron(struct checker *c, const struct type *type, const struct node *n)
{
	char *rest = arena_strdup(c->arena, node_text(n) ? n->text : ""), *word;
	size_t count = 0;

	(void)type;
	while ((word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		if (count < COUNT(cron_fields) && !cron_field_is_valid(&cron_fields[count], word)) {
			diag_error(c->diags, n->at, "events", "'%.100s' is no schedule: wrong %s",
				   n->text, cron_fields[count].name);
			return;
		}
		count++;
	}
	if (count != COUNT(cron_fields))
		diag_error(c->diags, n->at, "events",
			   "'%.100s' is no schedule: expected minute, hour, day, month and day of "
			   "the week",
			   n->text);
}
