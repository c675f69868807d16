/* Findings for programs: JSON, and SARIF 2.1.0. Written as they are found: there may be many. */
#include <stdio.h>
#include <string.h>

#include "cli/lint.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/utf8.h"

/* One value on a line of its own, and a comma before it unless it is the first. */
static void print_item(bool *more, const struct node *value)
{
	auto_strbuf struct strbuf out = STRBUF(256 * KIB);

	json_write(&out, value);
	(void)printf("%s\n%s", *more ? "," : "", out.text);
	*more = true;
}

/* A path or a line of a file can be any bytes, JSON can not. */
static void set_clean(struct arena *a, struct node *map, const char *key, const char *text)
{
	auto_strbuf struct strbuf clean = STRBUF(64 * KIB);

	(void)utf8_clean(text, strlen(text), 64 * KIB, true, &clean);
	node_set_text(a, map, key, clean.text);
}

static void set_count(struct arena *a, struct node *map, const char *key, size_t n)
{
	node_set(a, map, key, node_number(a, (double)n));
}

/* ---- JSON ---- */

static const struct node *rule_node(struct arena *a, const struct lint_rule *rule)
{
	struct node *out = node_map(a);

	node_set_text(a, out, "id", rule->id);
	node_set_text(a, out, "level", lint_level_word(rule->level));
	node_set_text(a, out, "means", rule->means);
	node_set_text(a, out, "mend", rule->mend);
	node_set(a, out, "security", node_bool(rule->security));
	return out;
}

static const struct node *finding_node(struct arena *a, const struct finding *f)
{
	struct node *out = node_map(a);

	set_clean(a, out, "file", f->at.file ? f->at.file : "");
	set_count(a, out, "line", f->at.line);
	set_count(a, out, "column", f->at.col);
	set_count(a, out, "end_column", f->at.col + f->excerpt.width);
	node_set_text(a, out, "level", lint_level_word(f->level));
	node_set_text(a, out, "rule", f->rule->id);
	set_clean(a, out, "message", f->text);
	node_set_text(a, out, "mend", f->rule->mend);
	if (f->excerpt.text)
		set_clean(a, out, "source", f->excerpt.text);
	if (f->silenced)
		set_clean(a, out, "silenced", f->silenced);
	return out;
}

static void begin_json(const struct lint_report *r)
{
	(void)r;
	(void)printf("{\"findings\": [");
}

static void show_json(const struct lint_report *r, const struct finding *f)
{
	auto_arena struct arena *a = arena_new();
	bool more = r->shown > 0;

	print_item(&more, finding_node(a, f));
}

static void end_json(const struct lint_report *r)
{
	(void)printf(
		"\n], \"errors\": %zu, \"warnings\": %zu, \"silenced\": %zu, \"files\": %zu}\n",
		r->errors, r->warnings, r->silenced, r->files);
}

static void rules_json(void)
{
	auto_arena struct arena *a = arena_new();
	bool more = false;
	size_t count;
	const struct lint_rule *rules = lint_rules(&count);

	(void)printf("[");
	for (size_t i = 0; i < count; i++)
		print_item(&more, rule_node(a, &rules[i]));
	(void)printf("\n]\n");
}

const struct lint_format lint_json = {
	.name = "json",
	.begin = begin_json,
	.show = show_json,
	.end = end_json,
	.rules = rules_json,
};

/* ---- SARIF ---- */

static const struct node *text_node(struct arena *a, const char *text)
{
	struct node *out = node_map(a);

	set_clean(a, out, "text", text);
	return out;
}

/* By this tag readers tell alerts about security from those about style. */
static const struct node *security_tag(struct arena *a)
{
	struct node *out = node_map(a), *tags = node_list(a);

	node_add(a, tags, node_string(a, "security"));
	node_set(a, out, "tags", tags);
	return out;
}

static const struct node *sarif_rule(struct arena *a, const struct lint_rule *rule)
{
	struct node *out = node_map(a), *level = node_map(a);

	node_set_text(a, level, "level", lint_level_word(rule->level));
	node_set_text(a, out, "id", rule->id);
	node_set(a, out, "shortDescription", text_node(a, rule->means));
	node_set(a, out, "help", text_node(a, rule->mend));
	node_set(a, out, "defaultConfiguration", level);
	if (rule->security)
		node_set(a, out, "properties", security_tag(a));
	return out;
}

/* A path as a reference: what a URI may not have is written as a percent and digits. */
static void set_uri(struct arena *a, struct node *map, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~/";
	auto_strbuf struct strbuf out = STRBUF(16 * KIB);

	path += strncmp(path, "./", 2) == 0 ? 2 : 0;
	for (; *path; path++)
		if (strchr(plain, *path))
			strbuf_addc(&out, *path);
		else
			strbuf_addf(&out, "%%%02X", (unsigned)(unsigned char)*path);
	node_set_text(a, map, "uri", out.text);
}

static const struct node *sarif_location(struct arena *a, const struct finding *f)
{
	struct node *artifact = node_map(a), *region = node_map(a), *physical = node_map(a);
	struct node *out = node_map(a);

	set_uri(a, artifact, f->at.file ? f->at.file : "");
	node_set(a, physical, "artifactLocation", artifact);
	if (f->at.line) {
		set_count(a, region, "startLine", f->at.line);
		set_count(a, region, "startColumn", f->at.col ? f->at.col : 1);
		if (f->excerpt.text) {
			set_count(a, region, "endColumn", f->at.col + f->excerpt.width);
			node_set(a, region, "snippet", text_node(a, f->excerpt.text));
		}
		node_set(a, physical, "region", region);
	}
	node_set(a, out, "physicalLocation", physical);
	return out;
}

static const struct node *sarif_silenced(struct arena *a, const struct finding *f)
{
	struct node *list = node_list(a), *one = node_map(a);

	node_set_text(a, one, "kind", "inSource");
	if (*f->silenced)
		set_clean(a, one, "justification", f->silenced);
	node_add(a, list, one);
	return list;
}

static const struct node *sarif_result(struct arena *a, const struct finding *f)
{
	struct node *out = node_map(a), *locations = node_list(a);
	size_t count;

	node_add(a, locations, sarif_location(a, f));
	node_set_text(a, out, "ruleId", f->rule->id);
	set_count(a, out, "ruleIndex", (size_t)(f->rule - lint_rules(&count)));
	node_set_text(a, out, "level", lint_level_word(f->level));
	node_set(a, out, "message", text_node(a, f->text));
	node_set(a, out, "locations", locations);
	if (f->silenced)
		node_set(a, out, "suppressions", sarif_silenced(a, f));
	return out;
}

static void begin_sarif(const struct lint_report *r)
{
	auto_arena struct arena *a = arena_new();
	bool more = false;
	size_t count;
	const struct lint_rule *rules = lint_rules(&count);

	(void)r;
	(void)printf("{\"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\",\n"
		     "\"version\": \"2.1.0\",\n\"runs\": [{\"tool\": {\"driver\": {\"name\": "
		     "\"stepcell\", \"rules\": [");
	for (size_t i = 0; i < count; i++)
		print_item(&more, sarif_rule(a, &rules[i]));
	(void)printf("\n]}},\n\"columnKind\": \"unicodeCodePoints\",\n\"results\": [");
}

static void show_sarif(const struct lint_report *r, const struct finding *f)
{
	auto_arena struct arena *a = arena_new();
	bool more = r->shown > 0;

	print_item(&more, sarif_result(a, f));
}

static void end_sarif(const struct lint_report *r)
{
	(void)r;
	(void)printf("\n]}]}\n");
}

const struct lint_format lint_sarif = {
	.name = "sarif",
	.begin = begin_sarif,
	.show = show_sarif,
	.end = end_sarif,
	.rules = rules_json,
};
