/*
 * node-semver's ranges, as far as a Python version can be asked for.
 *
 * A range is alternatives ("||") of sets of comparators; a version lies in it
 * when it satisfies every comparator of one set. Every other notation (partial
 * versions, hyphen, tilde, caret) is two comparators: at least, and below.
 */
#include "image/version.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "stepcell/util.h"

/* ---- versions ---- */

static bool take_number(const char **p, unsigned *out)
{
	unsigned n = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); ++*p) {
		if (n > 99999)
			return false;
		n = n * 10 + (unsigned)(**p - '0');
	}
	*out = n;
	return true;
}

/* "b2" as GitHub's tool cache has it, "beta.2"; false when `p` does not begin with one. */
static bool take_python_pre(const char **p, char pre[static 32])
{
	static const struct {
		const char *python, *semver;
	} stages[] = {{"a", "alpha"}, {"b", "beta"}, {"rc", "rc"}};

	for (size_t i = 0; i < COUNT(stages); i++) {
		size_t len = strlen(stages[i].python);
		const char *digits = *p + len;
		unsigned n;

		if (strncmp(*p, stages[i].python, len) != 0 || !take_number(&digits, &n))
			continue;
		(void)snprintf(pre, 32, "%s.%u", stages[i].semver, n);
		*p = digits;
		return true;
	}
	return false;
}

/* "-beta.2", or Python's own "b2" for the same. */
static bool take_pre(const char **p, char pre[static 32])
{
	static const char letters[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-";
	size_t n;

	pre[0] = '\0';
	if (take_python_pre(p, pre) || **p != '-')
		return true;
	++*p;
	n = strspn(*p, letters);
	if (n == 0 || n >= 32)
		return false;
	(void)memcpy(pre, *p, n);
	pre[n] = '\0';
	*p += n;
	return true;
}

bool version_parse(const char *text, struct version *out)
{
	struct version v = {0};

	for (int i = 0; i < 3; i++)
		if ((i > 0 && *text++ != '.') || !take_number(&text, &v.part[i]))
			return false;
	if (!take_pre(&text, v.pre) || *text)
		return false;
	*out = v;
	return true;
}

/* Identifiers between dots: numbers by value and below words, words by bytes. */
static int compare_pre(const char *a, const char *b)
{
	while (*a && *b) {
		size_t la = strcspn(a, "."), lb = strcspn(b, ".");
		bool na = strspn(a, "0123456789") >= la, nb = strspn(b, "0123456789") >= lb;
		int order = 0;

		if (na != nb)
			return na ? -1 : 1;
		if (na && la != lb)
			return la < lb ? -1 : 1;
		order = strncmp(a, b, la > lb ? la : lb);
		if (order)
			return order;
		a += la + (a[la] == '.');
		b += lb + (b[lb] == '.');
	}
	return (*a != '\0') - (*b != '\0');
}

int version_compare(const struct version *a, const struct version *b)
{
	for (int i = 0; i < 3; i++)
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	if (!a->pre[0] || !b->pre[0])
		return (a->pre[0] == '\0') - (b->pre[0] == '\0');
	return compare_pre(a->pre, b->pre);
}

/* ---- ranges ---- */

/* From `low` on, below `high`. */
struct span {
	struct version low, high;
};

static const struct version highest = {{UINT_MAX, 0, 0}, ""};
/* Below every pre-release of what it stands for: "0" is the least identifier. */
static const char below_all[] = "0";

/* A version of which the last parts may be missing or x: what it spans. */
struct partial {
	struct version v;
	int given; /* parts that are numbers: 0 to 3 */
};

static bool take_partial(const char **p, struct partial *out)
{
	*out = (struct partial){0};
	*p += strspn(*p, "v= \t"); /* as in "==3.11.*" and "~=3.9", which node-semver takes */
	for (int i = 0; i < 3; i++) {
		if (i > 0 && *(*p)++ != '.')
			return false;
		if (**p && strchr("xX*", **p))
			++*p;
		else if (!take_number(p, &out->v.part[i]))
			return false;
		else if (out->given == i)
			out->given++;
		if (**p != '.')
			break;
	}
	return out->given < 3 || take_pre(p, out->v.pre);
}

/* The first version behind all that share the first `parts` parts. */
static struct version behind(const struct version *v, int parts)
{
	struct version next = {0};

	if (parts == 0)
		return highest;
	for (int i = 0; i < parts; i++)
		next.part[i] = v->part[i];
	next.part[parts - 1]++;
	(void)memcpy(next.pre, below_all, sizeof(below_all));
	return next;
}

/* The version that comes at once behind this one. */
static struct version successor(const struct version *v)
{
	struct version next = *v;

	if (v->pre[0]) {
		/* Longer is higher, and "0" is the least that can be added. */
		size_t n = strlen(next.pre);

		(void)snprintf(next.pre + n, sizeof(next.pre) - n, ".0");
		return next;
	}
	return behind(v, 3);
}

static struct version past(const struct partial *p)
{
	return p->given == 3 ? successor(&p->v) : behind(&p->v, p->given);
}

static struct span span_equal(const struct partial *p)
{
	return (struct span){p->v, past(p)};
}

static struct span span_tilde(const struct partial *p)
{
	return (struct span){p->v, behind(&p->v, p->given < 2 ? p->given : 2)};
}

static struct span span_caret(const struct partial *p)
{
	int parts = p->given ? 1 : 0;

	while (parts && parts < p->given && p->v.part[parts - 1] == 0)
		parts++;
	return (struct span){p->v, behind(&p->v, parts)};
}

static struct span span_at_least(const struct partial *p)
{
	return (struct span){p->v, highest};
}

static struct span span_above(const struct partial *p)
{
	return (struct span){past(p), highest};
}

static struct span span_below(const struct partial *p)
{
	struct span s = {{{0}, ""}, p->v};

	/* "<3.12" is no 3.12 at all, its pre-releases included. */
	if (p->given < 3)
		(void)memcpy(s.high.pre, below_all, sizeof(below_all));
	return s;
}

static struct span span_at_most(const struct partial *p)
{
	return (struct span){{{0}, ""}, past(p)};
}

static const struct {
	const char *sign;
	struct span (*span)(const struct partial *p);
} operators[] = {
	{">=", span_at_least}, {"<=", span_at_most}, {">", span_above},
	{"<", span_below},     {"~>", span_tilde},   {"~", span_tilde},
	{"^", span_caret},     {"=", span_equal},    {"", span_equal},
};

static void skip_space(const char **p)
{
	*p += strspn(*p, " \t");
}

/* One comparator, or "A - B". Sets `pre` when it names a pre-release of v's own X.Y.Z. */
static bool take_span(const char **p, const struct version *v, struct span *out, bool *pre)
{
	struct partial from, to;
	size_t op = 0;
	const char *rest;

	while (strncmp(*p, operators[op].sign, strlen(operators[op].sign)) != 0)
		op++;
	*p += strlen(operators[op].sign);
	skip_space(p);
	if (!take_partial(p, &from))
		return false;
	*pre = *pre || (from.v.pre[0] && memcmp(from.v.part, v->part, sizeof(v->part)) == 0);
	*out = operators[op].span(&from);
	rest = *p;
	skip_space(&rest);
	if (operators[op].sign[0] || strncmp(rest, "- ", 2) != 0)
		return true;
	*p = rest + 2;
	skip_space(p);
	if (!take_partial(p, &to))
		return false;
	out->high = past(&to);
	return true;
}

/* The comparators up to "||" or the end. */
static bool take_set(const char **p, const struct version *v, bool *matches)
{
	bool all = true, pre = false;

	for (skip_space(p); **p && **p != '|'; skip_space(p)) {
		struct span s;

		if (!take_span(p, v, &s, &pre))
			return false;
		all = all && version_compare(v, &s.low) >= 0 && version_compare(v, &s.high) < 0;
	}
	*matches = all && (!v->pre[0] || pre);
	return true;
}

int version_match(const struct version *v, const char *range, bool *out, struct err *err)
{
	const char *p = range;
	bool any = false, one;

	for (;;) {
		if (!take_set(&p, v, &one))
			break;
		any = any || one;
		if (!*p) {
			*out = any;
			return 0;
		}
		if (p[0] != '|' || p[1] != '|')
			break;
		p += 2;
	}
	return err_fail(err, ERR_USAGE, "'%s' is no version: 3.10, 3.x, 3.11.2 or '>=3.8 <3.12'%s",
			range, strchr(range, ',') ? "; a space stands for the comma" : "");
}

bool version_minor(const char *range, unsigned *major, unsigned *minor)
{
	struct partial p;
	const char *at = range + strspn(range, " ~^=>");

	if (!take_partial(&at, &p) || p.given < 2)
		return false;
	*major = p.v.part[0];
	*minor = p.v.part[1];
	return true;
}
