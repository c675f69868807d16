/*
 * A pattern becomes atoms; for each atom in turn, a row of flags says at which
 * places of the text a match may have arrived. Time is the product of the two
 * lengths whatever the pattern, where backtracking could take for ever.
 */
#include <string.h>

#include "stepcell/limits.h"
#include "stepcell/workflow.h"
#include "workflow/filter.h"

#define ATOMS_MAX 1024

enum atom_kind {
	ATOM_CHAR,
	ATOM_SET,
	ATOM_STAR, /* * : anything without / */
	ATOM_ANY,  /* ** : anything */
	ATOM_DIRS, /* directories, each with its slash, or none */
};

enum atom_times { TIMES_ONE, TIMES_OPTIONAL, TIMES_MANY };

struct atom {
	enum atom_kind kind;
	enum atom_times times;
	char c;
	const char *set; /* what is between the brackets */
	size_t set_len;
};

struct pattern {
	struct atom atoms[ATOMS_MAX];
	size_t count;
	const char *fault;
};

static const char *add_atom(struct pattern *p, struct atom atom, const char *next)
{
	if (p->count == ATOMS_MAX) {
		p->fault = "is too long";
		return "";
	}
	p->atoms[p->count++] = atom;
	return next;
}

static const char *read_star(struct pattern *p, const char *s)
{
	if (s[1] != '*')
		return add_atom(p, (struct atom){.kind = ATOM_STAR}, s + 1);
	if (s[2] == '/')
		return add_atom(p, (struct atom){.kind = ATOM_DIRS}, s + 3);
	return add_atom(p, (struct atom){.kind = ATOM_ANY}, s + 2);
}

static const char *set_fault(const char *set, size_t len)
{
	if (!len)
		return "has an empty [ ]";
	for (size_t i = 0; i + 2 < len; i++)
		if (set[i + 1] == '-' && (unsigned char)set[i] > (unsigned char)set[i + 2])
			return "has a range in [ ] that runs backwards";
	return NULL;
}

static const char *read_set(struct pattern *p, const char *s)
{
	const char *end = strchr(s + 1, ']');
	struct atom atom = {.kind = ATOM_SET, .set = s + 1};

	if (!end) {
		p->fault = "has a [ without ]";
		return add_atom(p, (struct atom){.c = '['}, s + 1);
	}
	atom.set_len = (size_t)(end - s) - 1;
	if (set_fault(atom.set, atom.set_len))
		p->fault = set_fault(atom.set, atom.set_len);
	return add_atom(p, atom, end + 1);
}

static const char *read_times(struct pattern *p, const char *s)
{
	struct atom *last = p->count ? &p->atoms[p->count - 1] : NULL;

	if (!last) {
		p->fault = "begins with ? or +, which repeat what is before them";
		return add_atom(p, (struct atom){.c = *s}, s + 1);
	}
	if (last->kind != ATOM_CHAR && last->kind != ATOM_SET)
		p->fault = "has ? or + behind *, where they have nothing to repeat";
	else
		last->times = *s == '?' ? TIMES_OPTIONAL : TIMES_MANY;
	return s + 1;
}

static void compile(struct pattern *p, const char *s)
{
	p->count = 0;
	p->fault = NULL;
	while (*s) {
		if (*s == '*')
			s = read_star(p, s);
		else if (*s == '[')
			s = read_set(p, s);
		else if (*s == '?' || *s == '+')
			s = read_times(p, s);
		else if (*s == '\\' && s[1])
			s = add_atom(p, (struct atom){.c = s[1]}, s + 2);
		else
			s = add_atom(p, (struct atom){.c = *s}, s + 1);
	}
}

static bool in_set(const struct atom *atom, char c)
{
	const unsigned char *set = (const unsigned char *)atom->set, u = (unsigned char)c;

	for (size_t i = 0; i < atom->set_len; i++) {
		if (i + 2 < atom->set_len && set[i + 1] == '-') {
			if (u >= set[i] && u <= set[i + 2])
				return true;
			i += 2;
		} else if (set[i] == u) {
			return true;
		}
	}
	return false;
}

static bool takes(const struct atom *atom, char c)
{
	switch (atom->kind) {
	case ATOM_CHAR:
		return c == atom->c;
	case ATOM_SET:
		return in_set(atom, c);
	case ATOM_STAR:
		return c != '/';
	default:
		return true;
	}
}

/* From the places that were reached before this atom to those after it. */
static void advance(const struct atom *atom, const char *text, size_t len, bool *reached)
{
	bool stays = atom->kind >= ATOM_STAR || atom->times == TIMES_OPTIONAL;
	bool repeats = atom->kind >= ATOM_STAR || atom->times == TIMES_MANY;
	bool before = false,
	     after = false;      /* at the place left of i: reached before, reached now */
	bool any_before = false; /* somewhere at least two to the left */

	for (size_t i = 0; i <= len; i++) {
		bool here = reached[i], now = stays && here;

		if (i && atom->kind == ATOM_DIRS)
			now |= text[i - 1] == '/' && any_before;
		else if (i && takes(atom, text[i - 1]))
			now |= before || (repeats && after);
		any_before |= before;
		before = here;
		after = now;
		reached[i] = now;
	}
}

static bool matches(const struct pattern *p, const char *text)
{
	bool reached[LIMIT_PATH + 1] = {true};
	size_t len = strlen(text);

	if (len > LIMIT_PATH || (p->fault && p->count == ATOMS_MAX))
		return false;
	for (size_t i = 0; i < p->count; i++)
		advance(&p->atoms[i], text, len, reached);
	return reached[len];
}

bool filter_pattern_match(const char *pattern, const char *text)
{
	struct pattern p;

	compile(&p, pattern);
	return matches(&p, text);
}

const char *filter_pattern_fault(const char *pattern)
{
	struct pattern p;

	compile(&p, pattern);
	return p.fault;
}

bool filter_match(const char *const *patterns, size_t count, const char *text)
{
	bool matched = false;

	for (size_t i = 0; i < count; i++) {
		bool negative = patterns[i][0] == '!';

		if (negative != matched)
			continue;
		if (filter_pattern_match(patterns[i] + negative, text))
			matched = !negative;
	}
	return matched;
}
