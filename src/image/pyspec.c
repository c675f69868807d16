#include "image/pyspec.h"

#include <stdio.h>
#include <string.h>

#include "stepcell/util.h"

/* Other Pythons, by how their names begin in a version. */
static const struct {
	const char *prefix, *name;
} others[] = {
	{"pypy", "PyPy"},
	{"graalpy", "GraalPy"},
};

static int refuse_other(const char *text, const char *name, struct err *err)
{
	return err_fail(err, ERR_SYSTEM,
			"'%s' is %s, and there are toolchains of CPython alone; ask for one, such "
			"as 3.11, or bring %s along in the job's image (--image)",
			text, name, name);
}

/* "3.13" or "3.13.1" at the beginning: how many numbers, and where they end. */
static int take_numbers(const char *text, const char **end)
{
	int count = 0;
	const char *p = text;

	for (;;) {
		size_t digits = strspn(p, "0123456789");

		if (!digits)
			return 0;
		*end = p += digits;
		if (++count == 3 || *p != '.')
			return count;
		p++;
	}
}

/* The "b2" of "3.14.0b2". */
static size_t prerelease_len(const char *p)
{
	size_t letters = strncmp(p, "rc", 2) == 0 ? 2 : *p == 'a' || *p == 'b' ? 1 : 0;

	return letters ? letters + strspn(p + letters, "0123456789") : 0;
}

int python_spec_parse(const char *text, bool prereleases, struct python_spec *out, struct err *err)
{
	struct python_spec spec = {0};
	const char *end = text, *rest;
	int numbers = take_numbers(text, &end);
	bool dev = false;

	for (size_t i = 0; i < COUNT(others); i++)
		if (strncmp(text, others[i].prefix, strlen(others[i].prefix)) == 0)
			return refuse_other(text, others[i].name, err);
	if (strlen(text) >= sizeof(spec.range) - 8)
		return err_fail(err, ERR_USAGE, "'%.40s...' is too long for a version", text);
	if (numbers == 3)
		end += prerelease_len(end);
	rest = end;
	if (numbers >= 2 && *rest == 't') {
		spec.freethreaded = true;
		rest++;
	}
	if (numbers == 2 && strcmp(rest, "-dev") == 0) {
		dev = true;
		rest += strlen("-dev");
	}
	if (*rest) { /* a range, or nothing that we know */
		spec.freethreaded = dev = false;
		end = text + strlen(text);
	}
	if (dev || (prereleases && numbers == 2 && !*rest))
		(void)snprintf(spec.range, sizeof(spec.range), "~%.*s.0-0", (int)(end - text),
			       text);
	else
		(void)snprintf(spec.range, sizeof(spec.range), "%.*s", (int)(end - text), text);
	*out = spec;
	return 0;
}
