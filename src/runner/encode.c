#include "runner/encode.h"

#include <ctype.h>
#include <string.h>

#include "stepcell/strbuf.h"
#include "stepcell/util.h"

/* A form shorter than this says too little of the value, and would mask what is not it. */
#define SHORTEST_FORM 4

/* Where `base64` breaks its lines. */
#define BASE64_LINE 76

struct forms {
	struct arena *arena;
	const char **list;
	size_t count;
};

static void add_form(struct forms *f, const char *text, size_t len)
{
	for (size_t i = 0; i < f->count; i++) {
		if (strlen(f->list[i]) == len && !memcmp(f->list[i], text, len))
			return;
	}
	f->list = arena_grow(f->arena, f->list, f->count, sizeof(*f->list));
	f->list[f->count++] = arena_strndup(f->arena, text, len);
}

/* ---- byte for byte ---- */

typedef void encode_byte(unsigned char byte, struct strbuf *out);

static void json_byte(unsigned char byte, struct strbuf *out)
{
	static const char letters[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\";
	const char *at = byte ? strchr(letters, byte) : NULL;

	if (at)
		strbuf_addf(out, "\\%c", names[at - letters]);
	else if (byte < 0x20)
		strbuf_addf(out, "\\u%04x", byte);
	else
		strbuf_addc(out, (char)byte);
}

static bool is_unreserved(unsigned char byte)
{
	return byte < 0x80 && (isalnum(byte) || strchr("-._~", byte));
}

static void uri_byte(unsigned char byte, struct strbuf *out)
{
	strbuf_addf(out, is_unreserved(byte) ? "%c" : "%%%02X", byte);
}

static void uri_lower_byte(unsigned char byte, struct strbuf *out)
{
	strbuf_addf(out, is_unreserved(byte) ? "%c" : "%%%02x", byte);
}

static void form_byte(unsigned char byte, struct strbuf *out)
{
	if (byte == ' ')
		strbuf_addc(out, '+');
	else
		uri_byte(byte, out);
}

static void xml_byte(unsigned char byte, struct strbuf *out)
{
	static const char marks[] = "<>\"'&";
	static const char *const names[] = {"&lt;", "&gt;", "&quot;", "&apos;", "&amp;"};
	const char *at = strchr(marks, byte);

	if (at)
		strbuf_adds(out, names[at - marks]);
	else
		strbuf_addc(out, (char)byte);
}

static void expression_byte(unsigned char byte, struct strbuf *out)
{
	strbuf_adds(out, byte == '\'' ? "'" : "");
	strbuf_addc(out, (char)byte);
}

static void argument_byte(unsigned char byte, struct strbuf *out)
{
	strbuf_adds(out, byte == '"' ? "\\" : "");
	strbuf_addc(out, (char)byte);
}

/* How bash -x shows a word with an apostrophe. */
static void shell_byte(unsigned char byte, struct strbuf *out)
{
	if (byte == '\'')
		strbuf_adds(out, "'\\''");
	else
		strbuf_addc(out, (char)byte);
}

/* How a shell is given a word without quotes. */
static void backslash_byte(unsigned char byte, struct strbuf *out)
{
	strbuf_adds(out, byte < 0x80 && !isalnum(byte) && !strchr("_-./:,@%+=", byte) ? "\\" : "");
	strbuf_addc(out, (char)byte);
}

static encode_byte *const encoders[] = {
	json_byte,       uri_byte,      uri_lower_byte, form_byte,      xml_byte,
	expression_byte, argument_byte, shell_byte,     backslash_byte,
};

static void add_encoded(struct forms *f, const char *value, encode_byte *encode)
{
	auto_strbuf struct strbuf out = STRBUF(6 * strlen(value) + 1);

	for (const char *p = value; *p; p++)
		encode((unsigned char)*p, &out);
	add_form(f, out.text, out.len);
}

/* ---- base64 ---- */

static const char alphabets[][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

/* Six bits of the value, when `shift` bytes of something else stand before it. */
static unsigned sextet(const char *value, size_t len, size_t shift, size_t index)
{
	unsigned bits = 0;

	for (size_t i = 0; i < 6; i++) {
		size_t bit = index * 6 + i;
		size_t at = bit / 8 - shift;
		unsigned char byte = bit / 8 >= shift && at < len ? (unsigned char)value[at] : 0;

		bits = bits << 1 | (byte >> (7 - bit % 8) & 1);
	}
	return bits;
}

/* The letters that the value alone decides, wherever in the encoded text it stands. */
static void add_base64_core(struct forms *f, const char *value, size_t shift, const char *alphabet)
{
	size_t len = strlen(value);
	size_t first = (shift * 8 + 5) / 6, end = (shift + len) * 8 / 6;
	auto_strbuf struct strbuf out = STRBUF(2 * len + 8);

	for (size_t i = first; i < end; i++)
		strbuf_addc(&out, alphabet[sextet(value, len, shift, i)]);
	if (out.len >= SHORTEST_FORM)
		add_form(f, out.text, out.len);
}

/* The value encoded alone, whole and in the lines that base64(1) breaks it into. */
static void add_base64_whole(struct forms *f, const char *value, const char *alphabet)
{
	size_t len = strlen(value);
	auto_strbuf struct strbuf out = STRBUF(2 * len + 8);

	for (size_t i = 0; i < (len * 8 + 5) / 6; i++)
		strbuf_addc(&out, alphabet[sextet(value, len, 0, i)]);
	while (out.len % 4)
		strbuf_addc(&out, '=');
	add_form(f, out.text, out.len);
	for (size_t at = 0; out.len > BASE64_LINE && at + SHORTEST_FORM <= out.len;
	     at += BASE64_LINE) {
		size_t left = out.len - at;

		add_form(f, out.text + at, left < BASE64_LINE ? left : BASE64_LINE);
	}
}

static void add_base64(struct forms *f, const char *value)
{
	for (size_t i = 0; i < COUNT(alphabets); i++) {
		add_base64_whole(f, value, alphabets[i]);
		for (size_t shift = 0; shift < 3; shift++)
			add_base64_core(f, value, shift, alphabets[i]);
	}
}

/* A value that was given with quotes around it is used without them. */
static void add_unquoted(struct forms *f, const char *value)
{
	size_t len = strlen(value);

	if (len > 2 + SHORTEST_FORM && (value[0] == '"' || value[0] == '\'') &&
	    value[len - 1] == value[0])
		add_form(f, value + 1, len - 2);
}

const char *const *encode_forms(struct arena *a, const char *value, size_t *count)
{
	struct forms f = {.arena = a};

	if (strlen(value) >= 2) {
		add_form(&f, value, strlen(value));
		for (size_t i = 0; i < COUNT(encoders); i++)
			add_encoded(&f, value, encoders[i]);
		add_base64(&f, value);
		add_unquoted(&f, value);
	}
	*count = f.count;
	return f.list;
}
