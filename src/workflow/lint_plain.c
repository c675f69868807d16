/* Passwords and tokens that stand in the file. */
#include <ctype.h>
#include <string.h>

#include "workflow/lint.h"

/* How the tokens of some services begin, and how many characters follow at least. */
static const struct {
	const char *begin;
	size_t rest;
	const char *what;
} tokens[] = {
	{"ghp_", 36, "a token of GitHub"},
	{"gho_", 36, "a token of GitHub"},
	{"ghu_", 36, "a token of GitHub"},
	{"ghs_", 36, "a token of GitHub"},
	{"ghr_", 36, "a token of GitHub"},
	{"github_pat_", 60, "a token of GitHub"},
	{"glpat-", 20, "a token of GitLab"},
	{"npm_", 36, "a token of npm"},
	{"pypi-AgEI", 50, "a token of PyPI"},
	{"AKIA", 16, "an access key of AWS"},
	{"AIza", 35, "an API key of Google"},
	{"xoxb-", 20, "a token of Slack"},
	{"xoxp-", 20, "a token of Slack"},
	{"sk_live_", 20, "a key of Stripe"},
	{"dckr_pat_", 20, "a token of Docker Hub"},
	{"-----BEGIN RSA PRIVATE KEY-----", 0, "a private key"},
	{"-----BEGIN OPENSSH PRIVATE KEY-----", 0, "a private key"},
	{"-----BEGIN PRIVATE KEY-----", 0, "a private key"},
	{"-----BEGIN EC PRIVATE KEY-----", 0, "a private key"},
};

static size_t token_chars(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '-')
		n++;
	return n;
}

static bool is_token(const char *text, const char *at, size_t i)
{
	bool starts = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');

	return starts && token_chars(at + strlen(tokens[i].begin)) >= tokens[i].rest;
}

void lint_plain_text(struct lint *l, const struct node *n)
{
	if (!n || n->kind != NODE_STRING)
		return;
	for (size_t i = 0; i < COUNT(tokens); i++)
		for (const char *at = n->text; (at = strstr(at, tokens[i].begin)); at++)
			if (is_token(n->text, at, i)) {
				diag_warn(l->checker.diags,
					  place_inside(&l->checker, n, (size_t)(at - n->text)),
					  "plain-credentials", "%s stands in the file",
					  tokens[i].what);
				return;
			}
}

/* ---- by their names ---- */

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len >= n && strcasecmp(name + len - n, end) == 0;
}

static bool is_secret_name(const char *name)
{
	static const char *const ends[] = {"password",    "passwd",     "passphrase", "token",
					   "secret",      "secret_key", "secret-key", "api_key",
					   "api-key",     "apikey",     "access_key", "access-key",
					   "private_key", "private-key"};

	for (size_t i = 0; i < COUNT(ends); i++)
		if (ends_with(name, ends[i]))
			return true;
	return false;
}

/*
 * Does it look made by chance? The password of a test's own database is a word:
 * that is no secret. Ten characters at least, with letters and digits.
 */
static bool looks_random(const char *s)
{
	size_t letters = 0, digits = 0;

	for (; *s; s++) {
		letters += isalpha((unsigned char)*s) != 0;
		digits += isdigit((unsigned char)*s) != 0;
		if (*s == ' ' || *s == '/' || *s == '$' || *s == '\n')
			return false;
	}
	return letters >= 3 && digits >= 3 && letters + digits >= 10;
}

/* The values of env and with. */
void lint_plain(struct lint *l, const struct node *map)
{
	for (size_t i = 0; map && map->kind == NODE_MAP && i < map->count; i++) {
		const struct node_pair *p = &map->pairs[i];

		lint_plain_text(l, p->value);
		if (p->value->kind == NODE_STRING && !template_has_expr(p->value->text) &&
		    is_secret_name(p->key->text) && looks_random(p->value->text))
			diag_warn(l->checker.diags, p->value->at, "plain-credentials",
				  "'%.100s' stands in the file as it is", p->key->text);
	}
}

/* A registry's password is no test's: whatever it is. */
void lint_credentials(struct lint *l, const struct node *container)
{
	const struct node *password = node_get(node_get(container, "credentials"), "password");

	if (password && password->kind != NODE_NULL &&
	    !(node_text(password) && template_has_expr(password->text)))
		diag_warn(l->checker.diags, password->at, "plain-credentials",
			  "the password of a registry stands in the file");
	lint_plain(l, node_get(container, "env"));
}
