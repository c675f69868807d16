/* What a client may ask of the proxy, what the server gets of it, and why the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proxy/request.h"
#include "stepcell/util.h"

static const struct {
	const char *what, *head;
	int status; /* 0: it is served */
	const char
		*expect; /* what the server gets, "HOST:PORT" of a tunnel, or a piece of why not */
} rows[] = {
	{"a tunnel", "CONNECT a.example.com:443 HTTP/1.1\r\nHost: a.example.com:443\r\n\r\n", 0,
	 "a.example.com:443"},
	{"without Host", "CONNECT A.Example.COM:443 HTTP/1.0\r\n\r\n", 0, "a.example.com:443"},
	{"Host without its port",
	 "CONNECT a.example.com:443 HTTP/1.1\r\nHost: a.example.com\r\n\r\n", 0,
	 "a.example.com:443"},
	{"a plain request", "GET http://a.example.com/x?y HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
	 0, "GET /x?y HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n"},
	{"no path", "GET http://a.example.com:81 HTTP/1.1\r\nHost: a.example.com:81\r\n\r\n", 0,
	 "GET / HTTP/1.1\r\nHost: a.example.com:81\r\nConnection: close\r\n\r\n"},
	{"a query alone", "GET http://a.example.com?q HTTP/1.1\r\n\r\n", 0,
	 "GET /?q HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n"},
	{"what is ours",
	 "POST http://a.example.com/ HTTP/1.1\r\nX: 1\r\nproxy-authorization: "
	 "secret\r\nConnection: "
	 "keep-alive\r\nContent-Length: 5\r\n\r\n",
	 0,
	 "POST / HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\nX: 1\r\nContent-Length: "
	 "5\r\n\r\n"},

	{"another Host", "GET http://a.example.com/ HTTP/1.1\r\nHost: b.example.com\r\n\r\n", 400,
	 "another"},
	{"another port", "GET http://a.example.com/ HTTP/1.1\r\nHost: a.example.com:81\r\n\r\n",
	 400, "another"},
	{"Host of a tunnel",
	 "CONNECT a.example.com:443 HTTP/1.1\r\nHost: b.example.com:443\r\n\r\n", 400, "another"},
	{"two hosts",
	 "GET http://a.example.com/ HTTP/1.1\r\nHost: a.example.com\r\nHost: a.example.com\r\n\r\n",
	 400, "more than one Host"},
	{"a user", "GET http://a.example.com:80@b.example.com/ HTTP/1.1\r\n\r\n", 400, "no host"},
	{"IPv6", "CONNECT [::1]:443 HTTP/1.1\r\n\r\n", 400, "no host"},
	{"mapped IPv4", "CONNECT [::ffff:127.0.0.1]:443 HTTP/1.1\r\n\r\n", 400, "no host"},
	{"no port", "CONNECT a.example.com HTTP/1.1\r\n\r\n", 400, "no host"},
	{"port 0", "CONNECT a.example.com:0 HTTP/1.1\r\n\r\n", 400, "no host"},
	{"a large port", "CONNECT a.example.com:65979 HTTP/1.1\r\n\r\n", 400, "no host"},
	{"two ports", "CONNECT a.example.com:443:80 HTTP/1.1\r\n\r\n", 400, "no host"},
	{"no authority", "GET /x HTTP/1.1\r\nHost: a.example.com\r\n\r\n", 400, "http:// URL"},
	{"TLS without a tunnel", "GET https://a.example.com/ HTTP/1.1\r\n\r\n", 400, "CONNECT"},
	{"a blank in the URL", "GET http://a.example.com/a b HTTP/1.1\r\n\r\n", 400, "encoded"},
	{"a return in the host", "CONNECT a.example.com\r:443 HTTP/1.1\r\n\r\n", 400, "control"},
	{"a line feed alone", "GET http://a.example.com/ HTTP/1.1\r\nA: b\nHost: c\r\n\r\n", 400,
	 "control"},
	{"a folded line", "GET http://a.example.com/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400,
	 "no header"},
	{"a blank before the colon", "GET http://a.example.com/ HTTP/1.1\r\nHost : b\r\n\r\n", 400,
	 "no header"},
	{"chunks", "POST http://a.example.com/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411,
	 "Content-Length"},
	{"two lengths",
	 "POST http://a.example.com/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
	 400, "more than one Content-Length"},
	{"a list of lengths", "POST http://a.example.com/ HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
	 400, "no number"},
	{"a signed length", "POST http://a.example.com/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
	 400, "no number"},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505, "HTTP/1.1"},
	{"something else", "SSH-2.0-x\r\n\r\n", 400, "no HTTP"},
	{"nothing", "\r\n\r\n", 400, "no HTTP"},
};

static bool as_expected(size_t i)
{
	auto_strbuf struct strbuf out = STRBUF(4096);
	struct request request;
	struct refusal why = {0};

	assert_int_equal(request_head_len(rows[i].head, strlen(rows[i].head)),
			 strlen(rows[i].head));
	if (!request_parse(rows[i].head, strlen(rows[i].head), &request, &why))
		return why.status == rows[i].status && strstr(why.why, rows[i].expect);
	if (request.tunnel)
		strbuf_addf(&out, "%s:%u", request.to.host, request.to.port);
	else
		request_write(&request, rows[i].head, &out);
	return rows[i].status == 0 && strcmp(out.text, rows[i].expect) == 0;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!as_expected(i))
			fail_msg("%s", rows[i].what);
}

static void test_parts(void **state)
{
	static const char head[] =
		"GET http://a.example.com/ HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
	struct request request;
	struct refusal why;

	(void)state;
	for (size_t len = 0; len < 57; len++)
		assert_int_equal(request_head_len(head, len), 0);
	assert_true(request_parse(head, sizeof(head) - 1, &request, &why));
	assert_int_equal(request.body, 3);
	assert_string_equal(head + request.head, "abcGET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
					   cmocka_unit_test(test_parts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
