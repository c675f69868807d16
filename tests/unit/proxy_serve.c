/* The proxy at work, without its cell: real sockets, a server that echoes what it got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loopback_fixture.h"
#include "proxy/serve.h"
#include "stepcell/fd.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

static struct {
	uint16_t proxy, server;
	pid_t pids[2];
	int news;
	char allow[64], loopback[64];
	const char *rules[3];
} rig;

static int set_up(void **state)
{
	int listener, proxy, ends[2];

	(void)state;
	listener = listen_on(&rig.server);
	proxy = listen_on(&rig.proxy);
	(void)snprintf(rig.allow, sizeof(rig.allow), "127.0.0.1:%u", rig.server);
	(void)snprintf(rig.loopback, sizeof(rig.loopback), "localhost:%u", rig.server);
	rig.rules[0] = rig.allow;
	rig.rules[1] = rig.loopback;
	rig.rules[2] = "127.0.0.1:443";
	assert_int_equal(pipe(ends), 0);
	rig.news = ends[0];
	if ((rig.pids[0] = fork_bound()) == 0)
		echo(listener, "end");
	if ((rig.pids[1] = fork_bound()) == 0) {
		struct proxy_rules rules = {rig.rules, 3, NULL, 0};
		const int fds[] = {proxy, ends[1]};

		_exit(proxy_serve(&rules, fds, 2));
	}
	close(listener);
	close(proxy);
	close(ends[1]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	end_all(rig.pids, COUNT(rig.pids));
	close(rig.news);
	return 0;
}

/* Say it, then listen to the end; `more` is said once something was heard. */
static void talk(const char *text, const void *more, size_t len, struct strbuf *out)
{
	auto_fd int fd = dial(rig.proxy);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char bytes[4096];
	ssize_t n;

	assert_int_equal(write_full(fd, text, strlen(text)), 0);
	while (poll(&wait, 1, 20000) == 1 && (n = read(fd, bytes, sizeof(bytes))) > 0) {
		strbuf_add(out, bytes, (size_t)n);
		if (len && write_full(fd, more, len) == 0)
			len = 0;
	}
}

static void ask(const char *method, const char *target, const char *headers, const char *more,
		size_t len, struct strbuf *out)
{
	auto_strbuf struct strbuf text = STRBUF(4096);

	strbuf_addf(&text, "%s %s HTTP/1.1\r\n%s\r\n", method, target, headers);
	talk(text.text, more, len, out);
}

static void test_tunnel(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(65536);

	(void)state;
	/* the server speaks first, and the client's first bytes are no TLS */
	ask("CONNECT", rig.allow, "", "some end", 8, &out);
	assert_non_null(strstr(out.text, "HTTP/1.1 200 "));
	assert_non_null(strstr(out.text, "\r\n\r\nhellosome endbye"));
}

/* It said so by now, among other things. */
static void told(const char *what)
{
	char news[4096];
	ssize_t n;

	usleep(100000);
	n = read(rig.news, news, sizeof(news) - 1);
	assert_true(n > 0);
	news[n] = '\0';
	assert_non_null(strstr(news, what));
}

static void test_refused(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(65536);

	(void)state;
	ask("CONNECT", "b.example.com:443", "", "", 0, &out);
	assert_non_null(strstr(out.text, "HTTP/1.1 403 "));
	assert_non_null(strstr(out.text, "the policy does not allow it"));
	told("b.example.com:443 the policy does not allow it\n");
	/* a name of the rules that leads to loopback: no public address */
	ask("CONNECT", rig.loopback, "", "", 0, &out);
	assert_non_null(strstr(out.text, "which is no public address"));
	assert_null(strstr(out.text, "hello"));
	told("no public address\n");
}

/* A TLS client that asks for another server than its tunnel was allowed for. */
static void test_fronting(void **state)
{
	static const uint8_t hello[] = "\x16\3\1\0\x43\1\0\0\x3f\3\3"
				       "0123456789abcdef0123456789abcdef"
				       "\0\0\2\x13\1\1\0\0\x14\0\0\0\x10\0\x0e\0\0\x0b"
				       "b.example.x";
	auto_strbuf struct strbuf out = STRBUF(65536);

	(void)state;
	ask("CONNECT", rig.allow, "", (const char *)hello, sizeof(hello) - 1, &out);
	assert_non_null(strstr(out.text, "HTTP/1.1 200 "));
	assert_null(strstr(out.text, "b.example.x"));
	told("the TLS client asks for another server, 'b.example.x'\n");
}

/* What follows a request's body never reaches the server. */
static void test_one_request(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(65536), url = STRBUF(256);

	(void)state;
	strbuf_addf(&url, "http://%s/x", rig.allow);
	ask("POST", url.text, "Content-Length: 7\r\n", "bodyendGET http://other/ HTTP/1.1\r\n\r\n",
	    36, &out);
	assert_non_null(strstr(out.text, "POST /x HTTP/1.1\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(out.text, "bodyendbye"));
	assert_null(strstr(out.text, "other"));
}

static void test_bad_head(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(65536), text = STRBUF(65536);

	(void)state;
	talk("GET /etc/passwd HTTP/1.1\r\n\r\n", "", 0, &out);
	assert_non_null(strstr(out.text, "HTTP/1.1 400 "));
	strbuf_clear(&out);
	strbuf_adds(&text, "GET http://a.example.com/ HTTP/1.1\r\n");
	while (text.len < 20000)
		strbuf_adds(&text, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
	talk(text.text, "", 0, &out);
	assert_true(out.len == 0 || strstr(out.text, "HTTP/1.1 431 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),  cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_fronting), cmocka_unit_test(test_one_request),
		cmocka_unit_test(test_bad_head),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
