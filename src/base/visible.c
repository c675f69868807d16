#include <stdint.h>

#include "stepcell/strbuf.h"
#include "stepcell/utf8.h"

static bool acts(uint32_t c)
{
	return (c < 0x20 && c != '\t') || (c >= 0x7f && c <= 0x9f) ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x2028 ||
	       c == 0x2029;
}

void strbuf_add_visible(struct strbuf *sb, const char *text, size_t len)
{
	while (len) {
		uint32_t c = 0;
		size_t n = utf8_char(text, len, &c);

		if (n && !acts(c))
			strbuf_add(sb, text, n);
		else if (c == '\n' && n)
			strbuf_adds(sb, "\\n");
		else if (c >= 0x80 && n)
			strbuf_addf(sb, "\\u%04x", c);
		else
			strbuf_addf(sb, "\\x%02x", (unsigned char)*text);
		text += n ? n : 1;
		len -= n ? n : 1;
	}
}
