/* The walk over the nodes, type by type. Finds all it can before it gives up on a branch. */
#include <stdlib.h>
#include <string.h>

#include "workflow/check.h"
#include "workflow/nearest.h"

/* Hostile files have many mistakes, and whoever reads a hundred wants no help with more. */
#define SUGGESTIONS_MAX 100

bool is_lone_expr(const struct node *n)
{
	size_t next = 0, len;
	struct template_part part;

	if (n->kind != NODE_STRING)
		return false;
	len = strlen(n->text);
	return template_next(n->text, len, &next, &part) == 1 && part.is_expr && next == len;
}

/* ---- what is expected, in words ---- */

static void add_words(struct strbuf *out, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		strbuf_addf(out, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

static void add_expected(struct strbuf *out, const struct type *t)
{
	static const char *const names[] = {
		[TYPE_ANY] = "a value",        [TYPE_NULL] = "nothing",
		[TYPE_BOOL] = "true or false", [TYPE_NUMBER] = "a number",
		[TYPE_STRING] = "a string",    [TYPE_LIST] = "a list",
		[TYPE_MAP] = "a map",          [TYPE_CHOICE] = "",
	};
	const char *last = "";

	if (t->kind == TYPE_STRING && t->words) {
		add_words(out, t->words);
	} else if (t->kind != TYPE_CHOICE) {
		strbuf_adds(out, names[t->kind]);
	} else {
		for (size_t i = 0; t->choices[i]; i++) {
			if (i && names[t->choices[i]->kind] == last)
				continue;
			strbuf_adds(out, i ? " or " : "");
			add_expected(out, t->choices[i]);
			last = names[t->choices[i]->kind];
		}
	}
}

static void fault(struct checker *c, const void *what)
{
	faults_add(c->arena, c->faults, what);
}

static void wrong_kind(struct checker *c, const struct type *t, const struct node *n)
{
	auto_strbuf struct strbuf expected = STRBUF(300);

	fault(c, n);
	add_expected(&expected, t);
	if (n->kind == NODE_STRING)
		diag_error(c->diags, n->at, "syntax-check", "expected %s, found '%.100s'",
			   expected.text, n->text);
	else
		diag_error(c->diags, n->at, "syntax-check", "expected %s, found %s", expected.text,
			   n->kind == NODE_NULL ? "nothing" : node_kind_text(n->kind));
}

/* ---- maps ---- */

static const struct key *find_key(const struct type *t, const char *name)
{
	for (const struct key *k = t->keys; k && k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static int by_text_nocase(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;
	int texts = strcasecmp((*x)->text, (*y)->text);

	if (texts)
		return texts;
	return (*x)->at.line != (*y)->at.line ? ((*x)->at.line < (*y)->at.line ? -1 : 1)
					      : ((*x)->at.col < (*y)->at.col ? -1 : 1);
}

void check_twins(struct checker *c, const struct node *map)
{
	const struct node **keys;

	if (map->count < 2)
		return;
	keys = arena_array(c->arena, map->count, sizeof(*keys));
	for (size_t i = 0; i < map->count; i++)
		keys[i] = map->pairs[i].key;
	qsort(keys, map->count, sizeof(*keys), by_text_nocase);
	for (size_t i = 1; i < map->count; i++) {
		if (strcasecmp(keys[i - 1]->text, keys[i]->text) != 0)
			continue;
		fault(c, map);
		diag_error(c->diags, keys[i]->at, "syntax-check",
			   "'%s' is already defined at line %u (case does not count)",
			   keys[i]->text, keys[i - 1]->at.line);
	}
}

/* "; did you mean 'steps'?", or all that there are. */
static void add_known(const struct checker *c, const struct type *t, const char *word,
		      struct strbuf *out)
{
	struct nearest near = {.word = word};

	for (const struct key *k = t->keys; k->name && c->diags->errors < SUGGESTIONS_MAX; k++)
		nearest_try(&near, k->name);
	if (near.name) {
		strbuf_addf(out, "; did you mean '%s'?", near.name);
		return;
	}
	for (const struct key *k = t->keys; k->name; k++)
		strbuf_addf(out, "%s%s", k == t->keys ? "; expected one of " : ", ", k->name);
}

/* What the key was meant to be, the map may lack. */
static void unknown_key(struct checker *c, const struct type *t, const struct node *map,
			const struct node *key)
{
	auto_strbuf struct strbuf known = STRBUF(300);

	if (!t->loose)
		fault(c, map);
	if (key->kind == NODE_STRING && template_has_expr(key->text)) {
		diag_error(c->diags, key->at, "syntax-check", "an expression is not allowed here");
		return;
	}
	add_known(c, t, key->text, &known);
	if (t->loose)
		diag_warn(c->diags, key->at, "no-effect",
			  "unknown key '%s' in %s, which is passed over%s", key->text, t->what,
			  known.text);
	else
		diag_error(c->diags, key->at, "syntax-check", "unknown key '%s' in %s%s", key->text,
			   t->what, known.text);
}

/* ${{ insert }}: the value's pairs are put here. */
static bool is_insert(const struct node *key)
{
	const char *s = key->text + strspn(key->text, "${ \t");

	if (!is_lone_expr(key) || strncmp(s, "insert", 6) != 0)
		return false;
	return s[6 + strspn(s + 6, " \t")] == '}';
}

/* A key that is free: any text, or an expression where those are offered. */
static void check_free_key(struct checker *c, const struct type *t, unsigned offers,
			   const struct node *key)
{
	size_t before = c->diags->errors;

	if (key->kind == NODE_NULL || !key->text[0])
		diag_error(c->diags, key->at, "syntax-check", "a key in %s may not be empty",
			   t->what);
	else if (template_has_expr(key->text) && !offers)
		diag_error(c->diags, key->at, "syntax-check", "an expression is not allowed here");
	else if (!is_insert(key))
		check_expressions(c, key, offers, false);
	if (c->diags->errors != before)
		fault(c, key);
}

static void check_required(struct checker *c, const struct type *t, const struct node *n)
{
	for (const struct key *k = t->keys; k && k->name; k++) {
		if (!k->required || node_get(n, k->name))
			continue;
		fault(c, n);
		diag_error(c->diags, n->at, "syntax-check", "missing '%s' in %s", k->name, t->what);
	}
}

static void check_map(struct checker *c, const struct type *t, unsigned offers,
		      const struct node *n)
{
	check_twins(c, n);
	for (size_t i = 0; i < n->count; i++) {
		const struct node_pair *p = &n->pairs[i];
		const struct key *k = p->key->kind == NODE_NULL ? NULL : find_key(t, p->key->text);

		if (k) {
			check_node(c, k->type, offers, p->value);
		} else if (t->other) {
			check_free_key(c, t, offers, p->key);
			check_node(c, t->other, offers, p->value);
		} else {
			unknown_key(c, t, n, p->key);
		}
	}
	check_required(c, t, n);
	if (t->filled && !n->count) {
		fault(c, n);
		diag_error(c->diags, n->at, "syntax-check", "%s may not be empty", t->what);
	}
}

static bool has_word(const struct type *t, const char *word)
{
	for (size_t i = 0; t->words[i]; i++)
		if (strcmp(t->words[i], word) == 0)
			return true;
	return false;
}

static bool fits(const struct type *t, const struct node *n)
{
	switch (t->kind) {
	case TYPE_NULL:
		return n->kind == NODE_NULL;
	case TYPE_BOOL:
		return n->kind == NODE_BOOL;
	case TYPE_NUMBER:
		return n->kind == NODE_NUMBER;
	case TYPE_STRING:
		return n->kind != NODE_LIST && n->kind != NODE_MAP &&
		       (n->kind != NODE_NULL || !t->filled) &&
		       (!t->words || has_word(t, n->text ? n->text : ""));
	case TYPE_LIST:
		return n->kind == NODE_LIST;
	case TYPE_MAP:
		return n->kind == NODE_MAP;
	default:
		return true;
	}
}

/* ---- choices ---- */

#define CHOICES_MAX 8

/*
 * Which of several kinds of map is this? Each key rules out the kinds that do
 * not have it; a key that would leave none does not go with those before it.
 */
struct choosing {
	const struct type *kinds[CHOICES_MAX];
	const struct node *ruled_out_by[CHOICES_MAX];
	size_t count, left;
};

static void note_clash(struct checker *c, const struct choosing *ch, const struct type *t,
		       const struct node *map, const struct node *key)
{
	fault(c, map);
	for (size_t i = 0; i < ch->count; i++) {
		if (!ch->ruled_out_by[i] || !find_key(ch->kinds[i], key->text))
			continue;
		diag_error(c->diags, key->at, "syntax-check", "'%s' does not go with '%s' in %s",
			   key->text, ch->ruled_out_by[i]->text, t->what);
		return;
	}
	for (size_t i = 0; i < ch->count; i++)
		if (!ch->ruled_out_by[i]) {
			unknown_key(c, ch->kinds[i], map, key);
			return;
		}
}

/* Does this kind of map have the key, and a value such as this where only words will do? */
static bool takes_pair(const struct type *t, const struct node_pair *p, bool by_value)
{
	const struct key *k = find_key(t, p->key->text);

	return k && (!by_value || !k->type->words || !p->value->text || fits(k->type, p->value));
}

static size_t count_taking(const struct choosing *ch, const struct node_pair *p, bool by_value)
{
	size_t n = 0;

	for (size_t i = 0; i < ch->count; i++)
		n += !ch->ruled_out_by[i] && takes_pair(ch->kinds[i], p, by_value);
	return n;
}

static void rule_out(struct checker *c, struct choosing *ch, const struct type *t,
		     const struct node *map, const struct node_pair *p)
{
	bool by_value = count_taking(ch, p, true) > 0;

	if (!count_taking(ch, p, by_value)) {
		note_clash(c, ch, t, map, p->key);
		return;
	}
	for (size_t i = 0; i < ch->count; i++)
		if (!ch->ruled_out_by[i] && !takes_pair(ch->kinds[i], p, by_value))
			ch->ruled_out_by[i] = p->key;
	ch->left = count_taking(ch, p, by_value);
}

/* The required keys of the kinds that are left: one of these is missing. */
static void undecided(struct checker *c, const struct choosing *ch, const struct type *t,
		      const struct node *n)
{
	auto_strbuf struct strbuf names = STRBUF(200);

	for (size_t i = 0; i < ch->count; i++)
		for (const struct key *k = ch->kinds[i]->keys; !ch->ruled_out_by[i] && k->name; k++)
			if (k->required)
				strbuf_addf(&names, "%s%s", names.len ? ", " : "", k->name);
	fault(c, n);
	diag_error(c->diags, n->at, "syntax-check", "missing one of %s in %s", names.text, t->what);
}

/* The kind that is meant; of a key that does not go with it, one that has the key. */
static const struct type *kind_with(const struct choosing *ch, const struct type *chosen,
				    const char *key)
{
	if (chosen && find_key(chosen, key))
		return chosen;
	for (size_t i = 0; i < ch->count; i++)
		if (find_key(ch->kinds[i], key))
			return ch->kinds[i];
	return NULL;
}

static void check_one_of_maps(struct checker *c, const struct type *t, unsigned offers,
			      struct choosing *ch, const struct node *n)
{
	const struct type *chosen = NULL;

	ch->left = ch->count;
	for (size_t i = 0; i < n->count; i++)
		rule_out(c, ch, t, n, &n->pairs[i]);
	for (size_t i = 0; i < ch->count; i++)
		if (!ch->ruled_out_by[i])
			chosen = ch->kinds[i];
	if (ch->left != 1 || !chosen) {
		undecided(c, ch, t, n);
		chosen = NULL;
	}
	check_twins(c, n);
	for (size_t i = 0; i < n->count; i++) {
		const struct node_pair *p = &n->pairs[i];
		const struct type *kind = kind_with(ch, chosen, p->key->text);

		if (kind)
			check_node(c, find_key(kind, p->key->text)->type, offers | kind->offers,
				   p->value);
	}
	if (chosen)
		check_required(c, chosen, n);
}

static void check_choice(struct checker *c, const struct type *t, unsigned offers,
			 const struct node *n)
{
	struct choosing ch = {0};

	for (size_t i = 0; t->choices[i]; i++)
		if (fits(t->choices[i], n) && ch.count < CHOICES_MAX)
			ch.kinds[ch.count++] = t->choices[i];
	if (!ch.count)
		wrong_kind(c, t, n);
	else if (ch.count > 1 && n->kind == NODE_MAP)
		check_one_of_maps(c, t, offers, &ch, n);
	else
		check_node(c, ch.kinds[0], offers, n);
}

/* ---- scalars ---- */

/* Whether a text with ${{ }} in it, which gives a string, can stand here. */
static bool takes_text(const struct type *t)
{
	if (t->kind == TYPE_STRING || t->kind == TYPE_ANY)
		return !t->words;
	for (size_t i = 0; t->kind == TYPE_CHOICE && t->choices[i]; i++)
		if (takes_text(t->choices[i]))
			return true;
	return false;
}

static void check_template(struct checker *c, const struct type *t, unsigned offers,
			   const struct node *n)
{
	if (!offers) {
		fault(c, n);
		diag_error(c->diags, n->at, "syntax-check", "an expression is not allowed here");
	} else if (!is_lone_expr(n) && !takes_text(t)) {
		wrong_kind(c, t, n);
	}
	check_expressions(c, n, offers ? offers : ~0U, t->condition);
}

static void check_string(struct checker *c, const struct type *t, unsigned offers,
			 const struct node *n)
{
	if (t->filled && !n->text[0])
		diag_error(c->diags, n->at, "syntax-check", "expected a string, found nothing");
	else if (t->condition && n->kind == NODE_STRING)
		check_expressions(c, n, offers, true);
}

static void check_items(struct checker *c, const struct type *t, unsigned offers,
			const struct node *n)
{
	for (size_t i = 0; i < n->count; i++)
		check_node(c, t->other, offers, n->items[i]);
}

/* A value of any shape: only its expressions are looked at. */
static void check_any(struct checker *c, const struct type *t, unsigned offers,
		      const struct node *n)
{
	if (!offers)
		return;
	if (n->kind == NODE_STRING)
		check_expressions(c, n, offers, false);
	for (size_t i = 0; n->kind == NODE_LIST && i < n->count; i++)
		check_any(c, t, offers, n->items[i]);
	for (size_t i = 0; n->kind == NODE_MAP && i < n->count; i++)
		check_any(c, t, offers, n->pairs[i].value);
}

typedef void walk_fn(struct checker *c, const struct type *t, unsigned offers,
		     const struct node *n);

static walk_fn *const walk[] = {
	[TYPE_ANY] = check_any, [TYPE_STRING] = check_string, [TYPE_LIST] = check_items,
	[TYPE_MAP] = check_map, [TYPE_CHOICE] = check_choice,
};

void check_node(struct checker *c, const struct type *t, unsigned offers, const struct node *n)
{
	size_t before;

	offers |= t->offers;
	if (t->kind != TYPE_ANY && n->kind == NODE_STRING && template_has_expr(n->text)) {
		check_template(c, t, offers, n);
	} else if (!fits(t, n)) {
		wrong_kind(c, t, n);
		return;
	} else if (walk[t->kind]) {
		walk[t->kind](c, t, offers, n);
	}
	before = c->diags->errors;
	if (t->check)
		t->check(c, t, n);
	if (c->diags->errors != before)
		fault(c, n);
}
