#include "spec.h"

#include <string.h>

#include "stepcell/util.h"

static int bad(struct err *err, const char *what, const char *value)
{
	return err_fail(err, ERR_USAGE, "%s: '%s'", what, value ? value : "");
}

/* Absolute, no empty component, no "." and no "..": one place has one name. */
static bool is_place(const char *path)
{
	if (!path || path[0] != '/' || strlen(path) >= 4096)
		return false;
	if (!path[1])
		return true;
	for (const char *p = path; *p;) {
		size_t len = strcspn(++p, "/");

		if (!len || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
	}
	return true;
}

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (!path[len] || path[len] == '/');
}

/* What the cell makes itself is nobody else's to mount on or to start in. */
static bool is_ours(const char *path)
{
	return is_below(path, "/proc") || is_below(path, "/dev") || is_below(path, "/sys");
}

static int check_name(const struct cell_spec *spec, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len = spec->name ? strlen(spec->name) : 0;

	if (len < 1 || len > 63 || strspn(spec->name, allowed) != len)
		return bad(err, "a cell's name is 1 to 63 of a-z, 0-9 and '-'", spec->name);
	return 0;
}

static int check_overlay(const struct cell_overlay *overlay, bool first, struct err *err)
{
	if (!is_place(overlay->at) || is_ours(overlay->at))
		return bad(err, "cannot mount an overlay there", overlay->at);
	if (first != (overlay->at[1] == '\0'))
		return bad(err, "the first overlay is the one at '/', and no other is",
			   overlay->at);
	if (!overlay->layer_count)
		return bad(err, "an overlay without layers", overlay->at);
	for (size_t i = 0; i < overlay->layer_count; i++)
		if (!overlay->layers[i].path || overlay->layers[i].path[0] != '/')
			return bad(err, "a layer's path must be absolute", overlay->layers[i].path);
	if (overlay->upper && overlay->upper[0] != '/')
		return bad(err, "an upper's path must be absolute", overlay->upper);
	return 0;
}

static int check_mounts(const struct cell_spec *spec, struct err *err)
{
	if (!spec->overlay_count)
		return err_fail(err, ERR_USAGE, "a cell without a root");
	for (size_t i = 0; i < spec->overlay_count; i++)
		if (check_overlay(&spec->overlays[i], i == 0, err) < 0)
			return -1;
	for (size_t i = 0; i < spec->bind_count; i++) {
		const struct cell_bind *bind = &spec->binds[i];

		if (!bind->from || bind->from[0] != '/')
			return bad(err, "the path of what is bound must be absolute", bind->from);
		if (!is_place(bind->at) || is_ours(bind->at) || !bind->at[1])
			return bad(err, "cannot bind there", bind->at);
	}
	return 0;
}

static int check_command(const struct cell_spec *spec, struct err *err)
{
	bool command = spec->argv && spec->argv[0] && spec->argv[0][0];

	if (command == (spec->fn != NULL))
		return err_fail(err, ERR_USAGE, "a cell runs one command, or one function");
	if (!spec->env)
		return err_fail(err, ERR_USAGE, "a cell without an environment");
	for (const char *const *env = spec->env; *env; env++)
		if (!strchr(*env, '=') || **env == '=')
			return bad(err, "not NAME=VALUE", *env);
	if (spec->workdir && (spec->workdir[0] != '/' || is_ours(spec->workdir)))
		return bad(err, "cannot start there", spec->workdir);
	return 0;
}

int spec_check(const struct cell_spec *spec, struct err *err)
{
	if (!spec->owner || !spec->state || !spec->seccomp)
		return err_fail(err, ERR_USAGE, "a cell needs an owner, a state home and a filter");
	if (spec->seccomp[0] != '/')
		return bad(err, "a filter's path must be absolute", spec->seccomp);
	if (check_name(spec, err) < 0 || check_mounts(spec, err) < 0)
		return -1;
	return check_command(spec, err);
}
