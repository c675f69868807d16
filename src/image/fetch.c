#include "image/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/fetch_talk.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* Longer than the worker is ever silent by itself: a request that stalls, and what it waits then. */
#define SILENCE_MS (10 * 60 * 1000)
#define END_MS     10000     /* it has nothing to do any more */
#define MEMORY     (2 * GIB) /* of address space; uses some 30 MiB */
#define CA_BYTES   (4 * MIB)

struct fetcher {
	struct cell_worker *worker;
	struct fetch_setup setup;
	struct curl_api api;
	struct fetch_work work;
	struct arena *arena;
	int folder;
	int orders, replies; /* our ends */
	const char *label;   /* of what is being fetched */
	uint64_t since_us;
	uint64_t start; /* how many bytes there were then */
	bool begun;
};

/* ---- what the worker gets along ---- */

/* The distributions' places for what they believe. */
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

static int read_authority(struct arena *a, const char *path, struct authority *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(CA_BYTES);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	if (read_capped(fd, &text, err) < 0)
		return err_wrap(err, "'%s'", path);
	*out = (struct authority){arena_strndup(a, text.text, text.len), text.len};
	return 0;
}

/* Without any nobody is believed: that is the error of whoever needs one. */
static int read_bundle(struct arena *a, struct authority *out, struct err *err)
{
	*out = (struct authority){"", 0};
	for (size_t i = 0; i < COUNT(bundles); i++)
		if (access(bundles[i], R_OK) == 0)
			return read_authority(a, bundles[i], out, err);
	return 0;
}

static int read_authorities(struct fetcher *f, struct err *err)
{
	const struct endpoints *e = &f->setup.endpoints;
	struct authority *list = arena_array(f->arena, e->count, sizeof(*list));
	struct authority usual;

	if (read_bundle(f->arena, &usual, err) < 0)
		return -1;
	for (size_t i = 0; i < e->count; i++) {
		list[i] = usual;
		if (e->list[i].ca && read_authority(f->arena, e->list[i].ca, &list[i], err) < 0)
			return -1;
	}
	f->work.setup.authorities = list;
	return 0;
}

/*
 * In either case; of the upper ones HTTP_PROXY is what a CGI script is given by its
 * client. A copy: the worker's environment is wiped.
 */
static const char *variable(struct arena *a, const char *lower, const char *upper)
{
	const char *value = secure_getenv(lower);

	if ((!value || !*value) && upper)
		value = secure_getenv(upper);
	return value && *value ? arena_strdup(a, value) : NULL;
}

static void read_proxies(struct arena *a, struct http_proxies *out)
{
	const char *all = variable(a, "all_proxy", "ALL_PROXY");

	out->http = variable(a, "http_proxy", NULL);
	out->https = variable(a, "https_proxy", "HTTPS_PROXY");
	out->none = variable(a, "no_proxy", "NO_PROXY");
	out->http = out->http ? out->http : all;
	out->https = out->https ? out->https : all;
}

/* ---- starting and ending ---- */

static int start_worker(struct fetcher *f, struct err *err)
{
	const struct cell_bind dir = {.from = f->setup.folder, .writable = true};
	int orders[2], replies[2];

	if (pipe_open(orders, err) < 0)
		return -1;
	auto_fd int order = orders[0];

	f->orders = orders[1];
	if (pipe_open(replies, err) < 0)
		return -1;
	auto_fd int reply = replies[1];

	f->replies = replies[0];
	const int fds[] = {order, reply};
	const struct cell_work work = {
		.name = "fetch",
		.fn = fetch_serve,
		.arg = &f->work,
		.dirs = &dir,
		.dir_count = 1,
		.fds = fds,
		.fd_count = 2,
		.limits = {.memory = MEMORY,
			   .disk = LIMIT_IMAGE_BYTES,
			   .open_files = 256,
			   .wall_ms = END_MS},
		.network = CELL_NET_FULL,
	};

	return cell_worker_start(&work, &f->worker, err);
}

int fetch_start(const struct fetch_setup *setup, struct fetcher **out, struct err *err)
{
	struct fetcher *f = calloc(1, sizeof(*f));

	if (!f)
		return err_sys(err, "cannot start a download");
	f->setup = *setup;
	f->arena = arena_new();
	f->orders = f->replies = -1;
	f->folder = open(setup->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->work.setup.api = &f->api;
	f->work.setup.endpoints = setup->endpoints;
	read_proxies(f->arena, &f->work.setup.proxies);
	if (f->folder < 0) {
		(void)err_sys(err, "cannot open '%s'", setup->folder);
	} else if (curl_load(&f->api, err) == 0 && read_authorities(f, err) == 0 &&
		   start_worker(f, err) == 0) {
		*out = f;
		return 0;
	}
	fetch_drop(&f);
	return -1;
}

int fetch_end(struct fetcher **fetcher, struct err *err)
{
	struct fetcher *f = *fetcher;
	int r = 0;

	fd_close(&f->orders);
	if (f->worker)
		r = cell_worker_end(&f->worker, err);
	fd_close(&f->replies);
	fd_close(&f->folder);
	arena_free(&f->arena);
	free(f);
	*fetcher = NULL;
	return r;
}

void fetch_drop(struct fetcher **fetcher)
{
	struct err ignored;

	if (*fetcher)
		(void)fetch_end(fetcher, &ignored);
}

/* ---- talk ---- */

static void show_progress(struct fetcher *f, const struct fetch_reply *r)
{
	double seconds;

	if (!f->setup.progress || !f->setup.live)
		return;
	if (!f->begun) {
		f->since_us = now_us();
		f->start = r->done;
		f->begun = true;
	}
	seconds = (double)(now_us() - f->since_us) / 1e6;
	(void)fprintf(f->setup.progress, "\r\x1b[K%s: %.1f of %.1f MiB", f->label,
		      (double)r->done / (double)MIB, (double)r->size / (double)MIB);
	if (seconds > 0.5)
		(void)fprintf(f->setup.progress, ", %.1f MiB/s",
			      (double)(r->done - f->start) / (double)MIB / seconds);
	(void)fflush(f->setup.progress);
}

/* Over the line that moves, where there is one. */
static void say(struct fetcher *f, const char *text)
{
	auto_strbuf struct strbuf clean = STRBUF(8 * KIB);

	if (!f->setup.progress)
		return;
	strbuf_add_visible(&clean, text, strlen(text));
	(void)fprintf(f->setup.progress, "%s%s\n", f->setup.live ? "\r\x1b[K" : "", clean.text);
	(void)fflush(f->setup.progress);
}

/* ---- one order ---- */

static int hear(struct fetcher *f, struct fetch_reply *out, struct err *err)
{
	struct pollfd wait = {.fd = f->replies, .events = POLLIN};
	int n;

	do
		n = poll(&wait, 1, SILENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_fail(err, ERR_SYSTEM, "the worker says nothing any more");
	if (n < 0 || read_full(f->replies, out, sizeof(*out)) < 0) {
		/* it has ended; why, its end says */
		fd_close(&f->orders);
		if (cell_worker_end(&f->worker, err) == 0)
			return err_fail(err, ERR_SYSTEM, "the worker ended early");
		return -1;
	}
	out->err.text[sizeof(out->err.text) - 1] = '\0';
	if (out->err.kind <= ERR_NONE || out->err.kind >= ERR_KIND_COUNT)
		out->err.kind = ERR_SYSTEM;
	out->type[sizeof(out->type) - 1] = '\0';
	return 0;
}

static int carry_out(struct fetcher *f, const struct fetch_order *order, struct fetch_reply *out,
		     struct err *err)
{
	if (!f->worker || write_full(f->orders, order, sizeof(*order)) < 0)
		return err_fail(err, ERR_SYSTEM, "the worker has ended");
	f->begun = false;
	for (;;) {
		if (hear(f, out, err) < 0)
			return -1;
		switch (out->word) {
		case FETCH_PROGRESS:
			show_progress(f, out);
			break;
		case FETCH_NOTE:
			say(f, out->err.text);
			break;
		case FETCH_DONE:
			return 0;
		case FETCH_FAILED:
			*err = out->err;
			return -1;
		default:
			return err_fail(err, ERR_SYSTEM, "the worker says what makes no sense");
		}
	}
}

int fetch_document(struct fetcher *f, const char *tag, const struct digest *digest,
		   struct strbuf *text, char type[128], struct err *err)
{
	struct fetch_order order = {.kind = FETCH_DOCUMENT};
	struct fetch_reply r;
	char full[sizeof("sha256:") + DIGEST_HEX];
	struct digest named, found;

	if (digest)
		order.digest = *digest;
	else
		(void)snprintf(order.tag, sizeof(order.tag), "%s", tag);
	if (carry_out(f, &order, &r, err) < 0)
		return -1;
	r.digest.hex[DIGEST_HEX] = '\0';
	(void)snprintf(full, sizeof(full), "sha256:%s", r.digest.hex);
	if (!digest_parse(full, &named) || (digest && !digest_equal(digest, &named)))
		return err_fail(err, ERR_SYSTEM, "the worker says what makes no sense");
	strbuf_clear(text);
	if (file_read(f->folder, named.hex, text, err) < 0)
		return -1;
	found = digest_of(text->text, text->len);
	if (!digest_equal(&found, &named))
		return err_fail(err, ERR_SYSTEM, "the worker says what is not so");
	memcpy(type, r.type, sizeof(r.type));
	return 0;
}

int fetch_blob(struct fetcher *f, const char *label, const struct digest *digest, uint64_t size,
	       struct err *err)
{
	const struct fetch_order order = {.kind = FETCH_BLOB, .digest = *digest, .size = size};
	struct fetch_reply r;
	char line[160];

	f->label = label;
	if (carry_out(f, &order, &r, err) < 0)
		return err_wrap(err, "%s", label);
	(void)snprintf(line, sizeof(line), "%s: %.1f MiB", label, (double)size / (double)MIB);
	say(f, line);
	return 0;
}
