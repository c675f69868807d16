/*
 * registry_auth: what a registry that answers 401 is shown.
 *
 * The realm of a challenge is the registry's word, and the login is the user's:
 * it goes to the registry itself and to whom the operator named, nobody else.
 * Whoever else is asked for a token is asked as nobody. The scope is ours: never
 * more than to pull this one repository, whatever the challenge says.
 */
#include <stdlib.h>
#include <string.h>

#include "image/challenge.h"
#include "image/login.h"
#include "image/registry_parts.h"
#include "stepcell/base64.h"
#include "stepcell/clock.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"

#define TOKEN_SECONDS     60   /* where nothing is said, by the token specification */
#define TOKEN_SECONDS_MAX 3600 /* longer than that is asked for anew */
#define TOKEN_MARGIN      10   /* it must not end on its way */
#define TOKEN_TEXT        (32 * KIB)

/* ---- what is shown ---- */

static void permit(struct registry *r, struct source *source, const char *scheme, const char *text,
		   uint64_t seconds)
{
	source->permit = arena_printf(r->arena, "Authorization: %s %s", scheme, text);
	source->permit_until_ms = now_ms() + seconds * 1000;
}

static const char *basic_text(struct arena *a, const struct login *login)
{
	auto_strbuf struct strbuf encoded = STRBUF(128 * KIB);
	char *pair = arena_printf(a, "%s:%s", login->user, login->secret);

	base64_add(&encoded, pair, strlen(pair));
	explicit_bzero(pair, strlen(pair));
	return arena_strndup(a, encoded.text, encoded.len);
}

/* ---- tokens ---- */

static int take_body(void *arg, const struct http_response *response, const void *bytes, size_t len,
		     struct err *err)
{
	struct strbuf *text = arg;

	(void)response;
	strbuf_add(text, bytes, len);
	return text->full ? err_fail(err, ERR_SYSTEM, "it answers with more than %llu bytes",
				     (unsigned long long)text->max)
			  : 0;
}

/* It becomes a part of a field: nothing that could end that. */
static bool is_token(const char *text)
{
	size_t len = 0;

	for (; text[len]; len++)
		if ((unsigned char)text[len] <= ' ' || (unsigned char)text[len] >= 127)
			return false;
	return len && len <= TOKEN_TEXT;
}

static int take_token(struct registry *r, struct arena *a, struct source *source,
		      const struct strbuf *body, struct err *err)
{
	const struct node *root = json_parse(a, "its answer", body->text, body->len, err);
	const struct node *expires = node_get(root, "expires_in");
	const struct node *token = node_get(root, "token");
	double seconds = TOKEN_SECONDS;

	if (!root)
		return -1;
	if (!token)
		token = node_get(root, "access_token");
	if (!token || token->kind != NODE_STRING || !is_token(token->text))
		return err_fail(err, ERR_SYSTEM, "its answer has no token");
	if (expires && expires->kind == NODE_NUMBER && expires->number > seconds)
		seconds = expires->number < TOKEN_SECONDS_MAX ? expires->number : TOKEN_SECONDS_MAX;
	permit(r, source, "Bearer", token->text, (uint64_t)seconds - TOKEN_MARGIN);
	return 0;
}

/* Is this where the login may go? */
static bool is_trusted(const struct source *source, const struct url *realm)
{
	if (url_same_origin(&source->base, realm))
		return true;
	for (size_t i = 0; i < source->at->tokens.count; i++)
		if (url_same_origin(&source->tokens[i], realm))
			return true;
	return false;
}

static int parse_realm(struct registry *r, struct arena *a, const struct source *source,
		       const char *text, struct url *out, struct err *err)
{
	if (!text || strchr(text, '#') || url_parse(r->api, a, NULL, text, out, err) < 0)
		return err_fail(err, ERR_SYSTEM,
				"it asks for a token from '%.100s', which is no URL",
				text ? text : "");
	if (out->https)
		return 0;
	if (source->base.https || !registry_may_ask(r, out))
		return err_fail(err, ERR_SYSTEM, "it asks for a token from '%.100s', without TLS",
				out->origin);
	return 0;
}

static void add_pairs(struct registry *r, const struct source *source, const struct challenge *c,
		      struct arena *a, struct strbuf *out)
{
	if (c->service)
		http_add_pair(r->http, out, "service", c->service);
	http_add_pair(r->http, out, "scope",
		      arena_printf(a, "repository:%s:pull", source->at->name));
}

/* An identity token is sent in a form: a URL ends up in logs. */
static const char *oauth_form(struct registry *r, struct arena *a, const struct source *source,
			      const struct challenge *c)
{
	auto_strbuf struct strbuf form = STRBUF(128 * KIB);

	http_add_pair(r->http, &form, "grant_type", "refresh_token");
	add_pairs(r, source, c, a, &form);
	http_add_pair(r->http, &form, "client_id", "stepcell");
	http_add_pair(r->http, &form, "refresh_token", source->at->login.identity);
	return arena_strndup(a, form.text, form.len);
}

static int token_url(struct registry *r, struct arena *a, const struct source *source,
		     const struct challenge *c, bool as_user, struct url *realm, struct err *err)
{
	auto_strbuf struct strbuf query = STRBUF(URL_BYTES);

	add_pairs(r, source, c, a, &query);
	if (as_user)
		http_add_pair(r->http, &query, "account", source->at->login.user);
	return url_parse(r->api, a, NULL,
			 arena_printf(a, "%s%c%s", realm->text,
				      strchr(realm->text, '?') ? '&' : '?', query.text),
			 realm, err);
}

/* No redirect is followed: what is shown here is shown to this one server. */
static int fetch_token(struct registry *r, struct arena *a, struct source *source,
		       const struct challenge *c, struct url *realm, struct ask *ask,
		       struct err *err)
{
	const struct login *login = &source->at->login;
	const bool trusted = is_trusted(source, realm);
	auto_strbuf struct strbuf body = STRBUF(LIMIT_TOKEN_BYTES);
	const char *fields[2] = {NULL, NULL};
	struct http_response response;
	struct http_request request = {
		.url = realm,
		.fields = fields,
		.ca = source->ca.text,
		.ca_len = source->ca.len,
		.plain_ok = !realm->loopback,
		.small = true,
		.sink = take_body,
		.arg = &body,
	};

	if (!trusted && (login->secret || login->identity))
		source->withheld_at = arena_strdup(r->arena, realm->origin);
	if (trusted && login->identity)
		request.form = oauth_form(r, a, source, c);
	else if (token_url(r, a, source, c, trusted && login->secret, realm, err) < 0)
		return -1;
	if (trusted && login->secret && !login->identity)
		fields[0] = arena_printf(a, "Authorization: Basic %s", basic_text(a, login));
	if (http_send(r->http, a, &request, &response, &ask->again, err) < 0)
		return -1;
	if (response.status != 200) {
		(void)registry_refuse(a, ask, &response, err);
		return login_is_set(login) ? -1 : err_wrap(err, "without a login");
	}
	return take_token(r, a, source, &body, err);
}

/* ---- which way ---- */

static int no_login(const struct source *source, struct err *err)
{
	return err_fail(err, ERR_SYSTEM,
			"it asks for a login, and there is none for '%s': `docker login` or "
			"`podman login` stores one",
			source->at->key);
}

int registry_authenticate(struct registry *r, struct arena *a, struct source *source,
			  const char *text, struct ask *ask, struct err *err)
{
	const struct login *login = &source->at->login;
	struct challenge c;
	struct url realm;

	source->withheld_at = NULL;
	if (!text || !challenge_parse(a, text, &c))
		return err_fail(err, ERR_SYSTEM,
				"it asks for a login, and does not say which kind");
	if (login->bearer) {
		if (!is_token(login->bearer))
			return err_fail(err, ERR_USAGE, "the token for '%s' is none",
					source->at->key);
		permit(r, source, "Bearer", login->bearer, TOKEN_SECONDS_MAX);
		return 0;
	}
	if (!c.bearer) {
		if (!login->secret)
			return no_login(source, err);
		permit(r, source, "Basic", basic_text(a, login), INT32_MAX);
		return 0;
	}
	if (parse_realm(r, a, source, c.realm, &realm, err) < 0)
		return -1;
	const char *origin = realm.origin;

	if (fetch_token(r, a, source, &c, &realm, ask, err) < 0)
		return err_wrap(err, "asking '%.100s' for a token", origin);
	return 0;
}
