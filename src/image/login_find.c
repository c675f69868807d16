/*
 * Where logins are kept, and the helpers that keep them. A helper is a program
 * of the caller's, found in the caller's PATH and run with the caller's rights
 * and environment; what it says is bounded in bytes and time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/child.h"
#include "image/login.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/util.h"

#define HELPER_SECONDS 120 /* it may ask its user for a passphrase */

/* ---- helpers ---- */

static int read_in_time(int fd, struct strbuf *out, struct err *err)
{
	const uint64_t end = now_ms() + UINT64_C(1000) * HELPER_SECONDS;

	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		const uint64_t left = ms_left(end);
		char chunk[4096];
		ssize_t n;

		if (!left || poll(&wait, 1, (int)left) == 0)
			return err_fail(err, ERR_SYSTEM, "said nothing for %d seconds",
					HELPER_SECONDS);
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno != EINTR)
			return err_sys(err, "cannot read what it says");
		if (n == 0)
			return 0;
		strbuf_add(out, chunk, n > 0 ? (size_t)n : 0);
		explicit_bzero(chunk, sizeof(chunk));
		if (out->full)
			return err_fail(err, ERR_SYSTEM, "said more than %zu bytes", out->max);
	}
}

/* "docker-credential-NAME get", the key on its standard input. */
static int ask_helper(const char *name, const char *key, struct strbuf *out, struct err *err)
{
	char program[96];
	const char *const argv[] = {program, "get", NULL};
	auto_child struct child child = {.out = -1};
	int ends[2];

	(void)snprintf(program, sizeof(program), "docker-credential-%s", name);
	if (pipe_open(ends, err) < 0)
		return -1;
	auto_fd int from = ends[0];
	auto_fd int to = ends[1];
	const struct child_spec spec = {.argv = argv,
					.env = (const char *const *)environ,
					.log = STDERR_FILENO,
					.in = from};

	/* a pipe takes this much without a reader */
	if (write_full(to, key, strlen(key)) < 0)
		return err_sys(err, "cannot ask it");
	fd_close(&to);
	if (child_start(&spec, &child, err) < 0 || read_in_time(child.out, out, err) < 0)
		return -1;
	return child_end(&child, err);
}

/* Helpers say so on their standard output, and fail. */
static bool says_none(const struct strbuf *said)
{
	return strstr(said->text, "credentials not found");
}

/* A helper that does not work is no reason not to ask without a login. */
static void login_helped(struct arena *a, const char *helper, const char *key, struct login *out)
{
	auto_strbuf struct strbuf said = STRBUF(LIMIT_AUTH_BYTES);
	struct err err = {0};
	int r = ask_helper(helper, key, &said, &err);

	*out = (struct login){0};
	if (r == 0)
		r = login_decode_helped(a, said.text, said.len, out, &err);
	if (r < 0 && !says_none(&said))
		log_warn("credential helper '%s': %s; going on without a login", helper, err.text);
	if (said.len)
		explicit_bzero(said.text, said.len);
}

/* ---- files ---- */

/* Such files are often links; what they lead to is the caller's own business. */
static int read_file(const char *path, struct strbuf *out, bool *found, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	*found = fd >= 0;
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0
							   : err_sys(err, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "'%s' is not a regular file", path);
	return read_capped(fd, out, err) < 0 ? err_wrap(err, "'%s'", path) : 0;
}

static int look_into(struct arena *a, const char *path, bool required, const char *key,
		     const char *repository, struct login *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_AUTH_BYTES);
	const char *helper;
	struct login helped;
	bool found;
	int r;

	*out = (struct login){0};
	if (read_file(path, &text, &found, err) < 0)
		return -1;
	if (!found)
		return required ? err_fail(err, ERR_USAGE, "there is no '%s'", path) : 0;
	r = login_decode(a, path, text.text, text.len, key, repository, out, &helper, err);
	if (text.len)
		explicit_bzero(text.text, text.len);
	if (r < 0 || !helper)
		return r;
	login_helped(a, helper, key, &helped);
	if (login_is_set(&helped))
		*out = helped;
	return 0;
}

/* ---- the order ---- */

/* A path below what a variable says; `unless` another one is set, which takes its place. */
static const struct {
	const char *variable, *path, *unless;
} places[] = {
	{"XDG_RUNTIME_DIR", "containers/auth.json", NULL},
	{"XDG_CONFIG_HOME", "containers/auth.json", NULL},
	{"HOME", ".config/containers/auth.json", "XDG_CONFIG_HOME"},
	{"DOCKER_CONFIG", "config.json", NULL},
	{"HOME", ".docker/config.json", "DOCKER_CONFIG"},
};

static const char *variable(const char *name)
{
	const char *value = name ? secure_getenv(name) : NULL;

	return value && *value ? value : NULL;
}

int login_find(struct arena *a, const char *file, const char *key, const char *repository,
	       struct login *out, struct err *err)
{
	if (!file)
		file = variable("REGISTRY_AUTH_FILE");
	*out = (struct login){0};
	if (file)
		return look_into(a, file, true, key, repository, out, err);
	for (size_t i = 0; i < COUNT(places); i++) {
		const char *dir = variable(places[i].variable);
		char path[PATH_MAX];

		if (!dir || dir[0] != '/' || variable(places[i].unless) ||
		    snprintf(path, sizeof(path), "%s/%s", dir, places[i].path) >= PATH_MAX)
			continue;
		if (look_into(a, path, false, key, repository, out, err) < 0)
			return -1;
		if (login_is_set(out))
			return 0;
	}
	return 0;
}
