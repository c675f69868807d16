/*
 * fuzz: package databases of images, as `image show` reads them, and lists of trees. Whatever they hold, each
 * line that comes out is three words that can be printed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/compare.h"
#include "image/packages.h"
#include "stepcell/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static void check(const struct strbuf *out, unsigned words)
{
	unsigned spaces = 0;

	for (size_t i = 0; i < out->len; i++) {
		const char c = out->text[i];

		if (c == '\n') {
			if (spaces != words - 1)
				abort();
			spaces = 0;
			continue;
		}
		if (c < ' ' || c > '~')
			abort();
		spaces += c == ' ';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_strbuf struct strbuf out = STRBUF(LIMIT_PACKAGES_BYTES), same = STRBUF(MIB);
	char *status = copy_of(data, size), *was = copy_of(data, size), *is = copy_of(data, size);

	packages_of_status(status, &out);
	check(&out, 3);
	if (compare_lists(was, is, 100, &same) != 0)
		abort();
	free(status);
	free(was);
	free(is);
	return 0;
}
