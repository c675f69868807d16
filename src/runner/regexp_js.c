/*
 * From JavaScript's regular expressions to PCRE2's. What both write alike is
 * copied, what they write differently is rewritten, and everything else is
 * refused: PCRE2 has a language of its own behind (*, (? and \, which a stranger
 * need not have.
 */
#include "runner/regexp.h"

#include <ctype.h>
#include <string.h>

#include "stepcell/limits.h"
#include "stepcell/util.h"

struct reader {
	const char *text, *at;
	struct strbuf *out;
	unsigned depth;  /* of groups that are open */
	bool repeatable; /* what was read last can have a quantifier */
	struct err *err;
};

static int refuse(const struct reader *r, const char *why)
{
	return err_fail(r->err, ERR_USAGE, "at character %zu: %s", (size_t)(r->at - r->text) + 1,
			why);
}

/* ---- escapes ---- */

static unsigned hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);
}

/* Exactly `digits` of them behind the letter at `at`. */
static bool read_hex(const char *at, size_t digits, unsigned *out)
{
	*out = 0;
	for (size_t i = 1; i <= digits; i++) {
		if (!isxdigit((unsigned char)at[i]))
			return false;
		*out = *out * 16 + hex_value(at[i]);
	}
	return true;
}

static int take_hex(struct reader *r, size_t digits)
{
	unsigned value;

	if (!read_hex(r->at, digits, &value))
		return refuse(r, "hexadecimal digits are missing");
	if (value >= 0xd800 && value <= 0xdfff)
		return refuse(r, "half a character; write the character itself");
	strbuf_addf(r->out, "\\x{%x}", value);
	r->at += 1 + digits;
	return 0;
}

static int take_control(struct reader *r)
{
	if (!isalpha((unsigned char)r->at[1]))
		return refuse(r, "a letter is missing behind \\c");
	strbuf_addf(r->out, "\\x{%x}", (unsigned)r->at[1] & 31);
	r->at += 2;
	return 0;
}

/* \1 to \99 are groups, \0 is NUL, and JavaScript's octal numbers are nobody's. */
static int take_digits(struct reader *r, bool in_class)
{
	size_t n = strspn(r->at, "0123456789");

	if (*r->at == '0' && n == 1)
		strbuf_adds(r->out, "\\x{0}");
	else if (in_class || *r->at == '0' || n > 2)
		return refuse(r, "no octal numbers are read");
	else
		strbuf_addf(r->out, "\\g{%.*s}", (int)n, r->at);
	r->at += n;
	return 0;
}

static size_t name_len(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || text[n] == '_')
		n++;
	return n && n <= 32 && !isdigit((unsigned char)*text) && text[n] == '>' ? n : 0;
}

static int take_reference(struct reader *r)
{
	size_t n = r->at[1] == '<' ? name_len(r->at + 2) : 0;

	if (!n)
		return refuse(r, "expected \\k<name>");
	strbuf_addf(r->out, "\\k<%.*s>", (int)n, r->at + 2);
	r->at += n + 3;
	return 0;
}

static int take_escape(struct reader *r, bool in_class)
{
	const char *same = in_class ? "dDwWsSnrtfea" : "dDwWsSnrtfeabBAzZ";
	char c = *++r->at;

	if (!c)
		return refuse(r, "nothing behind \\");
	if (c == 'x' || c == 'u')
		return take_hex(r, c == 'x' ? 2 : 4);
	if (c == 'c')
		return take_control(r);
	if (isdigit((unsigned char)c))
		return take_digits(r, in_class);
	if (c == 'k' && !in_class)
		return take_reference(r);
	if (c == 'v')
		strbuf_adds(r->out, "\\x{b}");
	else if (c == 'b' && in_class)
		strbuf_adds(r->out, "\\x{8}");
	else if (isalpha((unsigned char)c) && !strchr(same, c))
		return refuse(r, "this escape is not known");
	else if ((unsigned char)c < 0x80)
		strbuf_addf(r->out, "\\%c", c);
	else
		strbuf_addc(r->out, c); /* with the rest of the character behind it */
	r->at++;
	return 0;
}

static int take_class(struct reader *r)
{
	const char *open = r->at;

	strbuf_addc(r->out, *r->at++);
	if (*r->at == '^')
		strbuf_addc(r->out, *r->at++);
	while (*r->at && *r->at != ']') {
		if (*r->at == '\\') {
			if (take_escape(r, true) < 0)
				return -1;
			continue;
		}
		if (*r->at == '[') /* or it might begin [:alpha:] */
			strbuf_addc(r->out, '\\');
		strbuf_addc(r->out, *r->at++);
	}
	if (!*r->at) {
		r->at = open;
		return refuse(r, "the class has no end");
	}
	strbuf_addc(r->out, *r->at++);
	return 0;
}

/* ---- groups ---- */

/* (?i) and (?i:, which .NET knows: case, lines, and the dot. */
static size_t options_len(const char *text)
{
	size_t n = strspn(text, "ims-");

	return n && n <= 7 && (text[n] == ')' || text[n] == ':') ? n : 0;
}

/* The length of what opens a group at `at`, behind its parenthesis; -1: none that is known. */
static int opening_len(const char *at)
{
	static const char *const plain[] = {"?:", "?=", "?!", "?<=", "?<!", "?>"};

	if (*at == '*')
		return -1;
	if (*at != '?')
		return 0;
	for (size_t i = 0; i < COUNT(plain); i++)
		if (strncmp(at, plain[i], strlen(plain[i])) == 0)
			return (int)strlen(plain[i]);
	if (at[1] == '<' && name_len(at + 2))
		return (int)name_len(at + 2) + 3;
	return options_len(at + 1) ? (int)options_len(at + 1) + 2 : -1;
}

static int take_group(struct reader *r)
{
	int n = opening_len(r->at + 1);

	if (n < 0)
		return refuse(r, "this kind of group is not known");
	if (++r->depth > LIMIT_REGEXP_DEPTH)
		return refuse(r, "groups are nested too deep");
	strbuf_add(r->out, r->at, (size_t)n + 1);
	r->at += n + 1;
	if (r->at[-1] == ')') /* options to the end of the group around: nothing was opened */
		r->depth--;
	r->repeatable = false;
	return 0;
}

static int take_end(struct reader *r)
{
	if (!r->depth)
		return refuse(r, "a ) without its (");
	r->depth--;
	strbuf_addc(r->out, *r->at++);
	r->repeatable = true;
	return 0;
}

/* ---- quantifiers ---- */

/* The length of {n}, {n,} or {n,m}; 0 when the brace stands for itself. */
static size_t braces_len(const char *at)
{
	size_t n = 1 + strspn(at + 1, "0123456789");

	if (n == 1)
		return 0;
	if (at[n] == ',')
		n += 1 + strspn(at + n + 1, "0123456789");
	return at[n] == '}' ? n + 1 : 0;
}

static bool repeats_too_often(const char *at, size_t len)
{
	unsigned value = 0;

	for (size_t i = 0; i < len; i++) {
		value = isdigit((unsigned char)at[i]) ? value * 10 + (unsigned)(at[i] - '0') : 0;
		if (value > LIMIT_REGEXP_REPEAT)
			return true;
	}
	return false;
}

static int take_quantifier(struct reader *r, size_t len)
{
	if (!r->repeatable)
		return refuse(r, "nothing to repeat");
	if (repeats_too_often(r->at, len))
		return refuse(r, "more repetitions than 1000");
	len += r->at[len] == '?';
	strbuf_add(r->out, r->at, len);
	r->at += len;
	r->repeatable = false;
	return 0;
}

/* ---- the whole ---- */

static int take_one(struct reader *r)
{
	size_t braces;

	switch (*r->at) {
	case '(':
		return take_group(r);
	case ')':
		return take_end(r);
	case '*':
	case '+':
	case '?':
		return take_quantifier(r, 1);
	case '|':
	case '^':
		r->repeatable = false;
		strbuf_addc(r->out, *r->at++);
		return 0;
	case '{':
		braces = braces_len(r->at);
		if (braces)
			return take_quantifier(r, braces);
		break;
	default:
		break;
	}
	r->repeatable = *r->at != '$';
	if (*r->at == '\\')
		return take_escape(r, false);
	if (*r->at == '[')
		return take_class(r);
	if (strchr("{}]", *r->at))
		strbuf_addc(r->out, '\\');
	strbuf_addc(r->out, *r->at++);
	return 0;
}

int regexp_translate(const char *text, struct strbuf *out, struct err *err)
{
	struct reader r = {.text = text, .at = text, .out = out, .err = err};

	if (strlen(text) > LIMIT_REGEXP)
		return err_fail(err, ERR_USAGE, "longer than %u bytes", (unsigned)LIMIT_REGEXP);
	while (*r.at)
		if (take_one(&r) < 0)
			return -1;
	return r.depth ? refuse(&r, "a ( without its )") : 0;
}
