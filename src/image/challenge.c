#include "image/challenge.h"

#include <string.h>
#include <strings.h>

#include "stepcell/util.h"

#define TOKEN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
#define SPACE " \t"

/* Parameters that are looked at. */
static const struct {
	const char *name;
	size_t offset;
} parameters[] = {
	{"realm", offsetof(struct challenge, realm)},
	{"service", offsetof(struct challenge, service)},
	{"scope", offsetof(struct challenge, scope)},
	{"error", offsetof(struct challenge, error)},
};

struct scan {
	struct arena *arena;
	const char *p;
	bool in_bearer; /* whose parameters are read */
};

static void skip_space(struct scan *s)
{
	s->p += strspn(s->p, SPACE);
}

/* Between elements there may be empty ones. */
static void skip_commas(struct scan *s)
{
	s->p += strspn(s->p, SPACE ",");
}

static const char *token(struct scan *s)
{
	size_t len = strspn(s->p, TOKEN);
	const char *text = len ? arena_strndup(s->arena, s->p, len) : NULL;

	s->p += len;
	return text;
}

/* Where it ends: at its '"', or at the end of all. */
static const char *quoted_end(const char *p)
{
	for (; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return p;
}

/* "a\"b": NULL when it does not end. It gets no more memory than it has bytes: there may be thousands. */
static const char *quoted(struct scan *s)
{
	const char *last = quoted_end(s->p + 1);
	char *out, *end;

	if (!*last)
		return NULL;
	end = out = arena_alloc(s->arena, (size_t)(last - s->p));
	for (s->p++; s->p < last; s->p++) {
		if (*s->p == '\\')
			s->p++;
		*end++ = *s->p;
	}
	s->p++;
	return out;
}

/* Behind '='. The first of a name counts. */
static bool parameter(struct scan *s, const char *name, struct challenge *out)
{
	const char *value;

	skip_space(s);
	value = *s->p == '"' ? quoted(s) : token(s);
	if (!value)
		return false;
	for (size_t i = 0; s->in_bearer && i < COUNT(parameters); i++) {
		const char **field = (const char **)((char *)out + parameters[i].offset);

		if (strcasecmp(parameters[i].name, name) == 0 && !*field)
			*field = value;
	}
	return true;
}

/* The second of a kind is passed over: one realm's parameters never mix with another's. */
static void scheme(struct scan *s, const char *name, struct challenge *out)
{
	bool bearer = strcasecmp(name, "Bearer") == 0;

	s->in_bearer = bearer && !out->bearer;
	out->bearer |= bearer;
	out->basic |= strcasecmp(name, "Basic") == 0;
	/* token68, as "Negotiate TlRM==": it is no parameter, and ends its challenge */
	if (*s->p && !strchr(SPACE ",", *s->p))
		return;
	skip_space(s);
	size_t len = strspn(s->p, TOKEN "/");
	size_t pad = strspn(s->p + len, "=");
	const char *rest = s->p + len + pad;

	rest += strspn(rest, SPACE);
	if (len && pad && (!*rest || *rest == ','))
		s->p = rest;
}

bool challenge_parse(struct arena *a, const char *text, struct challenge *out)
{
	struct scan s = {.arena = a, .p = text};
	struct challenge found = {0};

	for (skip_commas(&s); *s.p; skip_commas(&s)) {
		const char *name = token(&s);
		const char *behind = s.p + strspn(s.p, SPACE);

		if (!name)
			return false;
		if (*behind != '=') {
			scheme(&s, name, &found);
			continue;
		}
		s.p = behind + 1;
		if (!parameter(&s, name, &found))
			return false;
	}
	*out = found;
	return found.basic || found.bearer;
}
