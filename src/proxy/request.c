/*
 * request: HTTP/1.1 heads, read as strictly as RFC 9112 lets a recipient be.
 *
 * What two parsers could read in two ways is refused: the server behind us must
 * never see another host, or another request, than the one that was judged.
 */
#include "proxy/request.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "stepcell/parse.h"
#include "stepcell/util.h"

bool refuse(struct refusal *why, int status, const char *fmt, ...)
{
	va_list args;

	why->status = status;
	va_start(args, fmt);
	(void)vsnprintf(why->why, sizeof(why->why), fmt, args);
	va_end(args);
	return false;
}

size_t request_head_len(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);

	return end ? (size_t)(end - text) + 4 : 0;
}

/* ---- lines ---- */

struct line {
	const char *text;
	size_t len;
};

/* Cut the next line off; the caller knows that there is one. */
static struct line next_line(const char **at)
{
	const char *end = strstr(*at, "\r\n");
	struct line line = {*at, (size_t)(end - *at)};

	*at = end + 2;
	return line;
}

/* A line ends in CR and LF and holds neither, nor any other control character but a tab. */
static bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\r' && i + 1 < len && text[i + 1] == '\n')
			i++;
		else if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
			return false;
	return len > 0;
}

struct header {
	struct line name, value;
};

static bool header_parse(const struct line *line, struct header *out)
{
	const char *colon = memchr(line->text, ':', line->len);

	if (!colon || !is_token(line->text, (size_t)(colon - line->text)))
		return false; /* a folded line among them: it begins with a blank */
	out->name = (struct line){line->text, (size_t)(colon - line->text)};
	out->value = (struct line){colon + 1, line->len - out->name.len - 1};
	while (out->value.len && strchr(" \t", *out->value.text))
		out->value = (struct line){out->value.text + 1, out->value.len - 1};
	while (out->value.len && strchr(" \t", out->value.text[out->value.len - 1]))
		out->value.len--;
	return true;
}

static bool is_named(const struct header *header, const char *name)
{
	return header->name.len == strlen(name) &&
	       strncasecmp(header->name.text, name, header->name.len) == 0;
}

/* ---- the first line ---- */

/* http://host[:port][/path][?query]; https is for tunnels. */
static bool parse_url(const struct line *url, struct request *out, struct refusal *why)
{
	static const char scheme[] = "http://";
	const size_t skip = sizeof(scheme) - 1;
	const char *host = url->text + skip;
	size_t len = 0;

	if (url->len <= skip || strncasecmp(url->text, scheme, skip) != 0)
		return refuse(why, 400, "expected an http:// URL, or CONNECT for any other scheme");
	while (len < url->len - skip && !strchr("/?", host[len]))
		len++;
	if (!endpoint_parse(host, len, 80, &out->to))
		return refuse(why, 400, "the URL names no host and port that a rule could allow");
	out->target = host + len;
	out->target_len = url->len - skip - len;
	return true;
}

static bool parse_first(const struct line *line, struct request *out, struct refusal *why)
{
	const char *space = memchr(line->text, ' ', line->len);
	const size_t method = space ? (size_t)(space - line->text) : 0;
	static const char version[] = " HTTP/1.";
	const size_t tail = sizeof(version); /* and its last digit */
	struct line target;

	if (method == 0 || method >= sizeof(out->method) || line->len < method + 1 + tail + 1 ||
	    !is_token(line->text, method))
		return refuse(why, 400, "this is no HTTP request");
	target = (struct line){space + 1, line->len - method - 1 - tail};
	if (memcmp(target.text + target.len, version, tail - 1) != 0 ||
	    !strchr("01", target.text[target.len + tail - 1]))
		return refuse(why, 505, "expected HTTP/1.1");
	for (size_t i = 0; i < target.len; i++)
		if (target.text[i] <= ' ' || target.text[i] > '~')
			return refuse(why, 400, "the URL has a character that must be encoded");
	(void)snprintf(out->method, sizeof(out->method), "%.*s", (int)method, line->text);
	out->tunnel = strcmp(out->method, "CONNECT") == 0;
	if (!out->tunnel)
		return parse_url(&target, out, why);
	if (memchr(target.text, ':', target.len) &&
	    endpoint_parse(target.text, target.len, 0, &out->to))
		return true;
	return refuse(why, 400, "CONNECT names no host and port that a rule could allow");
}

/* ---- the others ---- */

struct seen {
	bool host, length;
};

static bool parse_host(const struct header *h, const struct request *r, struct seen *seen,
		       struct refusal *why)
{
	const uint16_t port = r->tunnel ? r->to.port : 80;
	struct endpoint named;

	if (seen->host)
		return refuse(why, 400, "more than one Host");
	seen->host = true;
	if (!endpoint_parse(h->value.text, h->value.len, port, &named) ||
	    strcmp(named.host, r->to.host) != 0 || named.port != r->to.port)
		return refuse(why, 400, "Host is another than the one that was asked for");
	return true;
}

static bool parse_length(const struct header *h, struct request *r, struct seen *seen,
			 struct refusal *why)
{
	char digits[20] = {0};

	if (seen->length)
		return refuse(why, 400, "more than one Content-Length");
	seen->length = true;
	if (h->value.len >= sizeof(digits))
		return refuse(why, 400, "Content-Length is out of range");
	memcpy(digits, h->value.text, h->value.len);
	if (parse_u64(digits, 0, INT64_MAX, &r->body) < 0)
		return refuse(why, 400, "Content-Length is no number");
	return true;
}

static bool parse_header(const struct line *line, struct request *r, struct seen *seen,
			 struct refusal *why)
{
	struct header header;

	if (!header_parse(line, &header))
		return refuse(why, 400, "a line of the head is no header");
	if (is_named(&header, "Host"))
		return parse_host(&header, r, seen, why);
	if (is_named(&header, "Transfer-Encoding"))
		return refuse(why, 411, "a body needs a Content-Length here");
	if (is_named(&header, "Content-Length") && !r->tunnel)
		return parse_length(&header, r, seen, why);
	return true;
}

bool request_parse(const char *text, size_t len, struct request *out, struct refusal *why)
{
	const char *at = text;
	struct seen seen = {0};
	struct line line;

	*out = (struct request){.head = request_head_len(text, len)};
	if (!is_clean(text, out->head))
		return refuse(why, 400, "the head has a control character");
	line = next_line(&at);
	if (!parse_first(&line, out, why))
		return false;
	for (line = next_line(&at); line.len; line = next_line(&at))
		if (!parse_header(&line, out, &seen, why))
			return false;
	return true;
}

/* ---- for the server ---- */

/* RFC 9110, 7.6.1: about this connection alone; and Host, which is written anew. */
static const char *const ours[] = {
	"Host",    "Connection", "Proxy-Connection", "Proxy-Authorization", "Keep-Alive",
	"Upgrade", "TE",         "Trailer",          "HTTP2-Settings",
};

static bool is_ours(const struct header *header)
{
	for (size_t i = 0; i < COUNT(ours); i++)
		if (is_named(header, ours[i]))
			return true;
	return false;
}

void request_write(const struct request *r, const char *text, struct strbuf *out)
{
	const char *at = text;
	struct header header;
	struct line line;

	(void)next_line(&at);
	strbuf_addf(out, "%s %s%.*s HTTP/1.1\r\nHost: %s", r->method,
		    r->target_len && *r->target == '/' ? "" : "/", (int)r->target_len, r->target,
		    r->to.host);
	if (r->to.port != 80)
		strbuf_addf(out, ":%u", r->to.port);
	strbuf_adds(out, "\r\nConnection: close\r\n");
	for (line = next_line(&at); line.len; line = next_line(&at)) {
		if (!header_parse(&line, &header) || is_ours(&header))
			continue;
		strbuf_add(out, line.text, line.len);
		strbuf_adds(out, "\r\n");
	}
	strbuf_adds(out, "\r\n");
}
