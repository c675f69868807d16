#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scalar.h"
#include "stepcell/util.h"

static bool one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static bool resolve_null(struct node *n)
{
	static const char *const words[] = {"", "null", "Null", "NULL", "~", NULL};

	return one_of(n->text, words);
}

static bool resolve_bool(struct node *n)
{
	static const char *const yes[] = {"true", "True", "TRUE", NULL};
	static const char *const no[] = {"false", "False", "FALSE", NULL};

	n->truth = one_of(n->text, yes);
	return n->truth || one_of(n->text, no);
}

static bool resolve_digits(struct node *n, const char *digits, unsigned base)
{
	static const char values[] = "0123456789abcdef";

	if (!*digits)
		return false;
	n->number = 0;
	for (; *digits; digits++) {
		int low = *digits >= 'A' && *digits <= 'F' ? *digits + 32 : *digits;
		const char *at = memchr(values, low, base);

		if (!at)
			return false;
		n->number = n->number * base + (double)(at - values);
	}
	return true;
}

static bool resolve_int(struct node *n)
{
	const char *t = n->text;

	if (strncmp(t, "0x", 2) == 0)
		return resolve_digits(n, t + 2, 16);
	if (strncmp(t, "0o", 2) == 0)
		return resolve_digits(n, t + 2, 8);
	t += *t == '-' || *t == '+';
	if (!*t || t[strspn(t, "0123456789")])
		return false;
	n->number = strtod(n->text, NULL);
	return true;
}

static bool resolve_special(struct node *n)
{
	static const char *const inf[] = {".inf", ".Inf", ".INF", NULL};
	static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
	const char *t = n->text + (n->text[0] == '-' || n->text[0] == '+');

	if (one_of(n->text, nan_words))
		n->number = NAN;
	else if (one_of(t, inf))
		n->number = n->text[0] == '-' ? -INFINITY : INFINITY;
	else
		return false;
	return true;
}

/* Skip digits; false when there are none. */
static bool skip_digits(const char **t)
{
	size_t n = strspn(*t, "0123456789");

	*t += n;
	return n > 0;
}

/* [-+]? ( \.[0-9]+ | [0-9]+ ( \.[0-9]* )? ) ( [eE][-+]?[0-9]+ )? */
static bool resolve_float(struct node *n)
{
	const char *t = n->text + (n->text[0] == '-' || n->text[0] == '+');
	bool digits = skip_digits(&t);

	if (*t == '.') {
		t++;
		digits |= skip_digits(&t);
	}
	if (!digits)
		return resolve_special(n);
	if (*t == 'e' || *t == 'E') {
		t += t[1] == '-' || t[1] == '+' ? 2 : 1;
		digits = skip_digits(&t);
	}
	if (*t || !digits)
		return false;
	n->number = strtod(n->text, NULL);
	return true;
}

static const struct {
	const char *tag;
	bool (*resolve)(struct node *);
	enum node_kind kind;
} rules[] = {
	{"tag:yaml.org,2002:null", resolve_null, NODE_NULL},
	{"tag:yaml.org,2002:bool", resolve_bool, NODE_BOOL},
	{"tag:yaml.org,2002:int", resolve_int, NODE_NUMBER},
	{"tag:yaml.org,2002:float", resolve_float, NODE_NUMBER},
};

void scalar_resolve(struct node *node)
{
	node->kind = NODE_STRING;
	for (size_t i = 0; i < COUNT(rules); i++) {
		if (rules[i].resolve(node)) {
			node->kind = rules[i].kind;
			return;
		}
	}
}

bool scalar_resolve_tag(struct node *node, const char *tag)
{
	node->kind = NODE_STRING;
	if (strcmp(tag, "tag:yaml.org,2002:str") == 0)
		return true;
	for (size_t i = 0; i < COUNT(rules); i++) {
		if (strcmp(tag, rules[i].tag) == 0) {
			node->kind = rules[i].kind;
			return rules[i].resolve(node);
		}
	}
	return false;
}
