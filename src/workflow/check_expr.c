/* The expressions in a value: their syntax, what they may name, and where in the file a mistake is. */
#include <string.h>

#include "workflow/check.h"
#include "workflow/nearest.h"

/* ---- places ---- */

/* The byte where a line begins. */
static size_t line_start(const struct checker *c, unsigned line)
{
	size_t at = 0;

	while (line > 1 && at < c->len) {
		const char *nl = memchr(c->text + at, '\n', c->len - at);

		if (!nl)
			break;
		at = (size_t)(nl - c->text) + 1;
		line--;
	}
	return at;
}

/* Columns count characters, offsets bytes. */
static size_t column_offset(const struct checker *c, size_t at, unsigned col)
{
	while (col > 1 && at < c->len) {
		at++;
		while (at < c->len && (c->text[at] & 0xc0) == 0x80)
			at++;
		col--;
	}
	return at;
}

static bool is_white(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

/* Past an anchor or tag, a quote, the header of a block. */
static size_t scalar_start(const struct checker *c, const struct node *n, size_t at)
{
	while (at < c->len && (c->text[at] == '&' || (c->text[at] == '!' && !n->plain))) {
		while (at < c->len && !is_white(c->text[at]))
			at++;
		while (at < c->len && is_white(c->text[at]))
			at++;
	}
	if (n->plain || at >= c->len)
		return at;
	if (c->text[at] != '|' && c->text[at] != '>')
		return at + 1;
	while (at < c->len && c->text[at] != '\n')
		at++;
	return at;
}

/*
 * Walk the value and its source side by side. White space may differ (folding,
 * indentation), and the source may have quotes doubled or escaped; anything
 * else means that we are lost, and 0 is returned.
 */
static size_t align(const struct checker *c, const char *value, size_t offset, size_t at)
{
	for (size_t i = 0; i <= offset;) {
		if (i < offset && is_white(value[i])) {
			i++;
			continue;
		}
		if (!value[i])
			return at; /* its end: not where the next thing begins */
		while (at < c->len && is_white(c->text[at]))
			at++;
		if (at >= c->len)
			return 0;
		if (i == offset && c->text[at] == value[i])
			return at;
		if (c->text[at] == value[i])
			i++;
		else if (c->text[at] != '\\' && c->text[at] != '\'')
			return 0;
		at++;
	}
	return 0;
}

struct place place_inside(const struct checker *c, const struct node *n, size_t offset)
{
	struct place place = n->at;
	size_t at, found;

	/* each costs a scan of the file: hostile files have many mistakes */
	if (!place.line || c->diags->errors > 100 || offset > strlen(n->text))
		return place;
	at = column_offset(c, line_start(c, place.line), place.col);
	found = align(c, n->text, offset, scalar_start(c, n, at));
	if (!found)
		return place;
	for (; at < found; at++) {
		if (c->text[at] == '\n') {
			place.line++;
			place.col = 1;
		} else if ((c->text[at] & 0xc0) != 0x80) {
			place.col++;
		}
	}
	return place;
}

/* ---- what a place offers ---- */

static const struct {
	const char *name;
	unsigned offer;
	bool call;
} offered[] = {
	{"github", OFFER_GITHUB, false},
	{"inputs", OFFER_INPUTS, false},
	{"vars", OFFER_VARS, false},
	{"needs", OFFER_NEEDS, false},
	{"strategy", OFFER_STRATEGY, false},
	{"matrix", OFFER_MATRIX, false},
	{"secrets", OFFER_SECRETS, false},
	{"steps", OFFER_STEPS, false},
	{"job", OFFER_JOB, false},
	{"runner", OFFER_RUNNER, false},
	{"env", OFFER_ENV, false},
	{"jobs", OFFER_JOBS, false},
	{"hashFiles", OFFER_HASH_FILES, true},
	{"success", OFFER_STATUS, true},
	{"failure", OFFER_STATUS, true},
	{"always", OFFER_STATUS, true},
	{"cancelled", OFFER_STATUS, true},
};

static unsigned offer_of(const struct expr_use *use)
{
	for (size_t i = 0; i < COUNT(offered); i++)
		if (offered[i].call == use->call && strcasecmp(offered[i].name, use->name) == 0)
			return offered[i].offer;
	return 0;
}

static void list_offers(struct strbuf *out, unsigned offers, bool calls)
{
	for (size_t i = 0; i < COUNT(offered); i++)
		if (offered[i].call == calls && (offers & offered[i].offer))
			strbuf_addf(out, "%s%s",
				    out->len ? ", " : "; available: ", offered[i].name);
}

/* A context that there is nowhere: which was meant? */
static bool add_meant(struct strbuf *out, const struct expr_use *use, unsigned offers)
{
	struct nearest near = {.word = use->name};

	if (use->call || offer_of(use))
		return false;
	for (size_t i = 0; i < COUNT(offered); i++)
		if (!offered[i].call && (offers & offered[i].offer))
			nearest_try(&near, offered[i].name);
	if (near.name)
		strbuf_addf(out, "; did you mean '%s'?", near.name);
	return near.name;
}

static void check_use(struct checker *c, const struct node *n, size_t start, unsigned offers,
		      const struct expr_use *use)
{
	unsigned offer = offer_of(use);
	struct place at;
	auto_strbuf struct strbuf known = STRBUF(300);

	if (offer && (offers & offer) &&
	    !(offer == OFFER_STATUS && use->args && !(offers & OFFER_STATUS_ARGS)))
		return;
	at = place_inside(c, n, start + use->position - 1);
	if (!add_meant(&known, use, offers))
		list_offers(&known, offers, use->call);
	if (offer & offers)
		diag_error(c->diags, at, "expression", "%s() takes no argument here", use->name);
	else if (use->call)
		diag_error(c->diags, at, "expression", "function '%s' is not available here%s",
			   use->name, known.text);
	else
		diag_error(c->diags, at, "expression", "%s '%s'%s%s",
			   offer ? "context" : "unknown context", use->name,
			   offer ? " is not available here" : "", known.text);
}

/* ---- expressions ---- */

/* The tree is thrown away: a hostile file has tens of thousands. */
static void check_one(struct checker *c, const struct node *n, unsigned offers, size_t start,
		      size_t len)
{
	auto_arena struct arena *scratch = arena_new();
	struct expr_err e;
	const struct expr *expr = expr_parse(scratch, n->text + start, len, &e);
	size_t before = c->diags->errors;

	if (!expr)
		diag_error(c->diags, place_inside(c, n, start + e.position - 1), "expression", "%s",
			   e.text);
	for (size_t i = 0; expr && i < expr->use_count; i++)
		check_use(c, n, start, offers, &expr->uses[i]);
	if (c->diags->errors != before)
		faults_add(c->arena, c->faults, n->text + start);
}

static void check_parts(struct checker *c, const struct node *n, unsigned offers)
{
	size_t len = strlen(n->text), next = 0;
	struct template_part part;
	int more;

	if (len > LIMIT_EXPR_TEXT && template_has_expr(n->text)) {
		faults_add(c->arena, c->faults, n);
		diag_error(c->diags, n->at, "expression",
			   "a value with ${{ }} may not be longer than %d characters, this has %zu",
			   LIMIT_EXPR_TEXT, len);
		return;
	}
	while ((more = template_next(n->text, len, &next, &part)) > 0)
		if (part.is_expr)
			check_one(c, n, offers, part.start, part.len);
	if (more < 0)
		diag_error(c->diags, place_inside(c, n, part.start), "expression",
			   "this ${{ is not closed by }}");
}

void check_expressions(struct checker *c, const struct node *n, unsigned offers, bool condition)
{
	const struct once_key key = {.node = n, .where = 2 * (size_t)offers + condition};

	if (!once_first(c->arena, &c->once, key))
		return;
	if (template_has_expr(n->text)) {
		check_parts(c, n, offers);
	} else if (condition && n->text[strspn(n->text, " \t\r\n")]) {
		check_one(c, n, offers, 0, strlen(n->text));
	}
}
