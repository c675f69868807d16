/*
 * The product of the vectors in the order of their keys, the last fastest.
 * A combination that an exclude entry fits is dropped. An include entry's keys
 * that name vectors choose the combinations that its other keys are added to;
 * when it fits none, it is a combination of its own.
 */
#include "workflow/matrix.h"

#include <string.h>

#include "workflow/expr.h"

/*
 * GitHub counts what is left. These bound the work before that: combinations
 * that exclude drops again, each held against each entry, and keys added to
 * each combination.
 */
#define PRODUCT_MAX     65536
#define COMPARISONS_MAX 4000000
#define KEYS_MAX        128
#define PAIRS_MAX       4096

struct include {
	const struct node *entry;
	struct node *filter, *extra;
	bool matched;
};

struct builder {
	struct arena *arena;
	struct diags *diags;
	struct place at;
	const struct node_pair **vectors;
	size_t vector_count;
	struct include *includes;
	size_t include_count;
	const struct node *exclude; /* a list, or NULL */
	struct combination *list;
	size_t count;
};

static bool fail(struct builder *b, struct place at, const char *text)
{
	diag_error(b->diags, at.line ? at : b->at, "matrix", "%s", text);
	return false;
}

static bool is_vector(const struct builder *b, const char *key)
{
	for (size_t i = 0; i < b->vector_count; i++)
		if (strcasecmp(b->vectors[i]->key->text, key) == 0)
			return true;
	return false;
}

/* ---- reading ---- */

static bool add_vector(struct builder *b, const struct node_pair *p)
{
	if (p->value->kind != NODE_LIST) {
		diag_error(b->diags, p->value->at.line ? p->value->at : b->at, "matrix",
			   "matrix '%s': expected a list, found %s", p->key->text,
			   node_kind_text(p->value->kind));
		return false;
	}
	if (!p->value->count) {
		diag_error(b->diags, p->value->at.line ? p->value->at : b->at, "matrix",
			   "matrix '%s' has no values, so no job would come of it", p->key->text);
		return false;
	}
	b->vectors[b->vector_count++] = p;
	return true;
}

static bool read_include(struct builder *b, const struct node *entry)
{
	struct include *in = &b->includes[b->include_count++];

	*in = (struct include){entry, node_map(b->arena), node_map(b->arena), false};
	if (entry->kind != NODE_MAP || !entry->count)
		return fail(b, entry->at,
			    "an entry of include must be a map with at least one key");
	for (size_t i = 0; i < entry->count; i++) {
		const struct node_pair *p = &entry->pairs[i];

		node_set(b->arena, is_vector(b, p->key->text) ? in->filter : in->extra,
			 p->key->text, p->value);
	}
	return true;
}

static bool check_exclude(struct builder *b, const struct node *entry)
{
	bool ok = true;

	if (entry->kind != NODE_MAP || !entry->count)
		return fail(b, entry->at,
			    "an entry of exclude must be a map with at least one key");
	for (size_t i = 0; i < entry->count; i++) {
		const struct node *key = entry->pairs[i].key;

		if (is_vector(b, key->text))
			continue;
		diag_error(b->diags, key->at.line ? key->at : b->at, "matrix",
			   "exclude names '%s', which is no key of the matrix", key->text);
		ok = false;
	}
	return ok;
}

static bool is_special(const char *key)
{
	return strcasecmp(key, "include") == 0 || strcasecmp(key, "exclude") == 0;
}

static bool check_size(struct builder *b, const struct node *matrix, const struct node *include)
{
	size_t pairs = 0;

	if (matrix->count > KEYS_MAX)
		return fail(b, b->at, "a matrix has at most 128 keys");
	for (size_t i = 0; include && i < include->count; i++) {
		if (include->items[i]->count > KEYS_MAX)
			return fail(b, include->items[i]->at,
				    "an entry of include has at most 128 keys");
		pairs += include->items[i]->count + 1;
	}
	return pairs <= PAIRS_MAX ||
	       fail(b, include->at, "the entries of include have at most 4096 keys in all");
}

static bool read_matrix(struct builder *b, const struct node *matrix)
{
	const struct node *include = node_get_nocase(matrix, "include");
	bool ok = true;

	b->exclude = node_get_nocase(matrix, "exclude");
	if ((include && include->kind != NODE_LIST) ||
	    (b->exclude && b->exclude->kind != NODE_LIST))
		return fail(b, b->at, "include and exclude of a matrix are lists of maps");
	if (!check_size(b, matrix, include))
		return false;
	b->vectors = arena_array(b->arena, matrix->count + 1, sizeof(*b->vectors));
	for (size_t i = 0; i < matrix->count; i++)
		if (!is_special(matrix->pairs[i].key->text))
			ok &= add_vector(b, &matrix->pairs[i]);
	b->includes =
		arena_array(b->arena, (include ? include->count : 0) + 1, sizeof(*b->includes));
	for (size_t i = 0; ok && include && i < include->count; i++)
		ok = read_include(b, include->items[i]);
	for (size_t i = 0; ok && b->exclude && i < b->exclude->count; i++)
		ok = check_exclude(b, b->exclude->items[i]);
	if (ok && !b->vector_count && !b->include_count)
		return fail(b, b->at, "the matrix is empty: expected at least one list of values");
	return ok;
}

/* ---- fitting ---- */

/* Each leaf of the filter equals what the value has at its place, as == compares. */
static bool fits(const struct node *filter, const struct node *value)
{
	if (filter->kind == NODE_MAP) {
		for (size_t i = 0; i < filter->count; i++) {
			const struct node *v = node_get_nocase(value, filter->pairs[i].key->text);

			if (!fits(filter->pairs[i].value, v ? v : node_null()))
				return false;
		}
		return true;
	}
	if (filter->kind == NODE_LIST) {
		for (size_t i = 0; i < filter->count; i++) {
			bool there = value->kind == NODE_LIST && i < value->count;

			if (!fits(filter->items[i], there ? value->items[i] : node_null()))
				return false;
		}
		return true;
	}
	return value_equal(value, filter);
}

static bool is_excluded(const struct builder *b, const struct node *values)
{
	for (size_t i = 0; b->exclude && i < b->exclude->count; i++)
		if (fits(b->exclude->items[i], values))
			return true;
	return false;
}

/* ---- building ---- */

static void add_label(struct arena *a, struct strbuf *out, const struct node *v)
{
	for (size_t i = 0; v->kind == NODE_LIST && i < v->count; i++)
		add_label(a, out, v->items[i]);
	for (size_t i = 0; v->kind == NODE_MAP && i < v->count; i++)
		add_label(a, out, v->pairs[i].value);
	if (value_is_primitive(v) && *expr_text(a, v))
		strbuf_addf(out, "%s%s", out->len ? ", " : "", expr_text(a, v));
}

static bool add_combination(struct builder *b, struct node *values, const struct node *extra)
{
	auto_strbuf struct strbuf label = STRBUF(200);

	if (b->count == LIMIT_MATRIX_JOBS) {
		diag_error(b->diags, b->at, "matrix", "more than %d combinations; split the matrix",
			   LIMIT_MATRIX_JOBS);
		return false;
	}
	add_label(b->arena, &label, values);
	for (size_t i = 0; extra && i < extra->count; i++)
		node_set(b->arena, values, extra->pairs[i].key->text, extra->pairs[i].value);
	b->list = arena_grow(b->arena, b->list, b->count, sizeof(*b->list));
	b->list[b->count++] = (struct combination){values, arena_strdup(b->arena, label.text)};
	return true;
}

/* The keys that include entries add to a combination; later entries win. */
static const struct node *extras_for(struct builder *b, const struct node *values)
{
	struct node *extra = node_map(b->arena);

	for (size_t i = 0; i < b->include_count; i++) {
		struct include *in = &b->includes[i];

		if (!fits(in->filter, values))
			continue;
		in->matched = true;
		for (size_t k = 0; k < in->extra->count; k++)
			node_set(b->arena, extra, in->extra->pairs[k].key->text,
				 in->extra->pairs[k].value);
	}
	return extra;
}

static bool product_size(struct builder *b, size_t *out)
{
	size_t size = b->vector_count ? 1 : 0;

	for (size_t i = 0; i < b->vector_count; i++) {
		if (__builtin_mul_overflow(size, b->vectors[i]->value->count, &size) ||
		    size > PRODUCT_MAX) {
			diag_error(b->diags, b->at, "matrix",
				   "more than %d combinations, of which %d may be left when all "
				   "exclude entries are "
				   "applied; split the matrix",
				   PRODUCT_MAX, LIMIT_MATRIX_JOBS);
			return false;
		}
	}
	if (b->exclude && size * b->exclude->count > COMPARISONS_MAX)
		return fail(b, b->exclude->at, "too many entries of exclude for so large a matrix");
	*out = size;
	return true;
}

static bool build_product(struct builder *b)
{
	size_t size;

	if (!product_size(b, &size))
		return false;
	for (size_t i = 0; i < size; i++) {
		struct node *values = node_map(b->arena);
		size_t block = size;

		for (size_t v = 0; v < b->vector_count; v++) {
			const struct node *vector = b->vectors[v]->value;

			block /= vector->count;
			node_set(b->arena, values, b->vectors[v]->key->text,
				 vector->items[i / block % vector->count]);
		}
		if (!is_excluded(b, values) && !add_combination(b, values, extras_for(b, values)))
			return false;
	}
	return true;
}

static bool add_unmatched(struct builder *b)
{
	for (size_t i = 0; i < b->include_count; i++) {
		struct include *in = &b->includes[i];

		if (in->matched)
			continue;
		for (size_t k = 0; k < in->extra->count; k++)
			node_set(b->arena, in->filter, in->extra->pairs[k].key->text,
				 in->extra->pairs[k].value);
		if (!add_combination(b, in->filter, NULL))
			return false;
	}
	return true;
}

bool matrix_build(struct arena *a, const struct node *matrix, struct place at, struct diags *diags,
		  struct combination **out, size_t *count)
{
	struct builder b = {.arena = a, .diags = diags, .at = matrix->at.line ? matrix->at : at};

	if (matrix->kind != NODE_MAP) {
		diag_error(diags, b.at, "matrix", "expected the matrix to be a map, found %s",
			   node_kind_text(matrix->kind));
		return false;
	}
	if (!read_matrix(&b, matrix) || !build_product(&b) || !add_unmatched(&b))
		return false;
	*out = b.list;
	*count = b.count;
	return true;
}
