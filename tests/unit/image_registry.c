/* What the registry client reads of others: challenges, URLs, files of logins, its own configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/challenge.h"
#include "image/http.h"
#include "image/login.h"
#include "image/url.h"
#include "stepcell/base64.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

static void same_text(const char *found, const char *expected)
{
	if (!found || !expected)
		assert_true(found == expected);
	else
		assert_string_equal(found, expected);
}

/* ---- WWW-Authenticate ---- */

static const struct {
	const char *text;
	bool taken;
	struct challenge is;
} challenges[] = {
	{"Basic", true, {.basic = true}},
	{"basic realm=\"x\"", true, {.basic = true}},
	{"Bearer realm=\"https://a.example.com/t\",service=\"s\",scope=\"r:a:pull\"",
	 true,
	 {.bearer = true, .realm = "https://a.example.com/t", .service = "s", .scope = "r:a:pull"}},
	{"BEARER Realm = \"a\" , Service = b",
	 true,
	 {.bearer = true, .realm = "a", .service = "b"}},
	{"Bearer realm=\"a\\\"b\\\\c\"", true, {.bearer = true, .realm = "a\"b\\c"}},
	{"Bearer realm=\"a, Basic realm=b\"", true, {.bearer = true, .realm = "a, Basic realm=b"}},
	{"Basic realm=\"b\", Bearer realm=\"a\"",
	 true,
	 {.basic = true, .bearer = true, .realm = "a"}},
	{"Bearer realm=\"a\", Basic realm=\"b\"",
	 true,
	 {.basic = true, .bearer = true, .realm = "a"}},
	/* the first counts, and one challenge's parameters are never another's */
	{"Bearer realm=\"a\",realm=\"b\"", true, {.bearer = true, .realm = "a"}},
	{"Bearer service=\"a\", Bearer realm=\"b\"", true, {.bearer = true, .service = "a"}},
	{"Negotiate TlRM==, Bearer realm=\"a\"", true, {.bearer = true, .realm = "a"}},
	{"Negotiate abc=, Basic", true, {.basic = true}},
	{"Digest realm=\"d\", qop=\"auth,auth-int\", Basic realm=\"x\"", true, {.basic = true}},
	{", ,Bearer realm=\"a\",,", true, {.bearer = true, .realm = "a"}},
	{"Bearer", true, {.bearer = true}},
	{"Bearer realm=", true, {.bearer = true}}, /* RFC 9110 calls it a token68 */
	{"Bearer error=\"invalid_token\"", true, {.bearer = true, .error = "invalid_token"}},
	{"", false, {0}},
	{",", false, {0}},
	{"Negotiate", false, {0}},
	{"realm=\"a\"", false, {0}},
	{"Bearer realm=\"a", false, {0}},
	{"Bearer realm=\"a\\", false, {0}},
	{"\"Bearer\"", false, {0}},
	{"Bearer realm=(a)", false, {0}},
};

static void test_challenges(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(challenges); i++) {
		auto_arena struct arena *a = arena_new();
		struct challenge found = {0};

		print_message("%s\n", challenges[i].text);
		assert_int_equal(challenge_parse(a, challenges[i].text, &found),
				 challenges[i].taken);
		if (!challenges[i].taken)
			continue;
		assert_int_equal(found.basic, challenges[i].is.basic);
		assert_int_equal(found.bearer, challenges[i].is.bearer);
		same_text(found.realm, challenges[i].is.realm);
		same_text(found.service, challenges[i].is.service);
		same_text(found.scope, challenges[i].is.scope);
		same_text(found.error, challenges[i].is.error);
	}
}

/* What a challenge takes of memory is a small multiple of its bytes, whatever it is made of. */
static void test_many_parameters(void **state)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_HTTP_FIELDS);
	auto_arena struct arena *a = arena_new();
	struct challenge found = {0};

	(void)state;
	strbuf_adds(&text, "Bearer realm=\"https://a.example.com/\"");
	while (text.len + 5 < text.max)
		strbuf_adds(&text, ",a=\"\"");
	assert_true(challenge_parse(a, text.text, &found));
	assert_string_equal(found.realm, "https://a.example.com/");
	assert_true(arena_used(a) < 32 * text.len);
}

/* ---- URLs ---- */

static const struct {
	const char *base, *text, *origin; /* origin NULL: refused */
	bool loopback;
} urls[] = {
	{NULL, "https://a.example.com/x", "https://a.example.com:443", false},
	{NULL, "HTTPS://A.Example.com/x", "https://a.example.com:443", false},
	{NULL, "https://a.example.com:443/x", "https://a.example.com:443", false},
	{NULL, "http://a.example.com", "http://a.example.com:80", false},
	{NULL, "http://127.0.0.1:5000/x", "http://127.0.0.1:5000", true},
	{NULL, "http://127.1:5000/x", "http://127.0.0.1:5000", true},
	{NULL, "http://0x7f000001/x", "http://127.0.0.1:80", true},
	{NULL, "http://2130706433/x", "http://127.0.0.1:80", true},
	{NULL, "http://localhost/x", "http://localhost:80", true},
	{NULL, "http://LOCALHOST/x", "http://localhost:80", true},
	{NULL, "http://[::1]:1/x", "http://[::1]:1", true},
	{NULL, "http://127.0.0.1.example.com/", "http://127.0.0.1.example.com:80", false},
	{NULL, "http://localhost.example.com/", "http://localhost.example.com:80", false},
	{NULL, "http://0.0.0.0/", "http://0.0.0.0:80", false},
	{NULL, "http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]:80", false},
	{NULL, "http://128.0.0.1/", "http://128.0.0.1:80", false},
	{"https://a.example.com/v2/x?y=z", "/b", "https://a.example.com:443", false},
	{"https://a.example.com/v2/x", "b", "https://a.example.com:443", false},
	{"https://a.example.com/v2/x", "//b.example.com/c", "https://b.example.com:443", false},
	{"https://a.example.com/v2/x", "http://a.example.com/", "http://a.example.com:80", false},
	{"https://a.example.com/", "\\\\b.example.com/c", "https://a.example.com:443", false},
	{NULL, "", NULL, false},
	{NULL, "a.example.com/x", NULL, false},
	{NULL, "/x", NULL, false},
	{NULL, "file:///etc/passwd", NULL, false},
	{NULL, "ftp://a.example.com/", NULL, false},
	{NULL, "gopher://a.example.com/", NULL, false},
	{NULL, "https://user@a.example.com/", NULL, false},
	{NULL, "https://user:secret@a.example.com/", NULL, false},
	{NULL, "https://a.example.com/\r\nX: y", NULL, false},
	{NULL, "https://a.example.com/ x", NULL, false},
	{NULL, "https://a.example.com/\x01", NULL, false},
	{NULL, "https://\xc3\xa4.example.com/", NULL, false},
	{NULL, "https://a.example.com:99999/", NULL, false},
	{NULL, "https://", NULL, false},
	{"https://a.example.com/", "https://user@b.example.com/", NULL, false},
};

static void test_urls(void **state)
{
	struct curl_api api;
	struct err err = {0};

	(void)state;
	if (curl_load(&api, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < COUNT(urls); i++) {
		auto_arena struct arena *a = arena_new();
		struct url base, url;

		print_message("%s\n", urls[i].text);
		if (urls[i].base)
			assert_int_equal(url_parse(&api, a, NULL, urls[i].base, &base, &err), 0);
		if (url_parse(&api, a, urls[i].base ? &base : NULL, urls[i].text, &url, &err) < 0) {
			assert_null(urls[i].origin);
			continue;
		}
		same_text(url.origin, urls[i].origin);
		assert_int_equal(url.loopback, urls[i].loopback);
	}
}

static const struct {
	const char *text;
	int64_t seconds;
} retries[] = {
	{"0", 0},
	{"120", 120},
	{"99999999999999999999", -1},
	{"-1", -1},
	{"soon", -1},
	{"", -1},
	{"Sun, 06 Nov 1994 08:49:37 GMT", 0},
	{"Sun, 09 Sep 2001 01:47:00 GMT", 20}, /* a billion seconds, and twenty */
};

static void test_retry_after(void **state)
{
	struct curl_api api;
	struct err err = {0};

	(void)state;
	assert_int_equal(curl_load(&api, &err), 0);
	for (size_t i = 0; i < COUNT(retries); i++) {
		print_message("%s\n", retries[i].text);
		assert_int_equal(http_retry_after(&api, retries[i].text, 1000000000),
				 retries[i].seconds);
	}
}

/* ---- logins ---- */

#define ANN "\"auth\": \"YW5uOnNlY3JldA==\"" /* ann:secret */
#define BOB "\"auth\": \"Ym9iOmE6Yg==\""     /* bob:a:b */

static const struct {
	const char *text, *user, *secret, *identity, *helper;
} files[] = {
	{"{}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {}}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"r.example.com\": {" ANN "}}}", "ann", "secret", NULL, NULL},
	{"{\"auths\": {\"r.example.com\": {" BOB "}}}", "bob", "a:b", NULL, NULL},
	{"{\"auths\": {\"r.example.com\": {}}}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"r.example.com\": {\"username\": \"ann\", \"password\": \"p\"}}}", "ann",
	 "p", NULL, NULL},
	{"{\"auths\": {\"r.example.com\": {\"username\": \"ann\"}}}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"r.example.com\": {\"identitytoken\": \"t\"}}}", NULL, NULL, "t", NULL},
	{"{\"auths\": {\"https://r.example.com/v1/\": {" ANN "}}}", "ann", "secret", NULL, NULL},
	{"{\"auths\": {\"https://r.example.com\": {" ANN "}}}", "ann", "secret", NULL, NULL},
	/* of more of the path before one of less; never one of another path or host */
	{"{\"auths\": {\"r.example.com\": {" ANN "}, \"r.example.com/team\": {" BOB "}}}", "bob",
	 "a:b", NULL, NULL},
	{"{\"auths\": {\"r.example.com/team/app\": {" BOB "}, \"r.example.com/team\": {" ANN "}}}",
	 "bob", "a:b", NULL, NULL},
	{"{\"auths\": {\"r.example.com/other\": {" BOB "}}}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"r.example.com/tea\": {" BOB "}}}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"r.example.com:443\": {" BOB "}}}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"example.com\": {" BOB "}}}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"xr.example.com\": {" BOB "}}}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"r.example.com.evil.example\": {" BOB "}}}", NULL, NULL, NULL, NULL},
	{"{\"credHelpers\": {\"r.example.com\": \"pass\"}, \"credsStore\": \"x\"}", NULL, NULL,
	 NULL, "pass"},
	{"{\"credHelpers\": {\"q.example.com\": \"pass\"}, \"credsStore\": \"x\"}", NULL, NULL,
	 NULL, "x"},
	{"{\"credsStore\": \"\"}", NULL, NULL, NULL, NULL},
	{"{\"auths\": [], \"credHelpers\": 7}", NULL, NULL, NULL, NULL},
	{"{\"auths\": {\"r.example.com\": null}}", NULL, NULL, NULL, NULL},
};

static void test_logins(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		auto_arena struct arena *a = arena_new();
		const char *helper;
		struct login login;
		struct err err = {0};

		print_message("%s\n", files[i].text);
		if (login_decode(a, "f", files[i].text, strlen(files[i].text), "r.example.com",
				 "team/app", &login, &helper, &err) < 0)
			fail_msg("%s", err.text);
		same_text(login.user, files[i].user);
		same_text(login.secret, files[i].secret);
		same_text(login.identity, files[i].identity);
		same_text(helper, files[i].helper);
	}
}

static const char *const wrong_files[] = {
	"",
	"[]",
	"{\"auths\": {\"r.example.com\": {\"auth\": \"!\"}}}",
	"{\"auths\": {\"r.example.com\": {\"auth\": \"YW5u\"}}}",     /* no colon */
	"{\"auths\": {\"r.example.com\": {\"auth\": \"YQBiOmM=\"}}}", /* a NUL in it */
	"{\"credsStore\": \"../x\"}",
	"{\"credsStore\": \"/bin/sh\"}",
	"{\"credsStore\": \"a b\"}",
	"{\"credsStore\": \"a;b\"}",
	"{\"credHelpers\": {\"r.example.com\": \"x/y\"}}",
};

static void test_wrong_logins(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong_files); i++) {
		auto_arena struct arena *a = arena_new();
		const char *helper;
		struct login login;
		struct err err = {0};

		if (login_decode(a, "f", wrong_files[i], strlen(wrong_files[i]), "r.example.com",
				 "a", &login, &helper, &err) == 0)
			fail_msg("taken: %s", wrong_files[i]);
		assert_int_equal(err.kind, ERR_USAGE);
		/* what is wrong is said without what is secret */
		assert_null(strstr(err.text, "YW5u"));
	}
}

static void test_helped(void **state)
{
	static const char user[] = "{\"ServerURL\":\"r\",\"Username\":\"ann\",\"Secret\":\"s\"}";
	static const char token[] = "{\"Username\":\"<token>\",\"Secret\":\"s\"}";
	static const char none[] = "{\"Username\":\"ann\"}";
	auto_arena struct arena *a = arena_new();
	struct login login;
	struct err err = {0};

	(void)state;
	assert_int_equal(login_decode_helped(a, user, strlen(user), &login, &err), 0);
	same_text(login.user, "ann");
	same_text(login.secret, "s");
	assert_int_equal(login_decode_helped(a, token, strlen(token), &login, &err), 0);
	same_text(login.identity, "s");
	same_text(login.secret, NULL);
	assert_int_equal(login_decode_helped(a, none, strlen(none), &login, &err), -1);
	assert_int_equal(login_decode_helped(a, "x", 1, &login, &err), -1);
}

/* ---- base64 ---- */

static const struct {
	const char *text, *encoded;
} base64s[] = {
	{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
	{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe\xfd", "//79"},
};

static void test_base64(void **state)
{
	static const char *const wrong[] = {
		"A", "A===", "Zg=", "Z===", "Zm9v=", "Zm 9", "Zm9v\n", "Z-_=", "=", "Zg==Zg=="};

	(void)state;
	for (size_t i = 0; i < COUNT(base64s); i++) {
		auto_strbuf struct strbuf there = STRBUF(64), back = STRBUF(64);

		base64_add(&there, base64s[i].text, strlen(base64s[i].text));
		assert_string_equal(there.text, base64s[i].encoded);
		assert_true(base64_decode(&back, there.text));
		assert_string_equal(back.text, base64s[i].text);
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		auto_strbuf struct strbuf out = STRBUF(64);

		assert_false(base64_decode(&out, wrong[i]));
		assert_int_equal(out.len, 0);
	}
}

/* ---- configuration ---- */

static bool decode(struct arena *a, const char *text, const char *ref, struct endpoints *out,
		   struct diags *diags)
{
	struct reference reference;
	struct err err = {0};

	*diags = (struct diags){.arena = a};
	assert_int_equal(reference_parse(a, ref, &reference, &err), 0);
	return registries_decode(a, yaml_parse(a, "c.yml", text, strlen(text), diags), &reference,
				 out, diags);
}

static void test_endpoints(void **state)
{
	static const char text[] = "r.example.com:\n"
				   "  location: front.example.com:5000/store\n"
				   "  credentials: https://r.example.com/v1/\n"
				   "  tokens: [https://auth.example.com]\n"
				   "  mirrors:\n"
				   "    - m.example.com/proxy\n"
				   "    - {location: n.example.com, tags: true}\n"
				   "m.example.com: {plain-http: true, ca: /etc/m.pem}\n"
				   "127.0.0.1:5000: {plain-http: false}\n";
	auto_arena struct arena *a = arena_new();
	struct endpoints e;
	struct diags diags;

	(void)state;
	assert_true(decode(a, text, "R.example.com/team/app:1", &e, &diags));
	assert_int_equal(e.count, 3);
	assert_string_equal(e.list[0].host, "m.example.com");
	assert_string_equal(e.list[0].name, "proxy/team/app");
	assert_string_equal(e.list[0].key, "m.example.com");
	assert_string_equal(e.list[0].ca, "/etc/m.pem");
	assert_true(e.list[0].plain && !e.list[0].tags && !e.list[0].tokens.count);
	assert_string_equal(e.list[1].name, "team/app");
	assert_true(!e.list[1].plain && e.list[1].tags);
	assert_string_equal(e.list[2].host, "front.example.com:5000");
	assert_string_equal(e.list[2].name, "store/team/app");
	assert_string_equal(e.list[2].key, "https://r.example.com/v1/");
	assert_true(!e.list[2].plain && e.list[2].tags);
	assert_int_equal(e.list[2].tokens.count, 1);
	assert_int_equal(e.plain.count, 1);

	/* loopback needs no words, and may be given some */
	assert_true(decode(a, text, "127.0.0.1:5001/a", &e, &diags));
	assert_true(e.count == 1 && e.list[0].plain);
	assert_true(decode(a, text, "127.0.0.1:5000/a", &e, &diags));
	assert_false(e.list[0].plain);
	assert_true(decode(a, "", "q.example.com/a", &e, &diags));
	assert_true(e.count == 1 && !e.list[0].plain && e.list[0].tags);
}

static const struct {
	const char *text, *error;
} wrong_config[] = {
	{"[]", "1:1: expected a map of hosts"},
	{"r.example.com: 7", "1:16"},
	{"r.example.com: {mirror: [x]}", "unknown key 'mirror'"},
	{"r.example.com: {mirrors: [https://m.example.com]}", "HOST[:PORT][/PREFIX]"},
	{"r.example.com: {mirrors: [m.example.com/../x]}", "HOST[:PORT][/PREFIX]"},
	{"r.example.com: {mirrors: [{tags: true}]}", "missing 'location'"},
	{"r.example.com: {mirrors: m.example.com}", "expected a list"},
	{"r.example.com: {plain-http: maybe}", "1:29"},
	{"r.example.com/x: {}", "is no HOST[:PORT]"},
	{"q.example.com: {location: ''}", "HOST[:PORT][/PREFIX]"},
};

static void test_wrong_config(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong_config); i++) {
		auto_arena struct arena *a = arena_new();
		struct endpoints e;
		struct diags diags;
		struct err err = {0};

		if (decode(a, wrong_config[i].text, "r.example.com/a", &e, &diags))
			fail_msg("taken: %s", wrong_config[i].text);
		(void)diags_fail(&diags, &err);
		if (!strstr(err.text, wrong_config[i].error))
			fail_msg("%s: expected '%s'", err.text, wrong_config[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_challenges), cmocka_unit_test(test_many_parameters),
		cmocka_unit_test(test_urls),       cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_logins),     cmocka_unit_test(test_wrong_logins),
		cmocka_unit_test(test_helped),     cmocka_unit_test(test_base64),
		cmocka_unit_test(test_endpoints),  cmocka_unit_test(test_wrong_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
