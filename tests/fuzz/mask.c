/* Values and a text: what is masked holds no value, whole or in pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VALUES 4

/* Cut one value off the data at a NUL. */
static char *take_value(const uint8_t **data, size_t *size)
{
	size_t len = strnlen((const char *)*data, *size);
	char *value = strndup((const char *)*data, len);

	if (!value)
		abort();
	len += len < *size;
	*data += len;
	*size -= len;
	return value;
}

/* A value that has a star, or one byte, may be left or be made by masking. */
static void check(const struct strbuf *out, char *const *values)
{
	for (size_t i = 0; i < VALUES; i++) {
		size_t len = strlen(values[i]);

		if (len > 1 && !strchr(values[i], '*') &&
		    memmem(out->text, out->len, values[i], len))
			abort();
	}
}

static void mask_all(const struct mask *mask, const uint8_t *data, size_t size, char *const *values)
{
	struct strbuf whole = STRBUF(1 << 20), cut = STRBUF(1 << 20);
	struct mask_tail tail;

	mask_line(mask, (const char *)data, size, &whole);
	check(&whole, values);
	mask_tail_init(&tail);
	for (size_t at = 0; at < size; at += 3)
		mask_piece(mask, &tail, (const char *)data + at, size - at < 3 ? size - at : 3,
			   size - at <= 3, &cut);
	check(&cut, values);
	mask_tail_release(&tail);
	strbuf_release(&whole);
	strbuf_release(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mask *mask = mask_new();
	char *values[VALUES];
	struct err err;

	for (size_t i = 0; i < VALUES; i++) {
		values[i] = take_value(&data, &size);
		if (mask_add_secret(mask, values[i], &err) < 0)
			values[i][0] = '\0';
	}
	mask_all(mask, data, size, values);
	for (size_t i = 0; i < VALUES; i++)
		free(values[i]);
	mask_free(&mask);
	return 0;
}
