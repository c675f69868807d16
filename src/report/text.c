#include "report/text.h"

#include <string.h>

#include "stepcell/util.h"

void text_of_seconds(double seconds, struct strbuf *out)
{
	unsigned long whole = seconds < 0 ? 0 : seconds > 1e9 ? 1000000000 : (unsigned long)seconds;

	if (whole < 60)
		strbuf_addf(out, "%lu.%us", whole, seconds < 0 ? 0 : (unsigned)(seconds * 10) % 10);
	else if (whole < 3600)
		strbuf_addf(out, "%lum%02lus", whole / 60, whole % 60);
	else
		strbuf_addf(out, "%luh%02lum", whole / 3600, whole / 60 % 60);
}

void text_of_bytes(double bytes, struct strbuf *out)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	for (; bytes >= 1024 && unit + 1 < COUNT(units); unit++)
		bytes /= 1024;
	strbuf_addf(out, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

unsigned text_columns(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}
