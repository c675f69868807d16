#define PCRE2_CODE_UNIT_WIDTH 8
#include "runner/regexp.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/clock.h"
#include "stepcell/limits.h"

/*
 * A match tries one place of the line after the other. PCRE2's own limit is of
 * the steps from one place; the callout that stands before the expression sees
 * to the time of all of them.
 */
#define BEFORE "(?C1)(?:"
#define AFTER  ")"

/* Places between two looks at the clock, which costs as much as some of them. */
#define CLOCK_EVERY 4

struct regexp {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	size_t groups;
};

static const uint32_t options = PCRE2_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C |
				PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS |
				PCRE2_MATCH_UNSET_BACKREF;

static int explain(int code, const char *what, struct err *err)
{
	PCRE2_UCHAR text[160];

	if (pcre2_get_error_message(code, text, sizeof(text)) < 0)
		text[0] = '\0';
	return err_fail(err, ERR_USAGE, "%s: %s", what, (const char *)text);
}

static pcre2_compile_context *compile_context(void)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);

	if (!c)
		abort();
	/* a line has none of the others; LF alone keeps '.' what it is elsewhere */
	(void)pcre2_set_newline(c, PCRE2_NEWLINE_LF);
	(void)pcre2_set_parens_nest_limit(c, LIMIT_REGEXP_DEPTH + 2);
	return c;
}

static int compile(struct regexp *re, const char *pattern, struct err *err)
{
	pcre2_compile_context *c = compile_context();
	PCRE2_SIZE at;
	uint32_t groups = 0;
	int code;

	re->code =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &at, c);
	pcre2_compile_context_free(c);
	if (!re->code)
		return explain(code, "not a regular expression", err);
	(void)pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	re->groups = groups + 1;
	if (re->groups > LIMIT_REGEXP_GROUPS)
		return err_fail(err, ERR_USAGE, "more than %u groups", LIMIT_REGEXP_GROUPS);
	return 0;
}

static void prepare_match(struct regexp *re)
{
	re->data = pcre2_match_data_create_from_pattern(re->code, NULL);
	re->context = pcre2_match_context_create(NULL);
	if (!re->data || !re->context)
		abort();
	(void)pcre2_set_match_limit(re->context, LIMIT_REGEXP_STEPS);
	(void)pcre2_set_depth_limit(re->context, LIMIT_REGEXP_STEPS);
	(void)pcre2_set_heap_limit(re->context, LIMIT_REGEXP_HEAP / KIB);
}

int regexp_new(const char *text, struct regexp **out, struct err *err)
{
	auto_strbuf struct strbuf pattern = STRBUF(16 * LIMIT_REGEXP);
	struct regexp *re;

	strbuf_adds(&pattern, BEFORE);
	if (regexp_translate(text, &pattern, err) < 0)
		return -1;
	strbuf_adds(&pattern, AFTER);
	re = calloc(1, sizeof(*re));
	if (!re)
		abort();
	if (compile(re, pattern.text, err) < 0) {
		regexp_free(&re);
		return -1;
	}
	prepare_match(re);
	*out = re;
	return 0;
}

void regexp_free(struct regexp **re)
{
	if (!*re)
		return;
	pcre2_match_context_free((*re)->context);
	pcre2_match_data_free((*re)->data);
	pcre2_code_free((*re)->code);
	free(*re);
	*re = NULL;
}

size_t regexp_groups(const struct regexp *re)
{
	return re->groups;
}

/* ---- matching ---- */

struct patience {
	unsigned places;
	uint64_t end_ms; /* 0: the clock was not looked at yet */
};

/* Called at each place of the line where the expression is tried. */
static int try_place(pcre2_callout_block *block, void *arg)
{
	struct patience *p = arg;
	uint64_t now;

	(void)block;
	if (++p->places % CLOCK_EVERY)
		return 0;
	now = clock_us(CLOCK_THREAD_CPUTIME_ID) / 1000;
	if (!p->end_ms)
		p->end_ms = now + LIMIT_REGEXP_MS;
	return now < p->end_ms ? 0 : PCRE2_ERROR_CALLOUT;
}

static void take_spans(const struct regexp *re, const char *line, struct regexp_span *spans,
		       size_t count)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->data);

	for (size_t i = 0; i < count; i++) {
		bool set = i < re->groups && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];

		spans[i] = set ? (struct regexp_span){line + at[2 * i], at[2 * i + 1] - at[2 * i]}
			       : (struct regexp_span){0};
	}
}

int regexp_match(const struct regexp *re, const char *line, size_t len, struct regexp_span *spans,
		 size_t count, struct err *err)
{
	struct patience patience = {0};
	int found;

	(void)pcre2_set_callout(re->context, try_place, &patience);
	found = pcre2_match(re->code, (PCRE2_SPTR)line, len, 0, 0, re->data, re->context);
	if (found == PCRE2_ERROR_NOMATCH)
		return 0;
	if (found == PCRE2_ERROR_CALLOUT)
		return err_fail(err, ERR_USAGE, "it took more than %u ms", LIMIT_REGEXP_MS);
	if (found < 0)
		return explain(found, "it took too much", err);
	take_spans(re, line, spans, count);
	return 1;
}
