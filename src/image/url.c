#include "image/url.h"

#include <ctype.h>
#include <string.h>

bool host_is_loopback(const char *host)
{
	const char *bracket = strchr(host, ']');
	const char *colon = strchr(bracket ? bracket : host, ':');
	size_t len = colon ? (size_t)(colon - host) : strlen(host);

	return (len == 9 && strncmp(host, "localhost", len) == 0) ||
	       (len == 5 && strncmp(host, "[::1]", len) == 0) ||
	       (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len);
}

/* A part of the URL, in the arena; NULL when it has none. */
static char *part(const struct curl_api *api, struct arena *a, CURLU *u, CURLUPart what,
		  unsigned flags)
{
	char *found = NULL, *copy;

	if (api->url_get(u, what, &found, flags) != CURLUE_OK || !found)
		return NULL;
	copy = arena_strdup(a, found);
	api->free(found);
	return copy;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

static int read_parts(const struct curl_api *api, struct arena *a, CURLU *u, struct url *out,
		      struct err *err)
{
	char *scheme = part(api, a, u, CURLUPART_SCHEME, 0);
	char *host = part(api, a, u, CURLUPART_HOST, 0);
	char *port = part(api, a, u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	char *text = part(api, a, u, CURLUPART_URL, 0);

	if (!scheme || !host || !port || !text || strlen(text) > URL_BYTES)
		return err_fail(err, ERR_SYSTEM, "it is no URL");
	lower(host);
	*out = (struct url){
		.text = text,
		.host = host,
		.origin = arena_printf(a, "%s://%s:%s", scheme, host, port),
		.https = strcmp(scheme, "https") == 0,
		.loopback = host_is_loopback(host),
	};
	if (!out->https && strcmp(scheme, "http") != 0)
		return err_fail(err, ERR_SYSTEM, "'%.16s' is no scheme for this", scheme);
	return 0;
}

/* What a terminal or a header would take for something else has no business in a URL. */
static bool is_visible(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 127)
			return false;
	return true;
}

int url_parse(const struct curl_api *api, struct arena *a, const struct url *base, const char *text,
	      struct url *out, struct err *err)
{
	CURLU *u = api->url();
	int r;

	if (!u)
		return err_fail(err, ERR_SYSTEM, "out of memory");
	if (strlen(text) > URL_BYTES || !is_visible(text))
		r = err_fail(err, ERR_SYSTEM, "it is no URL");
	else if (base && api->url_set(u, CURLUPART_URL, base->text, 0) != CURLUE_OK)
		r = err_fail(err, ERR_SYSTEM, "it is relative to no URL");
	else if (api->url_set(u, CURLUPART_URL, text, CURLU_DISALLOW_USER) != CURLUE_OK)
		r = err_fail(err, ERR_SYSTEM, "it is no URL, or has a user in it");
	else
		r = read_parts(api, a, u, out, err);
	api->url_cleanup(u);
	return r;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return strcmp(a->origin, b->origin) == 0;
}
