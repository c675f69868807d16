/* registry_ask: one question to one place of the registry: redirects, 401, and refusals in words. */
#include <inttypes.h>
#include <string.h>

#include "image/registry_parts.h"
#include "stepcell/clock.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"

#define REDIRECTS 10

/* By the operator. */
static bool is_listed(const struct registry *r, const struct url *url)
{
	for (size_t i = 0; i < r->plain_count; i++)
		if (url_same_origin(&r->plain[i], url))
			return true;
	return false;
}

bool registry_may_ask(const struct registry *r, const struct url *url)
{
	return url->https || url->loopback || is_listed(r, url);
}

/* ---- refusals ---- */

/* {"errors": [{"code": "DENIED", "message": "..."}]}, or the first line of what it is. */
static const char *problem_text(struct arena *a, const char *body)
{
	auto_strbuf struct strbuf clean = STRBUF(300);
	struct err ignored;
	const struct node *root =
		body ? json_parse(a, "answer", body, strlen(body), &ignored) : NULL;
	const struct node *errors = node_get(root, "errors");
	const struct node *first =
		errors && errors->kind == NODE_LIST && errors->count ? errors->items[0] : NULL;
	const char *text = node_text(node_get(first, "message"));

	if (!text || !*text)
		text = node_text(node_get(first, "code"));
	if (!text || !*text)
		return "";
	strbuf_adds(&clean, ": ");
	strbuf_add_visible(&clean, text, strnlen(text, 200));
	return arena_strndup(a, clean.text, clean.len);
}

/* What a status means to whoever pulls. */
static const struct {
	long status;
	bool again;
	const char *text;
} statuses[] = {
	{400, false, "it does not understand this"},
	{401, false, "it does not accept the login"},
	{403, false, "it forbids this"},
	{404, false, "it has no such image"},
	{408, true, "it took too long"},
	{416, true, "it has not so many bytes"},
	{429, true, "it was asked too often"},
	{500, true, "it is broken"},
	{502, true, "it is broken"},
	{503, true, "it is not available"},
	{504, true, "it is not available"},
};

int registry_refuse(struct arena *a, struct ask *ask, const struct http_response *response,
		    struct err *err)
{
	const char *meaning = "an answer that makes no sense here";

	for (size_t i = 0; i < COUNT(statuses); i++) {
		if (statuses[i].status != response->status)
			continue;
		meaning = statuses[i].text;
		ask->again = statuses[i].again;
	}
	ask->past_end = response->status == 416;
	ask->retry_after = response->retry_after;
	return err_fail(err, ERR_SYSTEM, "%s (status %ld)%s", meaning, response->status,
			problem_text(a, response->problem));
}

/* ---- redirects ---- */

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Where it leads: never from TLS to none, and without TLS only to whom that is allowed. */
static int follow(struct registry *r, struct arena *a, struct url *url,
		  const struct http_response *response, struct err *err)
{
	struct url next;

	if (!response->location)
		return err_fail(err, ERR_SYSTEM, "it redirects, and does not say where to");
	if (url_parse(r->api, a, url, response->location, &next, err) < 0)
		return err_wrap(err, "it redirects to '%.100s'", response->location);
	if (url->https && !next.https)
		return err_fail(err, ERR_SYSTEM, "it redirects from https to '%.100s'",
				next.origin);
	if (!registry_may_ask(r, &next))
		return err_fail(err, ERR_SYSTEM,
				"it redirects to '%.100s', which is not this machine and has no "
				"TLS",
				next.origin);
	*url = next;
	return 0;
}

/* What is shown to the place is shown to nobody else. */
static void list_fields(struct arena *a, const struct source *source, const struct ask *ask,
			const struct url *url, const char *fields[4])
{
	size_t n = 0;

	if (ask->accept)
		fields[n++] = ask->accept;
	if (ask->offset)
		fields[n++] = arena_printf(a, "Range: bytes=%" PRIu64 "-", ask->offset);
	if (source->permit && url_same_origin(url, &source->base))
		fields[n++] = source->permit;
	fields[n] = NULL;
}

/* To the answer that is no redirect. */
static int send_along(struct registry *r, struct arena *a, struct source *source, struct ask *ask,
		      struct http_response *response, struct err *err)
{
	struct url url;

	if (url_parse(r->api, a, &source->base,
		      arena_printf(a, "/v2/%s/%s", source->at->name, ask->path), &url, err) < 0)
		return -1;
	for (int hops = 0; hops <= REDIRECTS; hops++) {
		const char *fields[4];
		const struct http_request request = {
			.url = &url,
			.fields = fields,
			.ca = source->ca.text,
			.ca_len = source->ca.len,
			.plain_ok = is_listed(r, &url),
			.small = ask->small,
			.sink = ask->sink,
			.arg = ask->arg,
		};

		list_fields(a, source, ask, &url, fields);
		if (http_send(r->http, a, &request, response, &ask->again, err) < 0)
			return -1;
		ask->answered = url_same_origin(&url, &source->base) ? NULL : url.origin;
		if (!is_redirect(response->status))
			return 0;
		if (follow(r, a, &url, response, err) < 0)
			return -1;
	}
	return err_fail(err, ERR_SYSTEM, "it redirects more than %d times", REDIRECTS);
}

/* ---- asking ---- */

static int withheld(const struct source *source, struct err *err)
{
	return err_fail(err, ERR_SYSTEM,
			"it takes logins at '%.100s', which was not shown the one for '%s': to let "
			"it, name it under 'tokens' of '%s' in config.yml",
			source->withheld_at, source->at->key, source->at->host);
}

static int judge(struct arena *a, const struct source *source, struct ask *ask,
		 const struct http_response *response, struct err *err)
{
	if (response->status == 200 || response->status == 206)
		return 0;
	if (source->withheld_at && (response->status == 401 || response->status == 403))
		return withheld(source, err);
	(void)registry_refuse(a, ask, response, err);
	return ask->answered ? err_wrap(err, "sent on to '%.100s'", ask->answered) : -1;
}

/*
 * Only the source itself is shown anything for its 401, not whom it sent us on to.
 * A second 401 says that what there is to show is not enough.
 */
static int ask_once(struct registry *r, struct arena *a, struct source *source, struct ask *ask,
		    struct err *err)
{
	struct http_response response;

	if (source->permit && now_ms() >= source->permit_until_ms)
		source->permit = NULL;
	if (send_along(r, a, source, ask, &response, err) < 0)
		return -1;
	if (response.status == 401 && !ask->answered) {
		source->permit = NULL;
		if (registry_authenticate(r, a, source, response.challenge, ask, err) < 0 ||
		    send_along(r, a, source, ask, &response, err) < 0)
			return -1;
	}
	return judge(a, source, ask, &response, err);
}

int registry_ask(struct registry *r, struct source *source, struct ask *ask, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	int result;

	ask->again = ask->past_end = false;
	ask->retry_after = NULL;
	ask->answered = NULL;
	result = ask_once(r, a, source, ask, err);
	ask->answered = NULL;
	if (ask->retry_after) /* the answer goes with its arena */
		ask->retry_after = arena_strdup(r->arena, ask->retry_after);
	return result < 0 ? err_wrap(err, "%s", source->at->host) : 0;
}
