/*
 * SHA-256 by libcrypto's own functions rather than by EVP: the first use of
 * EVP reads a configuration file and looks for providers, 0.5 to 0.9 ms at
 * the start of every command.
 */
#define OPENSSL_API_COMPAT 0x10100000L
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stepcell/digest.h"

struct digest_stream {
	SHA256_CTX ctx;
};

bool digest_parse(const char *text, struct digest *out)
{
	static const char prefix[] = "sha256:";
	const size_t skip = sizeof(prefix) - 1;

	if (strncmp(text, prefix, skip) != 0 || strlen(text) != skip + DIGEST_HEX ||
	    strspn(text + skip, "0123456789abcdef") != DIGEST_HEX)
		return false;
	memcpy(out->hex, text + skip, sizeof(out->hex));
	return true;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->hex, b->hex, DIGEST_HEX) == 0;
}

/* These fail only where memory does, which cannot be gone on from. */
struct digest_stream *digest_new(void)
{
	struct digest_stream *d = malloc(sizeof(*d));

	if (!d || !SHA256_Init(&d->ctx))
		abort();
	return d;
}

void digest_add(struct digest_stream *d, const void *bytes, size_t len)
{
	if (!SHA256_Update(&d->ctx, bytes, len))
		abort();
}

void digest_end_raw(struct digest_stream **d, uint8_t out[32])
{
	if (!SHA256_Final(out, &(*d)->ctx))
		abort();
	free(*d);
	*d = NULL;
}

void digest_end(struct digest_stream **d, struct digest *out)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[32];

	digest_end_raw(d, raw);
	if (!out)
		return;
	for (size_t i = 0; i < sizeof(raw); i++) {
		out->hex[2 * i] = digits[raw[i] >> 4];
		out->hex[2 * i + 1] = digits[raw[i] & 15];
	}
	out->hex[DIGEST_HEX] = '\0';
}

struct digest digest_of(const void *bytes, size_t len)
{
	struct digest_stream *d = digest_new();
	struct digest out;

	digest_add(d, bytes, len);
	digest_end(&d, &out);
	return out;
}

int digest_of_fd(int fd, struct digest *out, struct err *err)
{
	struct digest_stream *d = digest_new();
	char chunk[64 * 1024];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			digest_end(&d, NULL);
			return err_sys(err, "cannot read while hashing");
		}
		digest_add(d, chunk, (size_t)n);
	}
	digest_end(&d, out);
	return 0;
}
