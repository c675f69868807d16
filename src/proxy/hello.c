/* hello: the server's name in a TLS ClientHello, which may come in several records. */
#include "proxy/hello.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define RECORD_HANDSHAKE   22
#define RECORD_MAX         16384
#define CLIENT_HELLO       1
#define EXT_SERVER_NAME    0
#define EXT_ENCRYPTED      0xfe0d /* encrypted_client_hello */
#define NAME_HOST          0
#define HEADER_OF_HELLO    4 /* and of each handshake message */
#define VERSION_AND_RANDOM 34

/* Bytes to be taken from the front; `bad` stays set when there were too few. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static struct reader take(struct reader *r, size_t len)
{
	struct reader part = {r->at, len, false};

	if (r->bad || len > r->left) {
		r->bad = true;
		return (struct reader){r->at, 0, true};
	}
	r->at += len;
	r->left -= len;
	return part;
}

static size_t number(struct reader *r, size_t bytes)
{
	struct reader part = take(r, bytes);
	size_t value = 0;

	for (size_t i = 0; !part.bad && i < bytes; i++)
		value = value << 8 | part.at[i];
	return value;
}

/* What has its length in `bytes` before it. */
static struct reader vector(struct reader *r, size_t bytes)
{
	return take(r, number(r, bytes));
}

/* Is the message whole that begins here? */
static bool is_whole(const uint8_t *bytes, size_t len)
{
	struct reader r = {bytes, len, false};

	(void)number(&r, 1);
	return len >= HEADER_OF_HELLO && len - HEADER_OF_HELLO >= number(&r, 3);
}

/*
 * The handshake's bytes without the records around them, as far as the first
 * message goes: what follows it may be of any kind. False when a record is wrong.
 */
static bool unwrap(const uint8_t *bytes, size_t len, uint8_t *out, size_t *out_len)
{
	struct reader r = {bytes, len, false};

	*out_len = 0;
	while (r.left >= 5 && !is_whole(out, *out_len)) {
		size_t type = number(&r, 1), major = number(&r, 1), size;

		(void)number(&r, 1);
		size = number(&r, 2);
		if (type != RECORD_HANDSHAKE || major != 3 || size == 0 || size > RECORD_MAX)
			return false;
		size = size < r.left ? size : r.left;
		memcpy(out + *out_len, take(&r, size).at, size);
		*out_len += size;
	}
	return true;
}

static bool read_name(struct reader ext, char *name)
{
	struct reader list = vector(&ext, 2);

	while (list.left && !list.bad) {
		size_t type = number(&list, 1);
		struct reader host = vector(&list, 2);

		if (list.bad || type != NAME_HOST || *name || host.left == 0 || host.left > 255)
			return false;
		for (size_t i = 0; i < host.left; i++) {
			if (!isgraph(host.at[i]))
				return false;
			name[i] = (char)tolower(host.at[i]);
		}
		name[host.left] = '\0';
	}
	return !list.bad && !ext.left;
}

static enum hello_kind read_extensions(struct reader r, char *name)
{
	while (r.left && !r.bad) {
		size_t type = number(&r, 2);
		struct reader ext = vector(&r, 2);

		if (r.bad || (type == EXT_SERVER_NAME && !read_name(ext, name)))
			return HELLO_WRONG;
		if (type == EXT_ENCRYPTED)
			return HELLO_HIDES;
	}
	return r.bad ? HELLO_WRONG : HELLO_TLS;
}

static enum hello_kind read_hello(struct reader r, char *name)
{
	struct reader extensions;

	(void)take(&r, VERSION_AND_RANDOM);
	(void)vector(&r, 1); /* session */
	(void)vector(&r, 2); /* cipher suites */
	(void)vector(&r, 1); /* compressions */
	if (!r.bad && !r.left)
		return HELLO_TLS; /* before TLS 1.2 there need not be any extension */
	extensions = vector(&r, 2);
	return r.bad || r.left ? HELLO_WRONG : read_extensions(extensions, name);
}

enum hello_kind hello_parse(const uint8_t *bytes, size_t len, char *name)
{
	uint8_t message[HELLO_BYTES];
	struct reader r = {.at = message};
	size_t size;

	*name = '\0';
	if (len == 0)
		return HELLO_MORE;
	if (bytes[0] != RECORD_HANDSHAKE)
		return HELLO_OTHER;
	if (len > sizeof(message) || !unwrap(bytes, len, message, &r.left))
		return HELLO_WRONG;
	if (r.left < HEADER_OF_HELLO)
		return HELLO_MORE;
	if (number(&r, 1) != CLIENT_HELLO)
		return HELLO_WRONG;
	size = number(&r, 3);
	if (size > HELLO_BYTES - HEADER_OF_HELLO)
		return HELLO_WRONG;
	if (size > r.left)
		return HELLO_MORE;
	return read_hello(take(&r, size), name);
}
