#include "runner/envfile.h"

#include <fnmatch.h>
#include <stdint.h>
#include <string.h>

#include "stepcell/limits.h"
#include "stepcell/utf8.h"
#include "stepcell/util.h"

/*
 * Variables by which one step would run its own code in the programs of later
 * steps. GitHub refuses the first; the rest has honest uses too (setup-python
 * sets LD_LIBRARY_PATH), so that a policy says who is refused them.
 */
static const struct {
	const char *pattern;
	bool always;
	const char *reason;
} refusals[] = {
	{"NODE_OPTIONS", true, "it loads code into every node program of later steps"},
	{"LD_*", false, "it changes which libraries later programs load"},
	{"GCONV_PATH", false, "it makes the C library load code"},
	{"LOCPATH", false, "it changes which files the C library trusts"},
	{"BASH_ENV", false, "bash runs the file that it names before every script"},
	{"ENV", false, "sh runs the file that it names"},
	{"SHELLOPTS", false, "it changes how bash reads scripts"},
	{"BASHOPTS", false, "it changes how bash reads scripts"},
	{"BASH_FUNC_*", false, "bash defines a function from it"},
	{"PS4", false, "bash expands it when it traces"},
	{"PROMPT_COMMAND", false, "bash runs it"},
	{"IFS", false, "it changes how shells split words"},
	{"PYTHONSTARTUP", false, "python runs the file that it names"},
	{"PYTHONPATH", false, "it changes which modules later pythons load"},
	{"PYTHONHOME", false, "it changes which library later pythons load"},
	{"PYTHONUSERBASE", false, "it changes which modules later pythons load"},
	{"PYTHONBREAKPOINT", false, "it names code that python runs"},
	{"PYTHONINSPECT", false, "it keeps python open for commands"},
	{"PYTHONWARNINGS", false, "it can name modules that python loads"},
	{"PERL5OPT", false, "it loads code into every perl program"},
	{"PERL5LIB", false, "it changes which modules perl loads"},
	{"RUBYOPT", false, "it loads code into every ruby program"},
	{"RUBYLIB", false, "it changes which modules ruby loads"},
	{"NODE_PATH", false, "it changes which modules node loads"},
	{"NODE_EXTRA_CA_CERTS", false, "it changes which servers node trusts"},
	{"NPM_CONFIG_*", false, "it changes where npm gets packages from"},
	{"PIP_*", false, "it changes where pip gets packages from"},
	{"JAVA_TOOL_OPTIONS", false, "it loads code into every java program"},
	{"_JAVA_OPTIONS", false, "it loads code into every java program"},
	{"JDK_JAVA_OPTIONS", false, "it loads code into every java program"},
	{"MAVEN_OPTS", false, "it loads code into every maven build"},
	{"GRADLE_OPTS", false, "it loads code into every gradle build"},
	{"RUSTC_WRAPPER", false, "cargo runs it in the compiler's place"},
	{"GIT_*", false, "it changes what git runs and where it looks"},
	{"SSH_*", false, "it changes what ssh trusts and runs"},
	{"*_PROXY", false, "it sends later traffic through another host"},
	{"SSL_CERT_*", false, "it changes which servers are trusted"},
	{"REQUESTS_CA_BUNDLE", false, "it changes which servers python trusts"},
	{"CURL_CA_BUNDLE", false, "it changes which servers curl trusts"},
	{"EDITOR", false, "git and others run it"},
	{"PAGER", false, "git and others run it"},
};

const char *envfile_refuses(const char *name, bool guarded)
{
	for (size_t i = 0; i < COUNT(refusals); i++) {
		if ((guarded || refusals[i].always) &&
		    !fnmatch(refusals[i].pattern, name, FNM_CASEFOLD))
			return refusals[i].reason;
	}
	return NULL;
}

/* ---- the grammar ---- */

struct reader {
	struct arena *arena;
	const char *text;
	size_t len, at;
	unsigned line; /* the one that was read last */
	struct err *err;
};

struct span {
	const char *text;
	size_t len;
	bool ended; /* by a newline, not by the end of the file */
};

static bool read_line(struct reader *r, struct span *out)
{
	const char *start = r->text + r->at;
	const char *lf = memchr(start, '\n', r->len - r->at);

	if (r->at == r->len)
		return false;
	out->text = start;
	out->ended = lf != NULL;
	out->len = lf ? (size_t)(lf - start) : r->len - r->at;
	r->at += out->len + (lf ? 1 : 0);
	r->line++;
	return true;
}

static int fail(struct reader *r, unsigned at, const char *what, const char *text, size_t len,
		const char *why)
{
	return err_fail(r->err, ERR_USAGE, "line %u: %s '%.*s'%s", at, what,
			(int)(len < 200 ? len : 200), text, why);
}

static const char *clean(struct reader *r, const char *text, size_t len)
{
	auto_strbuf struct strbuf out = STRBUF(3 * len + 1);

	(void)utf8_clean(text, len, SIZE_MAX, true, &out);
	return arena_strndup(r->arena, out.text, out.len);
}

static const char *refusal(struct arena *a, const struct envfile_pair *pair, bool guarded)
{
	const char *why = envfile_refuses(pair->name, guarded);

	return why ? arena_printf(a, "line %u: '%s' may not be set for later steps: %s", pair->line,
				  pair->name, why)
		   : NULL;
}

static int add(struct reader *r, struct span name, struct span value, enum envfile_kind kind,
	       unsigned line, struct envfile_pairs *out)
{
	struct envfile_pair pair = {.line = line};

	if (out->count == LIMIT_ENV_PAIRS)
		return err_fail(r->err, ERR_USAGE, "line %u: more than %u values", line,
				LIMIT_ENV_PAIRS);
	pair.name = clean(r, name.text, name.len);
	pair.value = clean(r, value.text, value.len);
	if (kind == ENVFILE_ENV || kind == ENVFILE_ENV_GUARDED)
		pair.refused = refusal(r->arena, &pair, kind == ENVFILE_ENV_GUARDED);
	out->list = arena_grow(r->arena, out->list, out->count, sizeof(*out->list));
	out->list[out->count++] = pair;
	return 0;
}

/* The lines up to `delimiter`, without the newline of the last. */
static int read_block(struct reader *r, struct span delimiter, struct span *out)
{
	struct span line;
	size_t start = r->at, end = r->at;
	unsigned first = r->line;

	while (read_line(r, &line)) {
		if (line.len == delimiter.len && !memcmp(line.text, delimiter.text, line.len)) {
			*out = (struct span){.text = r->text + start, .len = end - start};
			return 0;
		}
		end = r->at - 1;
	}
	return fail(r, first, "Invalid value. Matching delimiter not found", delimiter.text,
		    delimiter.len, "");
}

static int parse_line(struct reader *r, struct span line, enum envfile_kind kind,
		      struct envfile_pairs *out)
{
	const char *equals = memchr(line.text, '=', line.len);
	const char *heredoc = memmem(line.text, line.len, "<<", 2);
	const char *mark = heredoc && (!equals || heredoc < equals) ? heredoc : equals;
	struct span name = {.text = line.text}, value;
	unsigned at = r->line;

	if (!mark)
		return fail(r, at, "Invalid format", line.text, line.len, "");
	name.len = (size_t)(mark - line.text);
	value.text = mark + (mark == heredoc ? 2 : 1);
	value.len = (size_t)(line.text + line.len - value.text);
	if (mark != heredoc && !name.len)
		return fail(r, at, "Invalid format", line.text, line.len,
			    ". Name must not be empty");
	if (mark == heredoc && (!name.len || !value.len))
		return fail(r, at, "Invalid format", line.text, line.len,
			    ". Name must not be empty and delimiter must not be empty");
	if (mark == heredoc && read_block(r, value, &value) < 0)
		return -1;
	return add(r, name, value, kind, at, out);
}

/* A byte order mark is no part of the first name. */
static void skip_mark(struct reader *r)
{
	if (r->len >= 3 && !memcmp(r->text, "\xef\xbb\xbf", 3))
		r->at = 3;
}

static int refuse_bytes(const char *text, size_t len, struct err *err)
{
	const char *nul = memchr(text, '\0', len);
	unsigned line = 1;

	if (len > LIMIT_FILE_COMMAND)
		return err_fail(err, ERR_USAGE, "larger than %u MiB",
				(unsigned)(LIMIT_FILE_COMMAND / MIB));
	if (!nul)
		return 0;
	for (const char *p = text; p < nul; p++)
		line += *p == '\n';
	return err_fail(err, ERR_USAGE, "line %u: a NUL byte", line);
}

int envfile_parse(struct arena *a, const char *text, size_t len, enum envfile_kind kind,
		  struct envfile_pairs *out, struct err *err)
{
	struct reader r = {.arena = a, .text = text, .len = len, .err = err};
	struct envfile_pairs pairs = {0};
	struct span line;

	if (refuse_bytes(text, len, err) < 0)
		return -1;
	skip_mark(&r);
	while (read_line(&r, &line)) {
		if (line.len && parse_line(&r, line, kind, &pairs) < 0)
			return -1;
	}
	*out = pairs;
	return 0;
}

int pathfile_parse(struct arena *a, const char *text, size_t len, struct texts *out,
		   struct err *err)
{
	struct reader r = {.arena = a, .text = text, .len = len, .err = err};
	struct texts paths = {0};
	struct span line;

	if (refuse_bytes(text, len, err) < 0)
		return -1;
	skip_mark(&r);
	while (read_line(&r, &line)) {
		if (line.len && line.text[line.len - 1] == '\r')
			line.len--;
		if (!line.len)
			continue;
		if (paths.count == LIMIT_ENV_PAIRS)
			return err_fail(err, ERR_USAGE, "line %u: more than %u directories", r.line,
					LIMIT_ENV_PAIRS);
		texts_add(a, &paths, clean(&r, line.text, line.len));
	}
	*out = paths;
	return 0;
}
