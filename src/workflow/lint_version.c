/* Versions that YAML takes for numbers: 3.10 is 3.1. */
#include <string.h>

#include "stepcell/json.h"
#include "workflow/lint.h"

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcasecmp(text + len - n, end) == 0;
}

/* "3.10" and "1.0", but not "10" and "3.11": digits, a dot, and a zero at the end that gets lost. */
static bool loses_a_zero(const char *text)
{
	size_t whole = strspn(text, "0123456789");
	size_t part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;

	return whole && part && !text[whole + 1 + part] && text[whole + part] == '0';
}

static void look(struct lint *l, const struct node *n)
{
	auto_strbuf struct strbuf number = STRBUF(64);

	if (n->kind != NODE_NUMBER || !n->plain || !n->text || !loses_a_zero(n->text))
		return;
	number_write(&number, n->number);
	diag_warn(l->checker.diags, n->at, "number-version", "%.20s is the number %s", n->text,
		  number.text);
}

void lint_version(struct lint *l, const char *key, const struct node *value)
{
	if (!ends_with(key, "version") && !ends_with(key, "versions") && !ends_with(key, "python"))
		return;
	look(l, value);
	for (size_t i = 0; value->kind == NODE_LIST && i < value->count; i++)
		look(l, value->items[i]);
}

void lint_matrix_versions(struct lint *l, const struct node *strategy)
{
	const struct node *matrix = node_get(strategy, "matrix");

	for (size_t i = 0; matrix && matrix->kind == NODE_MAP && i < matrix->count; i++) {
		const struct node_pair *p = &matrix->pairs[i];

		lint_version(l, p->key->text, p->value);
		/* include and exclude are lists of maps */
		for (size_t j = 0; p->value->kind == NODE_LIST && j < p->value->count; j++) {
			const struct node *row = p->value->items[j];

			for (size_t k = 0; row->kind == NODE_MAP && k < row->count; k++)
				lint_version(l, row->pairs[k].key->text, row->pairs[k].value);
		}
	}
}
