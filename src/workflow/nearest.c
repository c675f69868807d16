#include "workflow/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define LENGTH_MAX 40

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Letters added, left out, changed, or two that changed places. */
static unsigned changes_between(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][LENGTH_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t k = 0; k <= b_len; k++)
		above[k] = (unsigned)k;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *next = before;

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= b_len; k++) {
			row[k] = least(least(above[k], row[k - 1]) + 1,
				       above[k - 1] + !same(a[i - 1], b[k - 1]));
			if (i > 1 && k > 1 && same(a[i - 1], b[k - 2]) && same(a[i - 2], b[k - 1]))
				row[k] = least(row[k], before[k - 2] + 1);
		}
		before = above;
		above = row;
		row = next;
	}
	return above[b_len];
}

/* One change in a short word, two from six letters on, three from ten. */
void nearest_try(struct nearest *n, const char *name)
{
	size_t len = strlen(n->word), other = strlen(name);
	unsigned allowed = least((unsigned)(len + 2) / 4, 3), changes;

	if (len > LENGTH_MAX || other > LENGTH_MAX)
		return;
	changes = changes_between(n->word, len, name, other);
	if (changes > allowed || (n->name && changes >= n->changes))
		return;
	n->name = name;
	n->changes = changes;
}
