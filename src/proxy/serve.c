/*
 * serve: what runs in the proxy's cell. One process a connection, so that a
 * look-up that takes its time holds up nobody, and one client's bytes are never
 * in the memory of another's.
 */
#include "proxy/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/connect.h"
#include "proxy/relay.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"

#define HEAD_MS 30000
#define TELL_MS 10000 /* stepcell hears a few times a second */

struct client {
	const struct proxy_rules *rules;
	int fd, news;
	struct request request;
	struct refusal why;
};

/* ---- what is said of it ---- */

/*
 * One line in one write, which a pipe keeps whole. When it is full we wait: what a
 * job does by the thousand must not hide what else it does. False when nobody hears.
 */
static bool tell(const struct client *c, bool allowed)
{
	struct pollfd room = {.fd = c->news, .events = POLLOUT};
	const uint64_t end = now_ms() + TELL_MS;
	char line[NEWS_LINE];
	int len = snprintf(line, sizeof(line), "%s:%u %s\n", c->request.to.host,
			   (unsigned)c->request.to.port, allowed ? "" : c->why.why);

	if (len <= 0 || (size_t)len >= sizeof(line))
		return false;
	while (write(c->news, line, (size_t)len) < 0) {
		const uint64_t left = ms_left(end);

		if ((errno != EAGAIN && errno != EINTR) || !left)
			return false;
		(void)poll(&room, 1, (int)left);
	}
	return true;
}

static void answer(const struct client *c)
{
	char text[512];
	int len = snprintf(text, sizeof(text),
			   "HTTP/1.1 %d Refused by stepcell\r\nContent-Type: text/plain\r\n"
			   "Content-Length: %zu\r\nConnection: close\r\n\r\nstepcell: %s\n",
			   c->why.status, strlen(c->why.why) + 11, c->why.why);

	if (len > 0 && (size_t)len < sizeof(text))
		(void)send(c->fd, text, (size_t)len, MSG_NOSIGNAL);
}

/* ---- one client ---- */

/* False when the client goes away, takes too long, or says too much. */
static bool read_head(struct client *c, struct strbuf *text)
{
	const uint64_t end = now_ms() + HEAD_MS;
	char bytes[4096];

	while (!request_head_len(text->text, text->len)) {
		struct pollfd wait = {.fd = c->fd, .events = POLLIN};
		const uint64_t left = ms_left(end);
		ssize_t n;

		if (!left || poll(&wait, 1, (int)left) <= 0)
			return refuse(&c->why, 408, "the head of the request did not come");
		n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n <= 0)
			return refuse(&c->why, 0, "the client went away");
		strbuf_add(text, bytes, (size_t)n);
		if (text->full)
			return refuse(&c->why, 431, "the head of the request is too large");
	}
	return true;
}

static bool judge(struct client *c, const struct strbuf *text)
{
	if (!request_parse(text->text, text->len, &c->request, &c->why))
		return false;
	if (rules_allow(c->rules, &c->request.to))
		return true;
	return refuse(&c->why, 403, "the policy does not allow it");
}

/* What the server gets first: the head as we write it, and what came behind the client's. */
static uint64_t begin(const struct client *c, const struct strbuf *text, struct strbuf *first)
{
	const struct request *r = &c->request;
	const char *behind = text->text + r->head;
	size_t len = text->len - r->head;

	if (!r->tunnel) {
		request_write(r, text->text, first);
		len = len < r->body ? len : (size_t)r->body;
	}
	strbuf_add(first, behind, len);
	return r->tunnel ? PUMP_ALL : r->body - len;
}

static bool serve(struct client *c)
{
	static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	auto_strbuf struct strbuf text = STRBUF(REQUEST_HEAD), first = STRBUF(RELAY_FIRST);
	uint64_t more;

	if (!read_head(c, &text) || !judge(c, &text))
		return false;

	auto_fd int server = connect_to(c->rules, &c->request.to, &c->why);

	if (server < 0)
		return false;
	more = begin(c, &text, &first);
	if (first.full)
		return refuse(&c->why, 431, "the head of the request is too large");
	if (!tell(c, true))
		return refuse(&c->why, 503, "nobody takes down what is decided here");
	if (c->request.tunnel &&
	    send(c->fd, established, sizeof(established) - 1, MSG_NOSIGNAL) < 0)
		return true;
	if (relay(c->fd, server, &c->request, &first, more, &c->why))
		return true;
	c->why.status = 0; /* it had its answer */
	return false;
}

static _Noreturn void serve_client(struct client *c)
{
	const bool served = serve(c);

	/* before the answer, after which the step may end */
	if (!served && (c->request.to.port || c->why.status))
		(void)tell(c, false);
	if (!served && c->why.status)
		answer(c);
	_exit(0);
}

/* ---- all of them ---- */

static unsigned reap(unsigned running)
{
	while (running && waitpid(-1, NULL, WNOHANG) > 0)
		running--;
	return running;
}

static unsigned accept_one(const struct proxy_rules *rules, const int *fds, unsigned running)
{
	auto_fd int fd = accept4(fds[0], NULL, NULL, SOCK_CLOEXEC);
	struct client client = {.rules = rules, .fd = fd, .news = fds[1]};
	pid_t pid;

	if (fd < 0)
		return running;
	pid = fork();
	if (pid == 0)
		serve_client(&client);
	return pid < 0 ? running : running + 1;
}

int proxy_serve(void *arg, const int *fds, size_t fd_count)
{
	unsigned running = 0;

	if (fd_count != 2)
		return 1;
	for (;;) {
		struct pollfd wait = {.fd = running < CLIENTS_MAX ? fds[0] : -1, .events = POLLIN};

		/* those that have ended are seen at the latest after a moment */
		if (poll(&wait, 1, running ? 200 : -1) < 0 && errno != EINTR)
			return 1;
		running = reap(running);
		if (wait.revents)
			running = accept_one(arg, fds, running);
	}
}
