#include "stepcell/utf8.h"

#include <string.h>

#include "stepcell/util.h"

static const char replacement[] = "\xef\xbf\xbd";

/* Lead bytes, and the range of the byte behind them (RFC 3629, table 3-7 of Unicode). */
static const struct {
	uint8_t first, last, low, high;
	size_t len;
} leads[] = {
	{0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, /* no surrogates */
	{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
	{0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* How long the character should be, and how many of its bytes are there and right. */
static size_t match_char(const unsigned char *text, size_t len, size_t *right)
{
	size_t i = 0;

	*right = 0;
	if (!len)
		return 0;
	while (i < COUNT(leads) && !(text[0] >= leads[i].first && text[0] <= leads[i].last))
		i++;
	if (i == COUNT(leads))
		return 0;
	*right = 1;
	for (size_t k = 1; k < leads[i].len && k < len; k++) {
		uint8_t low = k == 1 ? leads[i].low : 0x80;
		uint8_t high = k == 1 ? leads[i].high : 0xbf;

		if (text[k] < low || text[k] > high)
			break;
		(*right)++;
	}
	return leads[i].len;
}

size_t utf8_char(const char *text, size_t len, uint32_t *point)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t right;
	size_t want = match_char(p, len, &right);

	if (!want || right != want)
		return 0;
	if (point) {
		*point = want == 1 ? p[0] : p[0] & (0x7fu >> want);
		for (size_t i = 1; i < want; i++)
			*point = *point << 6 | (p[i] & 0x3f);
	}
	return want;
}

bool utf8_is_valid(const char *text)
{
	for (size_t n, left = strlen(text); left; text += n, left -= n)
		if ((n = utf8_char(text, left, NULL)) == 0)
			return false;
	return true;
}

bool utf8_is_cut(const char *text, size_t len)
{
	size_t right;
	size_t want = match_char((const unsigned char *)text, len, &right);

	return right < want && right == len;
}

size_t utf8_clean(const char *text, size_t len, size_t max, bool final, struct strbuf *out)
{
	size_t used = 0;

	while (used < len) {
		size_t n = utf8_char(text + used, len - used, NULL);
		size_t adds = n ? n : sizeof(replacement) - 1;

		if (!n && !final && utf8_is_cut(text + used, len - used))
			break;
		if (out->len + adds > max)
			break;
		strbuf_add(out, n ? text + used : replacement, adds);
		used += n ? n : 1;
	}
	return used;
}
