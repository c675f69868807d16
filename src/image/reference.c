#include "image/reference.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "stepcell/parse.h"

#define LOWER      "abcdefghijklmnopqrstuvwxyz"
#define UPPER      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS     "0123456789"
#define LATEST     "latest"
#define HOST_BYTES 253 /* RFC 1035, without the dots at its ends */

/* ---- hosts ---- */

static bool port_is_valid(const char *text)
{
	uint64_t port;

	return parse_u64(text, 1, 65535, &port) == 0 && text[0] != '0';
}

/* [A-Za-z0-9] at both ends, '-' between. */
static bool label_is_valid(const char *text, size_t len)
{
	return len && len <= 63 && strspn(text, LOWER UPPER DIGITS "-") >= len && text[0] != '-' &&
	       text[len - 1] != '-';
}

static bool domain_is_valid(const char *text, size_t len)
{
	const char *end = text + len;

	for (const char *p = text;; p++) {
		const char *dot = memchr(p, '.', (size_t)(end - p));

		if (!label_is_valid(p, (size_t)((dot ? dot : end) - p)))
			return false;
		if (!dot)
			return len <= HOST_BYTES;
		p = dot;
	}
}

/* No zone: it would be a name of this machine's. */
static bool address_is_valid(const char *text, size_t len)
{
	return len > 4 && len < 48 && text[0] == '[' && text[len - 1] == ']' &&
	       strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2 && memchr(text, ':', len);
}

bool host_is_valid(const char *text)
{
	const char *bracket = text[0] == '[' ? strchr(text, ']') : text;
	const char *colon = bracket ? strchr(bracket, ':') : NULL;
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (!bracket || (colon && !port_is_valid(colon + 1)))
		return false;
	return text[0] == '[' ? address_is_valid(text, len) : domain_is_valid(text, len);
}

/* ---- names ---- */

/* How long the separator is that stands at `p`: one of . _ __ or any number of -; 0: none. */
static size_t separator(const char *p)
{
	if (*p == '.')
		return 1;
	if (*p == '_')
		return p[1] == '_' ? 2 : 1;
	return strspn(p, "-");
}

bool repository_is_valid(const char *text)
{
	const char *p = text;

	for (;;) {
		size_t len = strspn(p, LOWER DIGITS);

		if (!len)
			return false;
		p += len;
		if (!*p)
			return p - text <= REFERENCE_BYTES;
		len = *p == '/' ? 1 : separator(p);
		if (!len)
			return false;
		p += len;
	}
}

static bool tag_is_valid(const char *text)
{
	size_t len = strlen(text);

	return len && len <= REFERENCE_TAG && strspn(text, LOWER UPPER DIGITS "_.-") == len &&
	       text[0] != '.' && text[0] != '-';
}

/* ---- the whole ---- */

/* Cut `text` at the last `mark` of it, where one is; what is behind, or NULL. */
static char *cut(char *text, char mark)
{
	char *at = text ? strrchr(text, mark) : NULL;

	if (!at)
		return NULL;
	*at = '\0';
	return at + 1;
}

/* What is before the first slash is a host only when it cannot be a part of a name. */
static bool looks_like_host(const char *text)
{
	return strpbrk(text, ".:[") || strcasecmp(text, "localhost") == 0;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* The name behind the host of `text`, which is cut there; all of it where that may be without. */
static char *split_host(char *text, bool bare, struct reference *out, struct err *err)
{
	char *slash = strchr(text, '/');

	if (slash)
		*slash = '\0';
	if (bare && !looks_like_host(slash ? text : "")) {
		if (slash)
			*slash = '/';
		out->host = "";
		return text;
	}
	out->host = text;
	if (!slash)
		(void)err_fail(err, ERR_USAGE,
			       "it names no registry: write HOST/NAME:TAG, such as "
			       "registry.example.com/%.64s",
			       text);
	else if (!looks_like_host(text) || !host_is_valid(text))
		(void)err_fail(err, ERR_USAGE, "'%.64s' is no registry's host name", text);
	else
		return slash + 1;
	return NULL;
}

static int split(struct arena *a, const char *text, bool bare, struct reference *out,
		 struct err *err)
{
	char *copy = arena_strdup(a, text), *digest = cut(copy, '@'), *name;

	if (digest && !digest_parse(digest, &out->digest))
		return err_fail(err, ERR_USAGE,
				"its digest must be sha256: and 64 digits of 0-9 and a-f");
	out->pinned = digest;
	name = split_host(copy, bare, out, err);
	if (!name)
		return -1;
	out->tag = cut(name, ':');
	out->name = name;
	if (name != copy)
		lower(copy);
	return 0;
}

static int parse(struct arena *a, const char *text, bool bare, struct reference *out,
		 struct err *err)
{
	struct reference ref = {0};
	int r = -1;

	if (strlen(text) > REFERENCE_BYTES + REFERENCE_TAG + DIGEST_HEX + sizeof(":@sha256:"))
		(void)err_fail(err, ERR_USAGE, "it is too long");
	else
		r = split(a, text, bare, &ref, err);
	if (r == 0 && !repository_is_valid(ref.name))
		r = err_fail(err, ERR_USAGE,
			     "'%.64s' is no name: lower case letters and digits, with one of "
			     ". _ __ - or / between them",
			     ref.name);
	if (r == 0 && strlen(ref.host) + 1 + strlen(ref.name) > REFERENCE_BYTES)
		r = err_fail(err, ERR_USAGE, "host and name are longer than %d bytes",
			     REFERENCE_BYTES);
	if (r == 0 && ref.tag && !tag_is_valid(ref.tag))
		r = err_fail(err, ERR_USAGE, "'%.64s' is no tag", ref.tag);
	if (r < 0)
		return err_wrap(err, "'%.200s' is no image reference", text);
	if (!ref.tag && !ref.pinned)
		ref.tag = LATEST;
	*out = ref;
	return 0;
}

int reference_parse(struct arena *a, const char *text, struct reference *out, struct err *err)
{
	return parse(a, text, false, out, err);
}

int reference_parse_bare(struct arena *a, const char *text, struct reference *out, struct err *err)
{
	return parse(a, text, true, out, err);
}

const char *reference_text(struct arena *a, const struct reference *ref)
{
	return arena_printf(a, "%s%s%s%s%s%s%s", ref->host, *ref->host ? "/" : "", ref->name,
			    ref->tag ? ":" : "", ref->tag ? ref->tag : "",
			    ref->pinned ? "@sha256:" : "", ref->pinned ? ref->digest.hex : "");
}

bool reference_is_origin(struct arena *a, const struct reference *ref, const char *origin)
{
	struct reference bare = *ref;
	const char *text, *at = strchr(origin, '@');
	struct digest digest;

	bare.pinned = false;
	text = reference_text(a, &bare);
	if (!at || (size_t)(at - origin) != strlen(text) ||
	    strncmp(origin, text, strlen(text)) != 0)
		return false;
	if (!ref->pinned)
		return true;
	/* a platform may be behind it */
	return digest_parse(arena_strndup(a, at + 1, strcspn(at + 1, " ")), &digest) &&
	       digest_equal(&digest, &ref->digest);
}
