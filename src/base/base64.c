#include "stepcell/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct strbuf *out, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (; len; p += 3, len -= len < 3 ? len : 3) {
		uint32_t group = (uint32_t)p[0] << 16 | (uint32_t)(len > 1 ? p[1] : 0) << 8 |
				 (len > 2 ? p[2] : 0);

		strbuf_addc(out, alphabet[group >> 18]);
		strbuf_addc(out, alphabet[group >> 12 & 63]);
		strbuf_addc(out, len > 1 ? alphabet[group >> 6 & 63] : '=');
		strbuf_addc(out, len > 2 ? alphabet[group & 63] : '=');
	}
}

bool base64_decode(struct strbuf *out, const char *text)
{
	size_t len = strspn(text, alphabet), pad = strspn(text + len, "=");
	uint32_t group = 0;

	/* one digit alone is no byte; what is padded is padded to a whole group */
	if (text[len + pad] || len % 4 == 1 || pad > 2 || (pad && (len + pad) % 4))
		return false;
	for (size_t i = 0; i < len; i++) {
		group = group << 6 | (uint32_t)(strchr(alphabet, text[i]) - alphabet);
		if (i % 4 == 1)
			strbuf_addc(out, (char)(group >> 4));
		else if (i % 4 == 2)
			strbuf_addc(out, (char)(group >> 2));
		else if (i % 4 == 3)
			strbuf_addc(out, (char)group);
	}
	return true;
}
