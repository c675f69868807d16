/* Findings for a person, and as the annotations of a workflow's log. */
#include <stdio.h>
#include <string.h>

#include "cli/lint.h"
#include "stepcell/limits.h"
#include "stepcell/strbuf.h"

const char *lint_level_word(enum diag_level level)
{
	return level == DIAG_ERROR ? "error" : "warning";
}

/* ---- text ---- */

#define BOLD   "\033[1m"
#define RED    "\033[1;31m"
#define YELLOW "\033[1;33m"
#define BLUE   "\033[34m"
#define PLAIN  "\033[0m"

static const char *style(const struct lint_report *r, const char *code)
{
	return r->colour ? code : "";
}

/* As many columns as the visible form of `text` takes; a tab stays one. */
static void add_blank(struct strbuf *out, const char *text, size_t len)
{
	auto_strbuf struct strbuf visible = STRBUF(8 * KIB);

	strbuf_add_visible(&visible, text, len);
	for (size_t i = 0; i < visible.len; i++)
		if ((visible.text[i] & 0xc0) != 0x80)
			strbuf_addc(out, visible.text[i] == '\t' ? '\t' : ' ');
}

static size_t bytes_of(const char *text, unsigned characters)
{
	size_t n = 0;

	while (text[n] && characters-- > 0)
		for (n++; (text[n] & 0xc0) == 0x80; n++)
			;
	return n;
}

/* The line, and a mark below what it is about. */
static void add_excerpt(const struct lint_report *r, const struct finding *f, struct strbuf *out)
{
	const struct excerpt *e = &f->excerpt;

	strbuf_addf(out, "%s%6u |%s ", style(r, BLUE), f->at.line, style(r, PLAIN));
	strbuf_adds(out, e->from > 1 ? "..." : "");
	strbuf_add_visible(out, e->text, strlen(e->text));
	strbuf_addf(out, "\n%s       |%s %s", style(r, BLUE), style(r, PLAIN),
		    e->from > 1 ? "   " : "");
	add_blank(out, e->text, bytes_of(e->text, f->at.col - e->from));
	strbuf_addf(out, "%s^", style(r, RED));
	for (unsigned i = 1; i < e->width; i++)
		strbuf_addc(out, '~');
	strbuf_addf(out, "%s\n", style(r, PLAIN));
}

static void add_place(const struct finding *f, struct strbuf *out)
{
	const char *file = f->at.file ? f->at.file : "(computed)";

	strbuf_add_visible(out, file, strlen(file));
	if (f->at.line)
		strbuf_addf(out, ":%u:%u", f->at.line, f->at.col);
}

static void show_text(const struct lint_report *r, const struct finding *f)
{
	auto_strbuf struct strbuf out = STRBUF(64 * KIB);

	if (f->silenced)
		return;
	strbuf_adds(&out, style(r, BOLD));
	add_place(f, &out);
	strbuf_addf(&out, ":%s %s%s:%s ", style(r, PLAIN),
		    style(r, f->level == DIAG_ERROR ? RED : YELLOW), lint_level_word(f->level),
		    style(r, PLAIN));
	strbuf_add_visible(&out, f->text, strlen(f->text));
	strbuf_addf(&out, " [%s]\n", f->rule->id);
	if (f->excerpt.text)
		add_excerpt(r, f, &out);
	strbuf_addf(&out, "       %s=%s %s\n", style(r, BLUE), style(r, PLAIN), f->rule->mend);
	(void)fputs(out.text, stdout);
}

static void count_of(size_t n, const char *what, const char *separator)
{
	(void)fprintf(stderr, "%s%zu %s%s", separator, n, what, n == 1 ? "" : "s");
}

static void end_text(const struct lint_report *r)
{
	if (!r->errors && !r->warnings && !r->silenced)
		return;
	(void)fflush(stdout);
	count_of(r->errors, "error", "");
	count_of(r->warnings, "warning", ", ");
	count_of(r->files, "file", " in ");
	if (r->silenced)
		(void)fprintf(stderr, "; %zu silenced", r->silenced);
	(void)fputs("\n", stderr);
}

static void rules_text(void)
{
	size_t count;
	const struct lint_rule *rules = lint_rules(&count);

	for (size_t i = 0; i < count; i++)
		(void)printf("%-21s %-8s %s\n%-21s %-8s = %s\n", rules[i].id,
			     lint_level_word(rules[i].level), rules[i].means, "", "",
			     rules[i].mend);
}

const struct lint_format lint_text = {
	.name = "text",
	.show = show_text,
	.end = end_text,
	.rules = rules_text,
};

/* ---- github ---- */

/* What would end the command's line, or a property of it, is written as a percent and digits. */
static void add_escaped(struct strbuf *out, const char *text, const char *special)
{
	for (; *text; text++)
		if (strchr(special, *text))
			strbuf_addf(out, "%%%02X", (unsigned)(unsigned char)*text);
		else
			strbuf_addc(out, *text);
}

#define DATA     "%\r\n"
#define PROPERTY "%\r\n:,"

static void show_github(const struct lint_report *r, const struct finding *f)
{
	auto_strbuf struct strbuf out = STRBUF(64 * KIB);

	(void)r;
	if (f->silenced)
		return;
	strbuf_addf(&out, "::%s file=", lint_level_word(f->level));
	add_escaped(&out, f->at.file ? f->at.file : "", PROPERTY);
	if (f->at.line)
		strbuf_addf(&out, ",line=%u,col=%u,endColumn=%u", f->at.line, f->at.col,
			    f->at.col + (f->excerpt.width ? f->excerpt.width : 1));
	strbuf_addf(&out, ",title=%s::", f->rule->id);
	add_escaped(&out, f->text, DATA);
	strbuf_adds(&out, "%0A");
	add_escaped(&out, f->rule->mend, DATA);
	(void)printf("%s\n", out.text);
}

const struct lint_format lint_github = {
	.name = "github",
	.show = show_github,
	.rules = rules_text,
};
