#include <stddef.h>
#include <string.h>

#include "stepcell/parse.h"
#include "stepcell/util.h"

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
			return -1;
	}
	if (n < min || n > max)
		return -1;
	*out = n;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse_with_unit(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	char number[24];
	uint64_t n;

	if (digits >= sizeof(number))
		return -1;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (parse_u64(number, 0, UINT64_MAX, &n) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (strcmp(text + digits, units[i].name) == 0)
			return __builtin_mul_overflow(n, units[i].factor, out) ? -1 : 0;
	return -1;
}

int parse_size(const char *text, uint64_t *out)
{
	static const struct unit units[] = {
		{"", 1},
		{"B", 1},
		{"KiB", UINT64_C(1) << 10},
		{"k", UINT64_C(1) << 10},
		{"K", UINT64_C(1) << 10},
		{"MiB", UINT64_C(1) << 20},
		{"M", UINT64_C(1) << 20},
		{"GiB", UINT64_C(1) << 30},
		{"G", UINT64_C(1) << 30},
		{"TiB", UINT64_C(1) << 40},
		{"T", UINT64_C(1) << 40},
	};

	return parse_with_unit(text, units, COUNT(units), out);
}

int parse_duration(const char *text, uint64_t *ms)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
	};

	return parse_with_unit(text, units, COUNT(units), ms);
}
