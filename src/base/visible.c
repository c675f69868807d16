#include <stdint.h>
#include <string.h>

#include "stepcell/strbuf.h"

/* One UTF-8 character: its length, or 0 where the bytes are none (RFC 3629: no surrogates, no long
 * forms). */
static size_t utf8_next(const unsigned char *p, size_t len, uint32_t *out)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} forms[] = {
		{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t n = 0; n < 4; n++) {
		uint32_t c;

		if ((p[0] & forms[n].mask) != forms[n].lead)
			continue;
		if (n + 1 > len)
			return 0;
		c = p[0] & (unsigned char)~forms[n].mask;
		for (size_t i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[i] & 0x3f);
		}
		if (c < forms[n].min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*out = c;
		return n + 1;
	}
	return 0;
}

static bool acts(uint32_t c)
{
	return (c < 0x20 && c != '\t') || (c >= 0x7f && c <= 0x9f) ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void strbuf_add_visible(struct strbuf *sb, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	while (len) {
		uint32_t c = 0;
		size_t n = utf8_next(p, len, &c);

		if (n && !acts(c))
			strbuf_add(sb, p, n);
		else if (c == '\n' && n)
			strbuf_adds(sb, "\\n");
		else if (c >= 0x80 && n)
			strbuf_addf(sb, "\\u%04x", c);
		else
			strbuf_addf(sb, "\\x%02x", *p);
		p += n ? n : 1;
		len -= n ? n : 1;
	}
}
