/* What of a matrix changes nothing: values that are there twice, entries of exclude that fit none. */
#include <string.h>

#include "workflow/lint.h"

static bool is_same(const struct node *a, const struct node *b)
{
	return value_is_primitive(a) && value_is_primitive(b) && a->kind == b->kind &&
	       value_equal(a, b);
}

static void lint_vector(struct lint *l, const struct node_pair *p)
{
	const struct node *list = p->value;

	if (list->kind != NODE_LIST || !lint_afford(l, list->count * list->count))
		return;
	for (size_t i = 1; i < list->count; i++)
		for (size_t k = 0; k < i; k++)
			if (is_same(list->items[i], list->items[k])) {
				diag_warn(l->checker.diags, list->items[i]->at, "no-effect",
					  "'%.100s' is in '%.100s' already: its jobs are alike",
					  node_text(list->items[i]) ? list->items[i]->text : "",
					  p->key->text);
				break;
			}
}

/* Can any value of the vector be this one? */
static bool can_have(const struct node *vector, const struct node *value)
{
	if (!vector || vector->kind != NODE_LIST || !value_is_primitive(value))
		return true;
	for (size_t i = 0; i < vector->count; i++)
		if (!value_is_primitive(vector->items[i]) || value_equal(vector->items[i], value))
			return true;
	return false;
}

static void lint_exclude(struct lint *l, const struct node *matrix, const struct node *entry)
{
	for (size_t i = 0; entry->kind == NODE_MAP && i < entry->count; i++) {
		const struct node_pair *p = &entry->pairs[i];
		const struct node *vector = lint_get(l, matrix, p->key->text);

		if (!vector || !lint_afford(l, vector->count) || can_have(vector, p->value))
			continue;
		diag_warn(l->checker.diags, p->value->at, "no-effect",
			  "this excludes nothing: '%.100s' is never '%.100s'", p->key->text,
			  node_text(p->value) ? p->value->text : "");
		return;
	}
}

void lint_matrix_effect(struct lint *l, const struct node *matrix)
{
	const struct node *exclude = node_get_nocase(matrix, "exclude");

	for (size_t i = 0; i < matrix->count; i++)
		if (strcasecmp(matrix->pairs[i].key->text, "include") != 0 &&
		    strcasecmp(matrix->pairs[i].key->text, "exclude") != 0)
			lint_vector(l, &matrix->pairs[i]);
	for (size_t i = 0; exclude && exclude->kind == NODE_LIST && i < exclude->count; i++)
		lint_exclude(l, matrix, exclude->items[i]);
}
