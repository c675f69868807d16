/* The same tree to the same bytes; nothing from outside; and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stepcell/artifact.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct place {
	char path[64];
	int fd;
};

static struct place place_make(void)
{
	struct place p = {.path = "/tmp/stepcell-unit-XXXXXX"};

	assert_non_null(mkdtemp(p.path));
	p.fd = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p.fd >= 0);
	return p;
}

static void place_remove(struct place *p)
{
	struct err err;

	fd_close(&p->fd);
	assert_int_equal(remove_tree(AT_FDCWD, p->path, &err), 0);
}

static void put(int dir, const char *name, const char *text, mode_t mode)
{
	char folder[5000];
	struct err err;
	char *slash;

	(void)snprintf(folder, sizeof(folder), "%s", name);
	slash = strrchr(folder, '/');
	if (slash) {
		*slash = '\0';
		assert_int_equal(mkdir_beneath(dir, folder, 0755, &err), 0);
	}
	auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static int scratch(void)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int pack(int root, const char *patterns, int out, struct artifact_summary *s,
		struct err *err)
{
	const struct artifact_spec spec = {
		.patterns = &patterns,
		.pattern_count = 1,
		.mtime = 1700000000,
		.max_bytes = MIB,
		.max_entries = 100,
	};

	*err = (struct err){0};
	return artifact_pack(root, &spec, out, s, err);
}

/* Pack, and list what came: "name=content " in order, links as "name->target ". */
static void list(int archive, struct strbuf *out, struct artifact_summary *packed);

static int pack_listed(int root, const char *patterns, struct strbuf *names)
{
	auto_fd int out = scratch();
	struct artifact_summary s;
	struct err err;

	if (pack(root, patterns, out, &s, &err) < 0)
		fail_msg("%s", err.text);
	list(out, names, &s);
	return (int)s.skipped;
}

static int seen(void *arg, const char *rel, bool is_dir)
{
	struct {
		int fd;
		struct strbuf *out;
	} *w = arg;
	auto_strbuf struct strbuf text = STRBUF(4096);
	char target[4096];
	struct err err;
	ssize_t n = readlinkat(w->fd, rel, target, sizeof(target));

	if (is_dir)
		return 0;
	if (n >= 0) {
		strbuf_addf(w->out, "%s->%.*s ", rel, (int)n, target);
		return 0;
	}
	assert_int_equal(file_read(w->fd, rel, &text, &err), 0);
	strbuf_addf(w->out, "%s=%s ", rel, text.text);
	return 0;
}

static void list(int archive, struct strbuf *out, struct artifact_summary *packed)
{
	const struct artifact_unpack_limits limits = {.max_bytes = MIB, .max_entries = 100};
	struct place p = place_make();
	struct {
		int fd;
		struct strbuf *out;
	} w = {p.fd, out};
	auto_arena struct arena *a = arena_new();
	struct artifact_summary s;
	struct err err = {0};
	const char *all = "**";

	assert_int_equal(lseek(archive, 0, SEEK_SET), 0);
	if (artifact_unpack(archive, p.fd, &limits, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(s.files, packed->files);
	assert_int_equal(s.bytes, packed->bytes);
	assert_true(digest_equal(&s.tar, &packed->tar));
	assert_true(digest_equal(&s.blob, &packed->blob));
	assert_int_equal(glob_walk(glob_parse(a, NULL, &all, 1, &err), p.fd, true, seen, &w, &err),
			 0);
	place_remove(&p);
}

static const struct {
	const char *patterns, *names;
} selections[] = {
	{".", "a.txt=A bin/run=RUN dist/x.whl=W dist/y.gz=G src/deep/z=Z "},
	{"dist/", "x.whl=W y.gz=G "},
	{"dist", "x.whl=W y.gz=G "},
	{"dist/*.whl", "x.whl=W "},
	{"dist/x.whl", "x.whl=W "},
	{"a.txt", "a.txt=A "},
	{"src/**/z", "deep/z=Z "},
	{"dist/x.whl\nsrc", "dist/x.whl=W src/deep/z=Z "},
	{".\n!dist", "a.txt=A bin/run=RUN src/deep/z=Z "},
	{"nothing", ""},
	{"**/*.nothing", ""},
	{".hidden", ""},
};

static void test_selections(void **state)
{
	struct place p = place_make();

	(void)state;
	put(p.fd, "a.txt", "A", 0644);
	put(p.fd, ".hidden", "H", 0644);
	put(p.fd, "bin/run", "RUN", 0755);
	put(p.fd, "dist/x.whl", "W", 0644);
	put(p.fd, "dist/y.gz", "G", 0600);
	put(p.fd, "dist/.secret", "S", 0600);
	put(p.fd, "src/deep/z", "Z", 0644);
	assert_int_equal(mkdirat(p.fd, "empty", 0755), 0);
	for (size_t i = 0; i < COUNT(selections); i++) {
		auto_strbuf struct strbuf names = STRBUF(4096);

		assert_int_equal(pack_listed(p.fd, selections[i].patterns, &names), 0);
		if (strcmp(names.text, selections[i].names) != 0)
			fail_msg("\"%s\": %s", selections[i].patterns, names.text);
	}
	place_remove(&p);
}

/* ---- the same bytes ---- */

static const char *const tree[] = {"b/two",          "a",         "b/one",
				   "c/d/e/f",        "b.txt",     "\xc3\xa9t\xc3\xa9",
				   "bytes-\xff\xfe", "new\nline", "esc\x1b[31m"};

static void grow(struct place *p, bool backwards)
{
	static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	for (size_t i = 0; i < COUNT(tree); i++) {
		const char *name = tree[backwards ? COUNT(tree) - 1 - i : i];

		put(p->fd, name, name, backwards ? 0600 : 0664);
		if (backwards)
			assert_int_equal(utimensat(p->fd, name, old, 0), 0);
	}
	put(p->fd, "tool", "#!", backwards ? 0711 : 0777);
	assert_int_equal(symlinkat("a", p->fd, "link"), 0);
	assert_int_equal(symlinkat("../b/one", p->fd, "c/up"), 0);
}

/* In a child: another umask, and another user where this one may change. */
static struct artifact_summary pack_elsewhere(bool backwards, uid_t uid)
{
	struct artifact_summary s = {0};
	int ends[2], status;
	struct err err;
	pid_t child;

	assert_int_equal(pipe_open(ends, &err), 0);
	child = fork();
	if (child == 0) {
		struct place p;
		int bad = 0;

		(void)umask(backwards ? 077 : 0);
		if (geteuid() == 0 && uid)
			bad = setgid(uid) < 0 || setuid(uid) < 0;
		p = place_make();
		grow(&p, backwards);
		bad = bad || pack(p.fd, ".", scratch(), &s, &err) < 0 ||
		      write_full(ends[1], &s, sizeof(s)) < 0;
		place_remove(&p);
		_exit(bad);
	}
	(void)close(ends[1]);
	assert_int_equal(read_full(ends[0], &s, sizeof(s)), 0);
	(void)close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return s;
}

static void test_same_bytes(void **state)
{
	struct artifact_summary one = pack_elsewhere(false, 0);
	struct artifact_summary two = pack_elsewhere(true, 0);
	struct artifact_summary other = pack_elsewhere(true, 65534);

	(void)state;
	assert_int_equal(one.files, COUNT(tree) + 3);
	assert_string_equal(one.tar.hex, two.tar.hex);
	assert_string_equal(one.blob.hex, two.blob.hex);
	assert_string_equal(one.blob.hex, other.blob.hex);
}

/* Bytes of a name come back as they went, and so do links and the execute bit. */
static void test_names(void **state)
{
	struct place p = place_make();
	auto_strbuf struct strbuf names = STRBUF(8192);
	auto_strbuf struct strbuf deep = STRBUF(4000);
	auto_strbuf struct strbuf want = STRBUF(8192);

	(void)state;
	for (int i = 0; i < 15; i++)
		strbuf_addf(&deep, "%0*d/", 250, i);
	strbuf_addf(&deep, "%0*d", 200, 1);
	grow(&p, false);
	put(p.fd, deep.text, "deep", 0644);
	assert_int_equal(pack_listed(p.fd, ".", &names), 0);
	strbuf_addf(&want, "%s=deep ", deep.text);
	strbuf_adds(&want, "a=a b/one=b/one b/two=b/two b.txt=b.txt bytes-\xff\xfe=bytes-\xff\xfe "
			   "c/d/e/f=c/d/e/f c/up->../b/one esc\x1b[31m=esc\x1b[31m link->a "
			   "new\nline=new\nline tool=#! \xc3\xa9t\xc3\xa9=\xc3\xa9t\xc3\xa9 ");
	assert_string_equal(names.text, want.text);
	place_remove(&p);
}

/* ---- what must not come along ---- */

static void test_skipped(void **state)
{
	struct place p = place_make();
	auto_strbuf struct strbuf names = STRBUF(4096);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	auto_fd int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	put(p.fd, "in/ok", "OK", 0644);
	put(p.fd, "secret", "SECRET", 0644);
	assert_int_equal(symlinkat("/etc/passwd", p.fd, "in/absolute"), 0);
	assert_int_equal(symlinkat("../../../../etc/passwd", p.fd, "in/far"), 0);
	assert_int_equal(symlinkat("../secret", p.fd, "in/near"), 0);
	assert_int_equal(symlinkat("/proc/self/root", p.fd, "in/magic"), 0);
	assert_int_equal(symlinkat("nowhere", p.fd, "in/broken"), 0);
	assert_int_equal(symlinkat("loop", p.fd, "in/loop"), 0);
	assert_int_equal(symlinkat("..", p.fd, "in/parent"), 0);
	assert_int_equal(mkfifoat(p.fd, "in/fifo", 0644), 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/in/socket", p.path);
	assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(pack_listed(p.fd, "in", &names), 9);
	assert_string_equal(names.text, "ok=OK ");
	place_remove(&p);
}

static void test_folder_is_a_link(void **state)
{
	struct place p = place_make();
	struct artifact_summary s;
	auto_fd int out = scratch();
	struct err err;

	(void)state;
	assert_int_equal(symlinkat("/etc", p.fd, "dist"), 0);
	assert_int_equal(pack(p.fd, "dist/passwd", out, &s, &err), 0);
	assert_int_equal(s.files, 0);
	assert_int_equal(pack(p.fd, "dist/**", out, &s, &err), 0);
	assert_int_equal(s.files, 0);
	place_remove(&p);
}

/* Hard links are files: where the second name lies must not change a byte. */
static void test_hard_links(void **state)
{
	struct place p = place_make();
	auto_strbuf struct strbuf names = STRBUF(4096);

	(void)state;
	put(p.fd, "z", "SAME", 04755);
	assert_int_equal(linkat(p.fd, "z", p.fd, "a", 0), 0);
	assert_int_equal(pack_listed(p.fd, ".", &names), 0);
	assert_string_equal(names.text, "a=SAME z=SAME ");
	place_remove(&p);
}

static void test_limits(void **state)
{
	struct place p = place_make();
	auto_fd int out = scratch();
	struct artifact_summary s;
	struct err err;

	(void)state;
	put(p.fd, "hole", "", 0644);
	{
		auto_fd int fd = openat(p.fd, "hole", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, INT64_C(8) << 40), 0);
	}
	assert_int_equal(pack(p.fd, ".", out, &s, &err), -1);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_string_equal(err.text, "packing: 'hole': with its 8796093022208 bytes the artifact "
				      "passes its limit of 1048576");
	assert_int_equal(unlinkat(p.fd, "hole", 0), 0);
	for (int i = 0; i < 101; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%d", i);
		put(p.fd, name, "", 0644);
	}
	assert_int_equal(pack(p.fd, ".", out, &s, &err), -1);
	assert_string_equal(err.text, "packing: the artifact has more than 100 files");
	place_remove(&p);
}

/* A full disk, here a pipe that nobody reads from, is an error. */
static void test_cannot_write(void **state)
{
	struct place p = place_make();
	struct artifact_summary s;
	struct err err;
	auto_fd int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	put(p.fd, "a", "A", 0644);
	assert_int_equal(pack(p.fd, ".", full, &s, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_non_null(strstr(err.text, "cannot write the archive"));
	place_remove(&p);
}

#define N51 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const struct {
	const char *name, *error;
} names[] = {
	{"dist", NULL},
	{"a b-c_d.e (1)", NULL},
	{"", "the name of an artifact is empty"},
	{"a/b", "the name of artifact 'a/b' holds '/'"},
	{"a\\b", "the name of artifact 'a\\b' holds '\\'"},
	{"a:b", "the name of artifact 'a:b' holds ':'"},
	{"a\nb", "the name of an artifact holds a line break"},
	{"..", "'..' cannot be the name of an artifact"},
	{N51 N51 N51 N51 N51, NULL},
	{N51 N51 N51 N51 N51 "n", "the name of an artifact has more than 255 bytes"},
};

static void test_artifact_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct err err = {0};

		assert_int_equal(artifact_check_name(names[i].name, &err), names[i].error ? -1 : 0);
		if (names[i].error)
			assert_string_equal(err.text, names[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_selections),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_folder_is_a_link),
		cmocka_unit_test(test_hard_links),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_cannot_write),
		cmocka_unit_test(test_artifact_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
