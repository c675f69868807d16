/* Values of expressions: coercion, truth and comparison. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/json.h"
#include "workflow/expr.h"

bool value_is_primitive(const struct node *v)
{
	return v->kind != NODE_LIST && v->kind != NODE_MAP;
}

static bool is_trimmed(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before or behind the point */
static bool is_decimal(const char *s, size_t len)
{
	size_t i = 0, digits = 0, exponent;

	if (i < len && (s[i] == '+' || s[i] == '-'))
		i++;
	for (; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		digits++;
	if (i < len && s[i] == '.')
		for (i++; i < len && s[i] >= '0' && s[i] <= '9'; i++)
			digits++;
	if (!digits)
		return false;
	if (i < len && (s[i] == 'e' || s[i] == 'E')) {
		i++;
		if (i < len && (s[i] == '+' || s[i] == '-'))
			i++;
		for (exponent = i; i < len && s[i] >= '0' && s[i] <= '9'; i++)
			;
		if (i == exponent)
			return false;
	}
	return i == len;
}

static double radix_number(const char *s, size_t len, unsigned radix)
{
	double n = 0;

	if (!len)
		return NAN;
	for (size_t i = 0; i < len; i++) {
		unsigned c = (unsigned char)s[i];
		unsigned digit = c >= '0' && c <= '9'   ? c - '0'
				 : c >= 'a' && c <= 'f' ? c - 'a' + 10
				 : c >= 'A' && c <= 'F' ? c - 'A' + 10
							: 99;

		if (digit >= radix)
			return NAN;
		n = n * radix + digit;
	}
	return n;
}

static bool is_word(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(s, word, len) == 0;
}

static double decimal_number(const char *s, size_t len)
{
	char small[64];

	if (len < sizeof(small)) {
		memcpy(small, s, len);
		small[len] = '\0';
		return strtod(small, NULL);
	}

	auto_strbuf struct strbuf copy = STRBUF(SIZE_MAX / 2);

	strbuf_add(&copy, s, len);
	return strtod(copy.text, NULL);
}

double text_number(const char *s, size_t len)
{
	while (len && is_trimmed(s[0]))
		s++, len--;
	while (len && is_trimmed(s[len - 1]))
		len--;
	if (!len)
		return 0;
	if (is_decimal(s, len))
		return decimal_number(s, len);
	if (len > 2 && s[0] == '0' && s[1] == 'x')
		return radix_number(s + 2, len - 2, 16);
	if (len > 2 && s[0] == '0' && s[1] == 'o')
		return radix_number(s + 2, len - 2, 8);
	if (is_word(s, len, "Infinity") || is_word(s, len, "+Infinity"))
		return INFINITY;
	return is_word(s, len, "-Infinity") ? -INFINITY : NAN;
}

double value_number(const struct node *v)
{
	switch (v->kind) {
	case NODE_NULL:
		return 0;
	case NODE_BOOL:
		return v->truth;
	case NODE_NUMBER:
		return v->number;
	case NODE_STRING:
		return text_number(v->text, strlen(v->text));
	default:
		return NAN;
	}
}

bool expr_truthy(const struct node *v)
{
	switch (v->kind) {
	case NODE_NULL:
		return false;
	case NODE_BOOL:
		return v->truth;
	case NODE_NUMBER:
		return v->number != 0 && !isnan(v->number);
	case NODE_STRING:
		return v->text[0] != '\0';
	default:
		return true;
	}
}

/* Fifteen decimals at most, then the shortest form; -0 is 0. */
static const char *number_text(struct arena *a, double number)
{
	auto_strbuf struct strbuf out = STRBUF(512);
	char fixed[64];

	if (isnan(number))
		return "NaN";
	if (isinf(number))
		return number > 0 ? "Infinity" : "-Infinity";
	if (fabs(number) < 1e21 && number != floor(number)) {
		(void)snprintf(fixed, sizeof(fixed), "%.15f", number);
		number = strtod(fixed, NULL);
	}
	number_write(&out, number == 0 ? 0 : number);
	return arena_strdup(a, out.text);
}

const char *expr_text(struct arena *a, const struct node *v)
{
	switch (v->kind) {
	case NODE_NULL:
		return "";
	case NODE_BOOL:
		return v->truth ? "true" : "false";
	case NODE_NUMBER:
		return number_text(a, v->number);
	case NODE_STRING:
		return v->text;
	case NODE_LIST:
		return "Array";
	default:
		return "Object";
	}
}

/* What decides a comparison of values of these kinds. */
enum meeting { AS_NUMBERS, AS_TEXTS, AS_REFERENCES, AS_STRANGERS, AS_NULLS };

static enum meeting meet(const struct node *a, const struct node *b)
{
	if (!value_is_primitive(a) || !value_is_primitive(b))
		return a->kind == b->kind ? AS_REFERENCES : AS_STRANGERS;
	if (a->kind == NODE_STRING && b->kind == NODE_STRING)
		return AS_TEXTS;
	if (a->kind == NODE_NULL && b->kind == NODE_NULL)
		return AS_NULLS;
	return AS_NUMBERS;
}

bool value_equal(const struct node *a, const struct node *b)
{
	switch (meet(a, b)) {
	case AS_NUMBERS:
		return value_number(a) == value_number(b);
	case AS_TEXTS:
		return fold_compare(a->text, b->text) == 0;
	case AS_REFERENCES:
		return a == b;
	case AS_NULLS:
		return true;
	default:
		return false;
	}
}

int value_compare(const struct node *a, const struct node *b)
{
	double x, y;

	switch (meet(a, b)) {
	case AS_NUMBERS:
		x = value_number(a);
		y = value_number(b);
		return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
	case AS_TEXTS:
		return fold_compare(a->text, b->text);
	case AS_REFERENCES:
		return a == b ? 0 : 2;
	case AS_NULLS:
		return 0;
	default:
		return 2;
	}
}
