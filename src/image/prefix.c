/* prefix: a Python that is installed on the host becomes a layer. rootfs/prefix.py does the work. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/build.h"
#include "image/version.h"

/* "3.10.13" of ".../versions/3.10.13" or ".../3.10.13/x64"; 0.0.0 where the path says nothing. */
static struct version version_of_path(const char *path)
{
	struct version v = {{0}, ""};

	for (const char *p = path; (p = strchr(p, '/')); p++) {
		char part[64];
		size_t len = strcspn(p + 1, "/");
		struct version found;

		if (len >= sizeof(part))
			continue;
		(void)memcpy(part, p + 1, len);
		part[len] = '\0';
		if (version_parse(part, &found))
			v = found;
	}
	return v;
}

static bool holds_python(struct arena *a, const char *path, const char *python)
{
	return access(arena_printf(a, "%s/bin/python%s", path, python), X_OK) == 0;
}

/* The highest version that a pattern names, or NULL. */
static const char *search(struct arena *a, const char *pattern, const char *python)
{
	struct version best = {{0}, ""};
	const char *found = NULL;
	glob_t names = {0};

	if (glob(pattern, GLOB_TILDE | GLOB_NOSORT, NULL, &names) != 0)
		return NULL;
	for (size_t i = 0; i < names.gl_pathc; i++) {
		struct version v = version_of_path(names.gl_pathv[i]);

		if (!holds_python(a, names.gl_pathv[i], python) ||
		    (found && version_compare(&v, &best) <= 0))
			continue;
		best = v;
		found = arena_strdup(a, names.gl_pathv[i]);
	}
	globfree(&names);
	return found;
}

static int absolute(struct arena *a, const char *path, const char **out, struct err *err)
{
	char *real = realpath(path, NULL);

	if (!real)
		return err_sys(err, "cannot find '%s'", path);
	*out = arena_strdup(a, real);
	free(real);
	return 0;
}

int prefix_find(struct arena *a, const struct recipe *r, const char *given, const char **out,
		struct err *err)
{
	auto_strbuf struct strbuf looked = STRBUF(1024);

	if (given)
		return holds_python(a, given, r->python)
			       ? absolute(a, given, out, err)
			       : err_fail(err, ERR_USAGE, "'%s' has no bin/python%s", given,
					  r->python);
	for (size_t i = 0; i < r->sources.count; i++) {
		const char *found = search(a, r->sources.list[i], r->python);

		if (found)
			return absolute(a, found, out, err);
		strbuf_addf(&looked, "%s%s", i ? ", " : "", r->sources.list[i]);
	}
	return err_fail(err, ERR_SYSTEM,
			"this host has no Python %s; looked in: %s. Install one, for example with "
			"pyenv, or name its folder with --source",
			r->python, looked.text);
}

int prefix_command(struct arena *a, const struct recipe *r, const char *source,
		   struct build_command *out, struct err *err)
{
	struct texts argv = {0}, env = {0};

	(void)err;
	texts_add(a, &argv, arena_printf(a, "%s/bin/python%s", source, r->python));
	/* Nobody's site-packages, nobody's environment: the library alone. */
	texts_add(a, &argv, "-s");
	texts_add(a, &argv, "-S");
	texts_add(a, &argv, "-B");
	texts_add(a, &argv, arena_printf(a, "%s/prefix.py", r->folder));
	texts_add(a, &argv, source);
	texts_add(a, &env, "PATH=/usr/bin:/bin");
	texts_add(a, &env, "LC_ALL=C.UTF-8");
	texts_add(a, &env, "PYTHONHASHSEED=0");
	texts_add(a, &env, "SOURCE_DATE_EPOCH=" BUILD_EPOCH);
	*out = (struct build_command){texts_end(a, &argv), texts_end(a, &env), false};
	return 0;
}
