#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/json.h"

/* The fewest digits that read back the same: "d.ddde+xx" taken apart. */
struct decimal {
	char digits[20];
	int count;
	int point; /* the number is 0.DIGITS times ten to this */
};

static struct decimal shortest(double number)
{
	struct decimal d = {0};
	char text[40];

	for (int precision = 0; precision <= 16; precision++) {
		(void)snprintf(text, sizeof(text), "%.*e", precision, number);
		if (strtod(text, NULL) == number)
			break;
	}
	for (const char *p = text; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			d.digits[d.count++] = *p;
	d.point = (int)strtod(strchr(text, 'e') + 1, NULL) + 1;
	return d;
}

static void add_zeros(struct strbuf *out, int count)
{
	while (count-- > 0)
		strbuf_addc(out, '0');
}

/* The forms of ECMA-262, Number::toString. */
void number_write(struct strbuf *out, double number)
{
	struct decimal d;

	if (isnan(number) || isinf(number) || number == 0) {
		strbuf_adds(out, isnan(number) ? "NaN"
				 : number == 0 ? "0"
				 : number > 0  ? "Infinity"
					       : "-Infinity");
		return;
	}
	if (number < 0)
		strbuf_addc(out, '-');
	d = shortest(fabs(number));
	if (d.point > 21 || d.point <= -6) {
		strbuf_addf(out, "%c%s%se%+d", d.digits[0], d.count > 1 ? "." : "", d.digits + 1,
			    d.point - 1);
	} else if (d.point <= 0) {
		strbuf_adds(out, "0.");
		add_zeros(out, -d.point);
		strbuf_add(out, d.digits, (size_t)d.count);
	} else {
		int whole = d.count < d.point ? d.count : d.point;

		strbuf_add(out, d.digits, (size_t)whole);
		add_zeros(out, d.point - d.count);
		if (d.count > d.point)
			strbuf_addf(out, ".%s", d.digits + d.point);
	}
}
