/* What the operator set for lint, and the files that a command line stands for. */
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/lint.h"
#include "stepcell/config.h"
#include "stepcell/decode.h"
#include "stepcell/util.h"

#define FILES_MAX 100000

/* ---- configuration ---- */

/* A map from rules to off, warning or error. */
static bool decode_rules(struct decode *d, const struct field *field, const struct node *value,
			 void *out)
{
	static const char *const words[] = {"off", "warning", "error", NULL};
	const struct field as_word = {.key = field->key, .arg = words};
	bool ok = true;

	if (value->kind != NODE_MAP)
		return decode_wrong(d, value, "a map of rules");
	for (size_t i = 0; i < value->count; i++) {
		const struct node_pair *p = &value->pairs[i];
		int ignored;

		if (!lint_rule_find(p->key->text)) {
			diag_error(d->diags, p->key->at, "config",
				   "no rule '%.60s'; 'stepcell lint --rules' lists them",
				   p->key->text);
			ok = false;
		}
		ok &= decode_enum(d, &as_word, p->value, &ignored);
	}
	*(const struct node **)out = value;
	return ok;
}

static const struct field fields[] = {
	{"rules", decode_rules, offsetof(struct lint_config, rules), 0, NULL},
	{"labels", decode_list, offsetof(struct lint_config, labels), 0, NULL},
};

int lint_config_load(struct arena *a, struct lint_config *out, struct err *err)
{
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags, .rule = "config"};
	const struct node *section;

	*out = (struct lint_config){0};
	if (config_section(a, "lint", &section, err) < 0)
		return -1;
	if (!section || decode_map(&d, fields, COUNT(fields), "lint", section, out))
		return 0;
	(void)diags_fail(&diags, err);
	return err_wrap(err, "configuration");
}

/* ---- files ---- */

static bool is_yaml(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot != name && (strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

static int add(struct arena *a, struct texts *files, const char *path, struct err *err)
{
	if (files->count == FILES_MAX)
		return err_fail(err, ERR_USAGE, "more than %d files", FILES_MAX);
	texts_add(a, files, arena_strdup(a, path));
	return 0;
}

static int by_name(const FTSENT **x, const FTSENT **y)
{
	return strcmp((*x)->fts_name, (*y)->fts_name);
}

static int walk(struct arena *a, FTS *fts, struct texts *files, struct err *err)
{
	const FTSENT *e;

	while ((errno = 0, e = fts_read(fts))) {
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) {
			errno = e->fts_errno;
			return err_sys(err, "cannot read '%s'", e->fts_path);
		}
		if (e->fts_info == FTS_F && is_yaml(e->fts_name) &&
		    add(a, files, e->fts_path, err) < 0)
			return -1;
	}
	return errno ? err_sys(err, "cannot list the files") : 0;
}

/* Every YAML file below a folder; no link inside is followed. */
static int add_folder(struct arena *a, const char *folder, struct texts *files, struct err *err)
{
	size_t before = files->count;
	char *const roots[] = {arena_strdup(a, folder), NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	int got = fts ? walk(a, fts, files, err) : err_sys(err, "cannot open '%s'", folder);

	if (fts)
		(void)fts_close(fts);
	if (!got && files->count == before)
		return err_fail(err, ERR_USAGE, "no YAML file (*.yml, *.yaml) below '%s'", folder);
	return got;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int lint_files_find(struct arena *a, char *const *words, struct texts *out, struct err *err)
{
	static char usual[] = ".github/workflows";
	char *const none[] = {usual, NULL};
	int got = 0;

	*out = (struct texts){0};
	if (!*words && !is_folder(usual))
		return err_fail(err, ERR_USAGE,
				"no file given, and no folder %s here; name files or folders",
				usual);
	for (words = *words ? words : none; *words && !got; words++)
		got = is_folder(*words) ? add_folder(a, *words, out, err)
					: add(a, out, *words, err);
	if (got)
		err->kind = ERR_USAGE;
	return got;
}
