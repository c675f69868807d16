#include "image/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"

#define CONNECT_SECONDS 20L
#define SMALL_SECONDS   120L /* for a document or a token, from first to last byte */
#define STALL_SECONDS   30L /* slower than STALL_BYTES a second for so long is a broken connection */
#define STALL_BYTES     512L

struct http {
	const struct curl_api *api;
	struct http_proxies proxies;
	CURL *easy;
};

/* One exchange. */
struct exchange {
	const struct http_request *request;
	struct http *http;
	struct arena *arena;
	struct http_response *response;
	struct strbuf problem;
	size_t field_bytes;
	bool begun;  /* the sink knows the response */
	bool failed; /* `err` is set, and not by libcurl */
	bool enough; /* the body says no more that is worth it */
	struct err *err;
};

/* ---- what comes back ---- */

static const struct {
	const char *name;
	size_t offset;
} known_fields[] = {
	{"content-type", offsetof(struct http_response, type)},
	{"content-range", offsetof(struct http_response, range)},
	{"location", offsetof(struct http_response, location)},
	{"retry-after", offsetof(struct http_response, retry_after)},
	{"www-authenticate", offsetof(struct http_response, challenge)},
	{"docker-content-digest", offsetof(struct http_response, digest)},
};

static const char **field_of(struct http_response *response, const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(known_fields); i++)
		if (strlen(known_fields[i].name) == len &&
		    strncasecmp(known_fields[i].name, name, len) == 0)
			return (const char **)((char *)response + known_fields[i].offset);
	return NULL;
}

static size_t trim(const char **text, size_t len)
{
	while (len && ((*text)[0] == ' ' || (*text)[0] == '\t')) {
		(*text)++;
		len--;
	}
	while (len && strchr(" \t\r\n", (*text)[len - 1]))
		len--;
	return len;
}

static void take_field(struct exchange *x, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value, **field;
	uint64_t length;
	size_t rest;
	char *copy;

	if (!colon)
		return;
	value = colon + 1;
	rest = trim(&value, len - (size_t)(value - line));
	copy = arena_strndup(x->arena, value, rest);
	if ((size_t)(colon - line) == 14 && strncasecmp(line, "content-length", 14) == 0 &&
	    parse_u64(copy, 0, INT64_MAX, &length) == 0)
		x->response->length = length;
	field = field_of(x->response, line, (size_t)(colon - line));
	if (field) /* two of a kind are one list; where there may be one alone that is no value */
		*field = *field ? arena_printf(x->arena, "%s, %s", *field, copy) : copy;
}

/* Interim responses come before the one that counts: each starts anew. */
static size_t on_field(char *line, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t len = size * count;

	x->field_bytes += len;
	if (x->field_bytes > LIMIT_HTTP_FIELDS) {
		(void)err_fail(x->err, ERR_SYSTEM, "the answer has more than %llu bytes of fields",
			       (unsigned long long)LIMIT_HTTP_FIELDS);
		x->failed = true;
		return 0;
	}
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0)
		*x->response = (struct http_response){.length = UINT64_MAX};
	else
		take_field(x, line, len);
	return len;
}

static int begin_body(struct exchange *x)
{
	long status = 0;

	(void)x->http->api->easy_getinfo(x->http->easy, CURLINFO_RESPONSE_CODE, &status);
	x->response->status = status;
	x->begun = true;
	if ((status != 200 && status != 206) || !x->request->sink)
		return 0;
	return x->request->sink(x->request->arg, x->response, NULL, 0, x->err);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t len = size * count;
	int r = x->begun ? 0 : begin_body(x);

	if (r == 0 && (x->response->status == 200 || x->response->status == 206)) {
		r = x->request->sink
			    ? x->request->sink(x->request->arg, x->response, bytes, len, x->err)
			    : 0;
	} else if (r == 0) {
		strbuf_add(&x->problem, bytes, len);
		x->enough = x->problem.full;
	}
	x->failed = r < 0;
	return r < 0 || x->enough ? 0 : len;
}

/* A host that may be spoken to without TLS because it is this machine has to be this machine. */
static int on_connected(void *arg, char *peer, char *own, int peer_port, int own_port)
{
	struct exchange *x = arg;

	(void)own, (void)peer_port, (void)own_port;
	if (strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0)
		return CURL_PREREQFUNC_OK;
	(void)err_fail(x->err, ERR_SYSTEM,
		       "'%s' has the address %.64s, which is not this machine's: without TLS that "
		       "takes plain-http in config.yml",
		       x->request->url->host, peer);
	x->failed = true;
	return CURL_PREREQFUNC_ABORT;
}

/* ---- sending ---- */

static void set_proxy(struct http *http, const struct url *url)
{
	const struct curl_api *c = http->api;
	const char *proxy = url->https ? http->proxies.https : http->proxies.http;

	/* an empty one: none, whatever the environment says */
	(void)c->easy_setopt(http->easy, CURLOPT_PROXY, url->loopback || !proxy ? "" : proxy);
	(void)c->easy_setopt(http->easy, CURLOPT_NOPROXY,
			     http->proxies.none ? http->proxies.none : "");
}

static void set_limits(struct http *http, const struct http_request *request)
{
	const struct curl_api *c = http->api;

	(void)c->easy_setopt(http->easy, CURLOPT_NOSIGNAL, 1L);
	(void)c->easy_setopt(http->easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	(void)c->easy_setopt(http->easy, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
	(void)c->easy_setopt(http->easy, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
	(void)c->easy_setopt(http->easy, CURLOPT_TIMEOUT, request->small ? SMALL_SECONDS : 0L);
	(void)c->easy_setopt(http->easy, CURLOPT_BUFFERSIZE, 512L * 1024);
}

static void set_trust(struct http *http, const struct http_request *request)
{
	const struct curl_api *c = http->api;
	struct curl_blob ca = {(void *)request->ca, request->ca_len, CURL_BLOB_NOCOPY};

	(void)c->easy_setopt(http->easy, CURLOPT_PROTOCOLS_STR,
			     request->url->https ? "https" : "http");
	(void)c->easy_setopt(http->easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)c->easy_setopt(http->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)c->easy_setopt(http->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)c->easy_setopt(http->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)c->easy_setopt(http->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* these authorities, and none of those that libcurl knows a folder of */
	(void)c->easy_setopt(http->easy, CURLOPT_CAPATH, NULL);
	if (request->ca)
		(void)c->easy_setopt(http->easy, CURLOPT_CAINFO_BLOB, &ca);
}

static void set_calls(struct http *http, struct exchange *x)
{
	const struct curl_api *c = http->api;

	(void)c->easy_setopt(http->easy, CURLOPT_HEADERFUNCTION, on_field);
	(void)c->easy_setopt(http->easy, CURLOPT_HEADERDATA, x);
	(void)c->easy_setopt(http->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)c->easy_setopt(http->easy, CURLOPT_WRITEDATA, x);
	if (!x->request->url->https && !x->request->plain_ok) {
		(void)c->easy_setopt(http->easy, CURLOPT_PREREQFUNCTION, on_connected);
		(void)c->easy_setopt(http->easy, CURLOPT_PREREQDATA, x);
	}
}

static int set_fields(struct http *http, const struct http_request *request,
		      struct curl_slist **list, struct err *err)
{
	const char *const *fields = request->fields;

	for (; fields && *fields; fields++) {
		struct curl_slist *longer = http->api->slist_append(*list, *fields);

		if (!longer)
			return err_fail(err, ERR_SYSTEM, "out of memory");
		*list = longer;
	}
	(void)http->api->easy_setopt(http->easy, CURLOPT_HTTPHEADER, *list);
	(void)http->api->easy_setopt(http->easy, CURLOPT_USERAGENT, "stepcell");
	if (request->form)
		(void)http->api->easy_setopt(http->easy, CURLOPT_COPYPOSTFIELDS, request->form);
	return 0;
}

/* What can be otherwise a moment later. */
static bool is_passing(CURLcode code)
{
	static const CURLcode passing[] = {
		CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT, CURLE_SEND_ERROR,
		CURLE_RECV_ERROR,      CURLE_GOT_NOTHING,        CURLE_PARTIAL_FILE,
		CURLE_HTTP2,           CURLE_HTTP2_STREAM,
	};

	for (size_t i = 0; i < COUNT(passing); i++)
		if (passing[i] == code)
			return true;
	return false;
}

static int judge(struct exchange *x, CURLcode code, const char *words, bool *again)
{
	if (x->failed)
		return -1;
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && x->enough)) {
		*again = is_passing(code);
		return err_fail(x->err, ERR_SYSTEM, "%s",
				*words ? words : x->http->api->easy_strerror(code));
	}
	if (!x->begun && begin_body(x) < 0)
		return -1;
	if (x->problem.len)
		x->response->problem = arena_strndup(x->arena, x->problem.text, x->problem.len);
	return 0;
}

int http_send(struct http *http, struct arena *a, const struct http_request *request,
	      struct http_response *out, bool *again, struct err *err)
{
	struct exchange x = {
		.request = request,
		.http = http,
		.arena = a,
		.response = out,
		.problem = STRBUF(LIMIT_HTTP_PROBLEM),
		.err = err,
	};
	char words[CURL_ERROR_SIZE] = "";
	struct curl_slist *list = NULL;
	int r;

	*again = false;
	*out = (struct http_response){.length = UINT64_MAX};
	http->api->easy_reset(http->easy);
	(void)http->api->easy_setopt(http->easy, CURLOPT_URL, request->url->text);
	(void)http->api->easy_setopt(http->easy, CURLOPT_ERRORBUFFER, words);
	set_proxy(http, request->url);
	set_limits(http, request);
	set_trust(http, request);
	set_calls(http, &x);
	r = set_fields(http, request, &list, err);
	if (r == 0)
		r = judge(&x, http->api->easy_perform(http->easy), words, again);
	http->api->slist_free_all(list);
	strbuf_release(&x.problem);
	return r;
}

/* ---- the rest ---- */

int http_open(const struct curl_api *api, const struct http_proxies *proxies, struct http **out,
	      struct err *err)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http && api->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		http->easy = api->easy_init();
	if (!http || !http->easy) {
		free(http);
		return err_fail(err, ERR_SYSTEM, "cannot start libcurl");
	}
	http->api = api;
	http->proxies = *proxies;
	*out = http;
	return 0;
}

void http_close(struct http **http)
{
	if (!*http)
		return;
	(*http)->api->easy_cleanup((*http)->easy);
	free(*http);
	*http = NULL;
}

void http_add_pair(struct http *http, struct strbuf *out, const char *name, const char *value)
{
	char *encoded = http->api->easy_escape(http->easy, value, 0);

	strbuf_addf(out, "%s%s=%s", out->len ? "&" : "", name, encoded ? encoded : "");
	http->api->free(encoded);
}

int64_t http_retry_after(const struct curl_api *api, const char *text, int64_t now)
{
	uint64_t seconds;
	time_t when;

	if (parse_u64(text, 0, INT32_MAX, &seconds) == 0)
		return (int64_t)seconds;
	when = api->getdate(text, NULL);
	if (when < 0)
		return -1;
	return when > now ? when - now : 0;
}
