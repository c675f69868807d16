/*
 * What the registry client reads of others: references, challenges, files of logins.
 * The first byte says which.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/challenge.h"
#include "image/login.h"
#include "image/names.h"
#include "image/reference.h"
#include "image/url.h"
#include "stepcell/base64.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What it takes is safe in a path, in a URL and in a field, and reads back as itself. */
static void reference(struct arena *a, const char *text, size_t len)
{
	struct reference ref, again;
	struct err err;

	(void)len;
	if (image_name_is_valid(text) && !name_is_safe(text) &&
	    (reference_parse_bare(a, text, &ref, &err) < 0 ||
	     strcmp(reference_text(a, &ref), text) != 0))
		abort();
	if (reference_parse(a, text, &ref, &err) < 0)
		return;
	if (strspn(ref.name, "abcdefghijklmnopqrstuvwxyz0123456789._-/") != strlen(ref.name) ||
	    ref.name[0] == '/' || strstr(ref.name, "//") || strstr(ref.name, "..") ||
	    strpbrk(ref.host, "/@ ?#\\%\r\n") || (ref.tag && strpbrk(ref.tag, "/@ ?#\\%\r\n:")) ||
	    (!ref.tag && !ref.pinned))
		abort();
	if (reference_parse(a, reference_text(a, &ref), &again, &err) < 0 ||
	    strcmp(again.host, ref.host) != 0 || strcmp(again.name, ref.name) != 0 ||
	    again.pinned != ref.pinned)
		abort();
	if (ref.pinned && !reference_is_origin(a, &ref, reference_text(a, &ref)))
		abort();
}

static void challenge(struct arena *a, const char *text, size_t len)
{
	struct challenge c;

	(void)len;
	if (challenge_parse(a, text, &c) && !c.basic && !c.bearer)
		abort();
}

/* A helper's name becomes a part of a program's; a user and a secret become one pair again. */
static void login(struct arena *a, const char *text, size_t len)
{
	const char *helper;
	struct login l;
	struct err err;

	if (login_decode(a, "f", text, len, "r.example.com", "team/app", &l, &helper, &err) == 0) {
		if (helper && (!*helper || strpbrk(helper, "/ ;|&$`\n")))
			abort();
		if (!l.user != !l.secret)
			abort();
	}
	(void)login_decode_helped(a, text, len, &l, &err);
}

/* There and back. */
static void base64(struct arena *a, const char *text, size_t len)
{
	auto_strbuf struct strbuf bytes = STRBUF(1 << 20), there = STRBUF(1 << 20);
	auto_strbuf struct strbuf back = STRBUF(1 << 20);

	(void)a;
	(void)base64_decode(&bytes, text);
	base64_add(&there, text, len);
	if (!base64_decode(&back, there.text) || back.len != len ||
	    (len && memcmp(back.text, text, len) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const subjects[])(struct arena * a, const char *text,
					size_t len) = {reference, challenge, login, base64};
	auto_arena struct arena *a = arena_new();

	if (!size)
		return 0;
	subjects[data[0] % COUNT(subjects)](a, arena_strndup(a, (const char *)data + 1, size - 1),
					    size - 1);
	return 0;
}
