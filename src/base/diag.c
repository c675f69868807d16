#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/diag.h"
#include "stepcell/limits.h"

__attribute__((format(printf, 5, 0))) static void add(struct diags *d, enum diag_level level,
						      struct place at, const char *rule,
						      const char *fmt, va_list args)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_DIAG_TEXT);

	if (level == DIAG_ERROR)
		d->errors++;
	if (d->count >= (d->max ? d->max : LIMIT_DIAGS))
		return;
	strbuf_vaddf(&text, fmt, args);
	d->list = arena_grow(d->arena, d->list, d->count, sizeof(*d->list));
	d->list[d->count++] =
		(struct diag){level, at, rule, arena_strndup(d->arena, text.text, text.len)};
}

void diag_error(struct diags *d, struct place at, const char *rule, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(d, DIAG_ERROR, at, rule, fmt, args);
	va_end(args);
}

void diag_warn(struct diags *d, struct place at, const char *rule, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(d, DIAG_WARNING, at, rule, fmt, args);
	va_end(args);
}

/* Stable by place, so that what was found first at one place is said first. */
static int by_place(const void *a, const void *b)
{
	const struct diag *const *x = a, *const *y = b;
	const struct place *p = &(*x)->at, *q = &(*y)->at;
	int files = p->file && q->file ? strcmp(p->file, q->file) : 0;

	if (files)
		return files;
	if (p->line != q->line)
		return p->line < q->line ? -1 : 1;
	if (p->col != q->col)
		return p->col < q->col ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

static void add_place(struct strbuf *out, const struct place *at)
{
	const char *file = at->file ? at->file : "(computed)";

	strbuf_add_visible(out, file, strlen(file));
	if (at->in) {
		strbuf_addc(out, '#');
		node_write_pointer(out, at);
	}
	if (at->line)
		strbuf_addf(out, ":%u:%u", at->line, at->col);
}

static void print_one(const struct diag *diag, FILE *out)
{
	auto_strbuf struct strbuf line = STRBUF(16 * KIB);

	add_place(&line, &diag->at);
	strbuf_adds(&line, diag->level == DIAG_ERROR ? ": error: " : ": warning: ");
	strbuf_add_visible(&line, diag->text, strlen(diag->text));
	(void)fprintf(out, "%s [%s]\n", line.text, diag->rule);
}

const struct diag **diags_sorted(const struct diags *d)
{
	const struct diag **sorted = arena_array(d->arena, d->count + 1, sizeof(*sorted));

	for (size_t i = 0; i < d->count; i++)
		sorted[i] = &d->list[i];
	qsort(sorted, d->count, sizeof(*sorted), by_place);
	return sorted;
}

void diags_print(const struct diags *d, FILE *out)
{
	const struct diag **sorted = diags_sorted(d);

	for (size_t i = 0; i < d->count; i++)
		print_one(sorted[i], out);
}

int diags_fail(const struct diags *d, struct err *err)
{
	auto_strbuf struct strbuf line = STRBUF(2000);

	for (size_t i = 0; i < d->count; i++) {
		if (d->list[i].level != DIAG_ERROR)
			continue;
		add_place(&line, &d->list[i].at);
		strbuf_adds(&line, ": ");
		strbuf_add_visible(&line, d->list[i].text, strlen(d->list[i].text));
		break;
	}
	return err_fail(err, ERR_USAGE, "%s", line.text);
}
