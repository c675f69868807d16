/* The proxy seen from outside: its cell, and what it says it decided. */
#include "stepcell/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/serve.h"
#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

struct proxy {
	struct cell *cell;
	struct proxy_rules rules;
	int news;
	struct strbuf heard; /* the rest of a line */
	struct proxy_decisions decisions;
};

#define SELF "http://127.0.0.1:3128"
static_assert(PROXY_PORT == 3128, "SELF names the port");

/* curl and its like know the small ones, others the large ones; a loopback needs no proxy. */
const char *const proxy_env[] = {
	"http_proxy=" SELF,
	"https_proxy=" SELF,
	"no_proxy=localhost,127.0.0.1",
	"HTTP_PROXY=" SELF,
	"HTTPS_PROXY=" SELF,
	"NO_PROXY=localhost,127.0.0.1",
	NULL,
};

static int start(const struct proxy_spec *spec, struct proxy *p, int listener, int news,
		 struct err *err)
{
	const int fds[] = {listener, news};
	const struct cell_spec cell = {
		.name = spec->name,
		.state = spec->state,
		.fn = proxy_serve,
		.fn_arg = &p->rules,
		.fds = fds,
		.fd_count = COUNT(fds),
		.limits = {.memory = 512 * MIB, .pids = CLIENTS_MAX + 8, .open_files = 64},
		.network = CELL_NET_FULL,
		.seccomp = "proxy",
		.require = spec->require,
	};

	return cell_start(&cell, &p->cell, NULL, err);
}

static int connect_up(const struct proxy_spec *spec, struct proxy *p, struct err *err)
{
	auto_fd int listener = -1, inside = -1;
	int ends[2];

	if (pipe_open(ends, err) < 0)
		return -1;
	p->news = ends[0];
	inside = ends[1];
	if (fd_nonblock(p->news, err) < 0 || fd_nonblock(inside, err) < 0 ||
	    cell_owner_listen(spec->owner, "127.0.0.1", PROXY_PORT, &listener, err) < 0)
		return -1;
	return start(spec, p, listener, inside, err);
}

int proxy_open(const struct proxy_spec *spec, struct proxy **out, struct err *err)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (!p)
		return err_sys(err, "cannot make a proxy");
	*p = (struct proxy){.news = -1, .rules = spec->rules, .heard = STRBUF(MIB)};
	if (connect_up(spec, p, err) < 0) {
		proxy_close(&p);
		return err_wrap(err, "starting the proxy");
	}
	*out = p;
	return 0;
}

void proxy_close(struct proxy **proxy)
{
	if (!*proxy)
		return;
	cell_release(&(*proxy)->cell);
	fd_close(&(*proxy)->news);
	strbuf_release(&(*proxy)->heard);
	free(*proxy);
	*proxy = NULL;
}

/* ---- what it decided ---- */

/* One for what was allowed, when refusals have taken all of them. */
static struct proxy_decision *free_a_row(struct proxy_decisions *d)
{
	for (size_t i = d->count; i--;) {
		if (!*d->rows[i].why)
			continue;
		d->others += d->rows[i].count;
		return &d->rows[i];
	}
	return NULL;
}

static void add_row(struct proxy_decisions *d, const struct proxy_decision *row)
{
	struct proxy_decision *place = d->count < PROXY_DECISIONS ? &d->rows[d->count++]
				       : !*row->why               ? free_a_row(d)
								  : NULL;

	if (place)
		*place = *row;
	else
		d->others++;
}

/* The proxy reads bytes of strangers: its words are counted, not believed. */
static void count_line(struct proxy_decisions *d, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	struct proxy_decision row = {.count = 1};

	if (!space)
		return;
	(void)snprintf(row.endpoint, sizeof(row.endpoint), "%.*s", (int)(space - line), line);
	(void)snprintf(row.why, sizeof(row.why), "%.*s", (int)(len - (size_t)(space - line) - 1),
		       space + 1);
	if (strcmp(row.endpoint, ":0") == 0)
		*row.endpoint = '\0';
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->rows[i].endpoint, row.endpoint) == 0 &&
		    strcmp(d->rows[i].why, row.why) == 0) {
			d->rows[i].count++;
			return;
		}
	add_row(d, &row);
}

int proxy_fd(const struct proxy *p)
{
	return p->news;
}

void proxy_hear(struct proxy *p)
{
	char bytes[4096], *end;
	ssize_t n;

	while ((n = p->news < 0 ? -1 : read(p->news, bytes, sizeof(bytes))) > 0) {
		strbuf_add(&p->heard, bytes, (size_t)n);
		while ((end = memchr(p->heard.text, '\n', p->heard.len))) {
			size_t len = (size_t)(end - p->heard.text);

			count_line(&p->decisions, p->heard.text, len);
			strbuf_skip(&p->heard, len + 1);
		}
		if (p->heard.len > NEWS_LINE)
			strbuf_clear(&p->heard);
	}
	if (n == 0)
		fd_close(&p->news);
}

void proxy_take(struct proxy *p, struct proxy_decisions *out)
{
	proxy_hear(p);
	*out = p->decisions;
	p->decisions = (struct proxy_decisions){0};
}
