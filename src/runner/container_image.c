/* The root that an image gives a container, and what the image says about itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/container.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- finding it ---- */

int container_image(struct run *run, const char *ref, struct image *out, struct err *err)
{
	*out = (struct image){.lock = -1};
	if (strcmp(ref, "host") == 0)
		return err_fail(err, ERR_POLICY,
				"image 'host' is for the operator to choose (--image host), not "
				"for a workflow");
	if (image_find(run->store, run->arena, ref, out, err) < 0)
		return err->sys != ENOENT
			       ? -1
			       : err_fail(err, err->kind,
					  "image '%s' is not in the store, and nothing is fetched "
					  "while a workflow runs; %s",
					  ref, image_advice(run->arena, ref));
	if (policy_allow_image(run->policy, ref, out->digest.hex, err) == 0 &&
	    image_admit(run, out, err) == 0)
		return 0;
	image_release(out);
	return -1;
}

/* ---- its files, as they are before anything runs ---- */

/* As the kernel would find it with the image for a root; -1 with errno. */
static int open_in_image(const struct image *image, const char *path, int flags)
{
	const struct image_mount *m = &image->mounts[0];
	struct err ignored = {0};

	for (size_t i = 0; i < m->layer_count; i++) {
		auto_fd int root = open(m->layers[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		int fd = root < 0 ? -1 : open_in_root(root, path, flags, 0, &ignored);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

/* A regular file, or nothing. */
static void read_in_image(const struct image *image, const char *path, struct strbuf *out)
{
	auto_fd int fd = open_in_image(image, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct err ignored = {0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    read_capped(fd, out, &ignored) < 0)
		strbuf_clear(out);
}

/* ---- accounts ---- */

/* The n-th field of a line of passwd or group. */
static const char *field(struct arena *a, const char *line, size_t len, unsigned n)
{
	const char *end = line + len, *colon;

	for (; n; n--) {
		line = memchr(line, ':', (size_t)(end - line));
		if (!line)
			return "";
		line++;
	}
	colon = memchr(line, ':', (size_t)(end - line));
	return arena_strndup(a, line, (size_t)((colon ? colon : end) - line));
}

/* A place with ".." is nobody's that we make. */
static bool climbs(const char *path)
{
	for (size_t len; *path; path += len) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 2 && strncmp(path, "..", 2) == 0)
			return true;
	}
	return false;
}

/* The account of a name or an id. */
static bool find_account(struct arena *a, const char *passwd, const char *user, struct account *out)
{
	for (const char *line = passwd; *line; line += *line == '\n') {
		const size_t len = strcspn(line, "\n");
		const char *name = field(a, line, len, 0);

		if (*name &&
		    (strcmp(name, user) == 0 || strcmp(field(a, line, len, 2), user) == 0)) {
			*out = (struct account){.name = name,
						.home = field(a, line, len, 5),
						.shell = field(a, line, len, 6),
						.root = strcmp(field(a, line, len, 2), "0") == 0};
			return true;
		}
		line += len;
	}
	return false;
}

#define OUR_NAME "runner"

struct account account_of(struct arena *a, const struct image *image, const char *user)
{
	auto_strbuf struct strbuf passwd = STRBUF(MIB);
	const char *name = user && *user ? arena_strndup(a, user, strcspn(user, ":")) : "root";
	struct account account = {.name = OUR_NAME, .home = "/", .shell = "/bin/sh"};

	read_in_image(image, "etc/passwd", &passwd);
	account.root = strcmp(name, "root") == 0 || strcmp(name, "0") == 0;
	if (find_account(a, passwd.text, name, &account) && account.root)
		account.name = OUR_NAME; /* a root without rights would only be asked for them */
	/* it is made, folder by folder, by us: an image's passwd may name half a million of them */
	if (*account.home != '/' || climbs(account.home) ||
	    strlen(account.home) > LIMIT_VOLUME_PLACE)
		account.home = "/";
	return account;
}

/* The lines of passwd or group that speak neither of this name nor of our id. */
static void add_others(struct arena *a, const char *text, const char *name, struct strbuf *out)
{
	for (const char *line = text; *line; line += *line == '\n') {
		const size_t len = strcspn(line, "\n");

		if (len && strcmp(field(a, line, len, 0), name) != 0 &&
		    strcmp(field(a, line, len, 2), "1001") != 0)
			strbuf_addf(out, "%.*s\n", (int)len, line);
		line += len;
	}
}
static_assert(CELL_UID == 1001, "accounts name it");

/* ---- the layer above it ---- */

static int write_file(const char *layer, const char *name, const struct strbuf *text,
		      struct err *err)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), layer, name, err) < 0
		       ? -1
		       : file_put(AT_FDCWD, path, text->text, text->len, 0644, err);
}

static int write_passwd(struct arena *a, const struct image *image, const struct account *who,
			const char *layer, struct err *err)
{
	auto_strbuf struct strbuf old = STRBUF(MIB), text = STRBUF(2 * MIB);

	read_in_image(image, "etc/passwd", &old);
	strbuf_addf(&text, "%s:x:%d:%d::%s:%s\n", who->name, CELL_UID, CELL_UID, who->home,
		    *who->shell ? who->shell : "/bin/sh");
	add_others(a, old.text, who->name, &text);
	return write_file(layer, "etc/passwd", &text, err);
}

static int write_group(struct arena *a, const struct image *image, const struct account *who,
		       const char *layer, struct err *err)
{
	auto_strbuf struct strbuf old = STRBUF(MIB), text = STRBUF(2 * MIB);

	read_in_image(image, "etc/group", &old);
	strbuf_addf(&text, "%s:x:%d:\n", who->name, CELL_UID);
	add_others(a, old.text, who->name, &text);
	return write_file(layer, "etc/group", &text, err);
}

int hosts_write(const struct hosts *hosts, const char *layer, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MIB);

	strbuf_adds(&text, "127.0.0.1 localhost\n::1 localhost\n");
	for (size_t i = 0; i < hosts->count; i++)
		strbuf_addf(&text, "%s %s\n", hosts->list[i].address, hosts->list[i].name);
	return write_file(layer, "etc/hosts", &text, err);
}

/* What the image has already is left as it is: a link of its own must not be hidden. */
static int make_place(const struct image *image, int layer, const char *at, struct err *err)
{
	auto_fd int there = -1;

	if (climbs(at))
		return err_fail(err, ERR_USAGE, "expected a path without '..'");
	there = open_in_image(image, at, O_PATH);
	return there >= 0 || !at[1] ? 0 : mkdir_beneath(layer, at + 1, 0755, err);
}

int container_layer(struct arena *a, const struct image *image, const struct account *account,
		    const struct hosts *hosts, const struct container *c, const char *layer,
		    struct err *err)
{
	char etc[PATH_MAX];

	if (path_join(etc, sizeof(etc), layer, "etc", err) < 0 || mkdir_all(etc, 0755, err) < 0)
		return -1;

	auto_fd int dir = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "cannot open '%s'", layer);
	if (make_place(image, dir, account->home, err) < 0 ||
	    make_place(image, dir, "/tmp", err) < 0)
		return -1;
	for (size_t i = 0; i < c->volume_count; i++)
		if (!c->volumes[i].from && make_place(image, dir, c->volumes[i].at, err) < 0)
			return err_wrap(err, "volume '%s'", c->volumes[i].at);
	return write_passwd(a, image, account, layer, err) < 0 ||
			       write_group(a, image, account, layer, err) < 0 ||
			       hosts_write(hosts, layer, err) < 0
		       ? -1
		       : 0;
}

size_t container_binds(struct arena *a, const struct container *c, struct cell_bind **out)
{
	size_t n = 0;

	*out = arena_array(a, c->volume_count, sizeof(**out));
	for (size_t i = 0; i < c->volume_count; i++)
		if (c->volumes[i].from)
			(*out)[n++] = (struct cell_bind){.from = c->volumes[i].from,
							 .at = c->volumes[i].at,
							 .writable = c->volumes[i].writable};
	return n;
}

/* ---- what it says about itself ---- */

static struct texts texts_of(struct arena *a, const struct node *list)
{
	return list && list->kind == NODE_LIST ? texts_of_node(a, list) : (struct texts){0};
}

struct texts container_config_texts(struct arena *a, const struct image *image, const char *key)
{
	return texts_of(a, node_get(image->config, key));
}

const char *container_config_text(const struct image *image, const char *key)
{
	const char *text = node_text(node_get(image->config, key));

	return text && *text ? text : NULL;
}

/* An entrypoint of the workflow's takes the place of the image's, and of its command. */
const char *const *container_argv(struct arena *a, const struct image *image,
				  const char *entrypoint, const struct texts *command,
				  struct err *err)
{
	const struct texts own = container_config_texts(a, image, "Entrypoint");
	const struct texts cmd = container_config_texts(a, image, "Cmd");
	const struct texts *rest = command->count ? command : entrypoint ? NULL : &cmd;
	const char **argv =
		arena_array(a, own.count + command->count + cmd.count + 2, sizeof(*argv));
	size_t n = 0;

	if (entrypoint)
		argv[n++] = entrypoint;
	for (size_t i = 0; !entrypoint && i < own.count; i++)
		argv[n++] = own.list[i];
	for (size_t i = 0; rest && i < rest->count; i++)
		argv[n++] = rest->list[i];
	if (n && *argv[0])
		return argv;
	(void)err_fail(err, ERR_USAGE,
		       "image '%s' names no command, and the workflow names none either",
		       image->name);
	return NULL;
}

void container_env(struct arena *a, const struct image *image, struct node *env)
{
	const struct texts list = container_config_texts(a, image, "Env");

	for (size_t i = 0; i < list.count; i++) {
		const char *equals = strchr(list.list[i], '=');

		if (equals && equals != list.list[i])
			node_set_text(
				a, env,
				arena_strndup(a, list.list[i], (size_t)(equals - list.list[i])),
				equals + 1);
	}
}

static uint64_t milliseconds(const struct node *health, const char *key)
{
	const struct node *n = node_get(health, key);

	return n && n->kind == NODE_NUMBER && n->number > 0 && n->number < 1e17
		       ? (uint64_t)(n->number / 1e6)
		       : 0;
}

/* [CMD, argument...], [CMD-SHELL, text] or [NONE] */
static const char *const *test_of(struct arena *a, const struct texts *test)
{
	const char **argv = arena_array(a, test->count + 3, sizeof(*argv));

	if (test->count < 2)
		return NULL;
	if (strcmp(test->list[0], "CMD") == 0) {
		for (size_t i = 1; i < test->count; i++)
			argv[i - 1] = test->list[i];
		return argv;
	}
	argv[0] = "/bin/sh";
	argv[1] = "-c";
	argv[2] = test->list[1];
	return strcmp(test->list[0], "CMD-SHELL") == 0 ? argv : NULL;
}

/* Docker's defaults. */
#define INTERVAL_MS 30000
#define TIMEOUT_MS  30000
#define RETRIES     3

static uint64_t first_of(uint64_t a, uint64_t b, uint64_t c)
{
	return a ? a : b ? b : c;
}

struct container_health container_health_of(struct arena *a, const struct image *image,
					    const struct container *c)
{
	const struct node *own = node_get(image->config, "Healthcheck");
	const struct texts test = texts_of(a, node_get(own, "Test"));
	const struct node *retries = node_get(own, "Retries");
	const bool counts = retries && retries->kind == NODE_NUMBER && retries->number >= 1 &&
			    retries->number <= 10000;
	struct container_health h = c->health;

	if (!h.set)
		h.argv = test_of(a, &test);
	if (h.none)
		h.argv = NULL;
	h.interval_ms = first_of(h.interval_ms, milliseconds(own, "Interval"), INTERVAL_MS);
	h.timeout_ms = first_of(h.timeout_ms, milliseconds(own, "Timeout"), TIMEOUT_MS);
	h.start_ms = first_of(h.start_ms, milliseconds(own, "StartPeriod"), 0);
	h.retries = first_of(h.retries, counts ? (uint64_t)retries->number : 0, RETRIES);
	return h;
}
