#include "stepcell/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

#define NAME "stepcell/config.yml"

/* A file may speak to every command, so that each must know the sections of all. */
static const char *const sections[] = {"lint", "registries"};

static const char *absolute(const char *name)
{
	const char *value = secure_getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

static int user_path(char *out, size_t size, struct err *err)
{
	const char *dir = absolute("XDG_CONFIG_HOME"), *home = absolute("HOME");

	out[0] = '\0';
	if (dir)
		return path_join(out, size, dir, NAME, err);
	return home ? path_join(out, size, home, ".config/" NAME, err) : 0;
}

/* Opens the first that is there, and says which; -1 in `*fd` when none is. */
static int find(char *path, size_t size, int *fd, struct err *err)
{
	if (user_path(path, size, err) < 0)
		return -1;
	*fd = path[0] ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (*fd < 0 && (!path[0] || errno == ENOENT || errno == ENOTDIR)) {
		if (path_join(path, size, "/etc", NAME, err) < 0)
			return -1;
		*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	return *fd >= 0 || errno == ENOENT || errno == ENOTDIR
		       ? 0
		       : err_sys(err, "cannot open '%s'", path);
}

static bool is_section(const char *name)
{
	for (size_t i = 0; i < COUNT(sections); i++)
		if (strcmp(sections[i], name) == 0)
			return true;
	return false;
}

static int check_sections(const struct node *root, struct diags *diags, struct err *err)
{
	if (root->kind == NODE_NULL)
		return 0;
	if (root->kind != NODE_MAP)
		diag_error(diags, root->at, "config", "expected a map of sections, found %s",
			   node_kind_text(root->kind));
	for (size_t i = 0; root->kind == NODE_MAP && i < root->count; i++)
		if (!is_section(root->pairs[i].key->text))
			diag_error(diags, root->pairs[i].key->at, "config",
				   "unknown section '%s'; expected lint or registries",
				   root->pairs[i].key->text);
	return diags->errors ? diags_fail(diags, err) : 0;
}

static int read_section(struct arena *a, const char *name, const struct node **out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_CONFIG_BYTES);
	struct diags diags = {.arena = a};
	const struct node *root;
	char path[PATH_MAX];
	auto_fd int fd = -1;

	if (find(path, sizeof(path), &fd, err) < 0)
		return -1;
	if (fd < 0)
		return 0;
	if (read_capped(fd, &text, err) < 0)
		return err_wrap(err, "'%s'", path);
	root = yaml_parse(a, path, text.text, text.len, &diags);
	if (!root)
		return diags_fail(&diags, err);
	if (check_sections(root, &diags, err) < 0)
		return -1;
	*out = node_get(root, name);
	return 0;
}

int config_section(struct arena *a, const char *name, const struct node **out, struct err *err)
{
	*out = NULL;
	if (read_section(a, name, out, err) == 0)
		return 0;
	err->kind = ERR_USAGE;
	return err_wrap(err, "configuration");
}
