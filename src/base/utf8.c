#include "stepcell/utf8.h"

#include "stepcell/util.h"

/*
 * The well-formed sequences (Unicode, table 3-7): the range of the first byte,
 * how many follow, and the range of the second; the rest are 80..BF.
 */
static const struct utf8_form {
	uint8_t first, last, more, second_min, second_max;
} forms[] = {
	{0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
	{0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
	{0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static const struct utf8_form *form_of(uint8_t byte)
{
	for (size_t i = 0; i < COUNT(forms); i++)
		if (byte >= forms[i].first && byte <= forms[i].last)
			return &forms[i];
	return NULL;
}

size_t utf8_char(const char *text, size_t len, uint32_t *point)
{
	const uint8_t *p = (const uint8_t *)text;
	const struct utf8_form *form = len ? form_of(p[0]) : NULL;
	uint32_t c;

	if (!form || len <= form->more)
		return 0;
	if (form->more && (p[1] < form->second_min || p[1] > form->second_max))
		return 0;
	c = form->more ? p[0] & (0x3fu >> form->more) : p[0];
	for (size_t i = 1; i <= form->more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (point)
		*point = c;
	return 1u + form->more;
}

void utf8_clean(const char *text, size_t len, struct strbuf *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_char(text + i, len - i, NULL);

		if (n) {
			i += n;
			continue;
		}
		strbuf_add(out, text + kept, i - kept);
		strbuf_adds(out, "\xef\xbf\xbd");
		kept = ++i;
	}
	strbuf_add(out, text + kept, len - kept);
}
