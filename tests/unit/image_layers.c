/*
 * Layers, one on top of another: a row is up to three layers, and either what
 * the tree holds in the end or why they are refused. The families are those of
 * the image specification and of what container engines were broken by.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "image/folder.h"
#include "image/tree.h"
#include "stepcell/util.h"
#include "tar.h"

#define LAYERS 3

/* Of rows: a file, a folder, a link, a hard link, a device. */
#define F(path, text)                                                                              \
	{                                                                                          \
		'f', path, text, 0                                                                 \
	}
#define D(path)                                                                                    \
	{                                                                                          \
		'd', path, NULL, 0                                                                 \
	}
#define L(path, target)                                                                            \
	{                                                                                          \
		'l', path, target, 0                                                               \
	}
#define H(path, target)                                                                            \
	{                                                                                          \
		'h', path, target, 0                                                               \
	}
#define M(path, mode)                                                                              \
	{                                                                                          \
		'd', path, NULL, mode                                                              \
	}
#define W(path)                                                                                    \
	{                                                                                          \
		'f', path, NULL, 0                                                                 \
	} /* a whiteout */
#define X(attributes)                                                                              \
	{                                                                                          \
		'x', attributes, NULL, 0                                                           \
	} /* of the next one */
#define LAYER(...)                                                                                 \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

#define N50  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define N255 N50 N50 N50 N50 N50 "nnnnn"

struct vector {
	const char *what;
	struct row layers[LAYERS][10];
	const char *
		tree; /* "d/ d/f=text l>target h=text", with [mode] where it is not the usual one */
	const char *error; /* or this */
};

static const struct vector whiteouts[] = {
	{"hides a file", {LAYER(F("a", "1"), F("b", "2")), LAYER(W(".wh.a"))}, "b=2", NULL},
	{"hides a folder with all in it",
	 {LAYER(F("d/x/y", "1"), F("e", "2")), LAYER(W(".wh.d"))},
	 "e=2",
	 NULL},
	{"hides a link, not where it leads",
	 {LAYER(F("a", "1"), L("l", "a")), LAYER(W(".wh.l"))},
	 "a=1",
	 NULL},
	{"hides a link to a folder, not the folder",
	 {LAYER(F("d/x", "1"), L("l", "d")), LAYER(W(".wh.l"))},
	 "d/ d/x=1",
	 NULL},
	{"hides one of two hard links",
	 {LAYER(F("a", "1"), H("b", "a")), LAYER(W(".wh.a"))},
	 "b=1",
	 NULL},
	{"hides what is not there", {LAYER(F("a", "1")), LAYER(W(".wh.b"))}, "a=1", NULL},
	{"hides in a folder that is not there",
	 {LAYER(F("a", "1")), LAYER(W("d/.wh.b"))},
	 "a=1",
	 NULL},
	{"hides below a file", {LAYER(F("a", "1")), LAYER(W("a/.wh.b"))}, "a=1", NULL},
	{"stands before a file of its name in its layer",
	 {LAYER(F("a", "1")), LAYER(W(".wh.a"), F("a", "2"))},
	 "a=2",
	 NULL},
	{"stands behind a file of its name in its layer",
	 {LAYER(F("a", "1")), LAYER(F("a", "2"), W(".wh.a"))},
	 "a=2",
	 NULL},
	{"stands behind a folder of its name in its layer",
	 {LAYER(F("d/old", "1")), LAYER(F("d/new", "2"), W(".wh.d"))},
	 "d/ d/new=2",
	 NULL},
	{"hides what the layer in the middle brought",
	 {LAYER(F("a", "1")), LAYER(F("b", "2")), LAYER(W(".wh.b"))},
	 "a=1",
	 NULL},
	{"and the layer above brings it again",
	 {LAYER(F("a", "1")), LAYER(W(".wh.a")), LAYER(F("a", "3"))},
	 "a=3",
	 NULL},
	{"through a link of the image",
	 {LAYER(F("d/x", "1"), F("d/y", "2"), L("l", "d")), LAYER(W("l/.wh.x"))},
	 "d/ d/y=2 l>d",
	 NULL},
	{"through a link from the root",
	 {LAYER(F("d/x", "1"), L("l", "/d")), LAYER(W("l/.wh.x"))},
	 "d/ l>/d",
	 NULL},
	{"through a link that leads nowhere",
	 {LAYER(L("l", "/nowhere")), LAYER(W("l/.wh.x"))},
	 "l>/nowhere",
	 NULL},
	{"through a link to the host",
	 {LAYER(L("l", "/tmp")), LAYER(W("l/.wh.CANARY"))},
	 "l>/tmp",
	 NULL},
	{"through a link that leads up to the host",
	 {LAYER(L("l", "../../../../../../tmp")), LAYER(W("l/.wh.CANARY"))},
	 "l>../../../../../../tmp",
	 NULL},
	{"through a link to itself",
	 {LAYER(L("l", "l")), LAYER(W("l/.wh.x"))},
	 NULL,
	 "cannot open"},
	{"in a path that goes up", {LAYER(F("a", "1")), LAYER(W("../.wh.a"))}, NULL, "'..'"},
	{"in a path from the root", {LAYER(F("a", "1")), LAYER(W("/.wh.a"))}, "", NULL},
	{"in a path with dots", {LAYER(F("d/a", "1")), LAYER(W("./d/./.wh.a"))}, "d/", NULL},
	{"of nothing", {LAYER(F("a", "1")), LAYER(W(".wh."))}, NULL, "nothing that has a name"},
	{"of nothing, in a folder",
	 {LAYER(F("d/a", "1")), LAYER(W("d/.wh."))},
	 NULL,
	 "nothing that has a name"},
	{"of the folder itself",
	 {LAYER(F("d/a", "1")), LAYER(W("d/.wh.."))},
	 NULL,
	 "nothing that has a name"},
	{"of the folder above",
	 {LAYER(F("d/a", "1")), LAYER(W("d/.wh..."))},
	 NULL,
	 "nothing that has a name"},
	{"of a name with dots",
	 {LAYER(F("...", "1"), F(".a", "2")), LAYER(W(".wh...."), W(".wh..a"))},
	 "",
	 NULL},
	{"with something below it",
	 {LAYER(F("a", "1")), LAYER(F(".wh.d/x", "2"))},
	 NULL,
	 "below a whiteout"},
	{"that is a folder", {LAYER(F("a", "1")), LAYER(D(".wh.a"))}, "", NULL},
	{"that is a link", {LAYER(F("a", "1"), F("b", "2")), LAYER(L(".wh.a", "b"))}, "b=2", NULL},
	{"that is a hard link",
	 {LAYER(F("a", "1"), F("b", "2")), LAYER(H(".wh.a", "b"))},
	 "b=2",
	 NULL},
	{"with bytes in it", {LAYER(F("a", "1")), LAYER(F(".wh.a", "bytes"))}, "", NULL},
	{"in the lowest layer", {LAYER(F("a", "1"), W(".wh.a"), W(".wh.b"))}, "a=1", NULL},
	{"of a file system's own",
	 {LAYER(F("a", "1")),
	  LAYER(F(".wh..wh.plnk/x", "2"), F(".wh..wh.aufs", "3"), D(".wh..wh.orph"))},
	 "a=1",
	 NULL},
};

static const struct vector opaque[] = {
	{"first",
	 {LAYER(F("d/a", "1")), LAYER(D("d"), W("d/.wh..wh..opq"), F("d/b", "2"))},
	 "d/ d/b=2",
	 NULL},
	{"last",
	 {LAYER(F("d/a", "1")), LAYER(D("d"), F("d/b", "2"), W("d/.wh..wh..opq"))},
	 "d/ d/b=2",
	 NULL},
	{"between",
	 {LAYER(F("d/a", "1")), LAYER(F("d/b", "2"), W("d/.wh..wh..opq"), F("d/c", "3"))},
	 "d/ d/b=2 d/c=3",
	 NULL},
	{"twice",
	 {LAYER(F("d/a", "1")), LAYER(W("d/.wh..wh..opq"), F("d/b", "2"), W("d/.wh..wh..opq"))},
	 "d/ d/b=2",
	 NULL},
	{"deep",
	 {LAYER(F("d/e/f/a", "1"), F("d/e/b", "2")), LAYER(F("d/e/f/c", "3"), W("d/.wh..wh..opq"))},
	 "d/ d/e/ d/e/f/ d/e/f/c=3",
	 NULL},
	{"of the root",
	 {LAYER(F("a", "1"), F("d/b", "2")), LAYER(F("c", "3"), W(".wh..wh..opq"))},
	 "c=3",
	 NULL},
	{"of a folder that is not there",
	 {LAYER(F("a", "1")), LAYER(W("d/.wh..wh..opq"))},
	 "a=1",
	 NULL},
	{"through a link",
	 {LAYER(F("d/a", "1"), L("l", "d")), LAYER(W("l/.wh..wh..opq"))},
	 "d/ l>d",
	 NULL},
	{"through a link to the host",
	 {LAYER(L("l", "/tmp")), LAYER(W("l/.wh..wh..opq"))},
	 "l>/tmp",
	 NULL},
	{"leaves a hard link outside",
	 {LAYER(F("d/a", "1"), H("b", "d/a")), LAYER(W("d/.wh..wh..opq"))},
	 "b=1 d/",
	 NULL},
	{"leaves the file that replaces one",
	 {LAYER(F("d/a", "1")), LAYER(F("d/a", "2"), W("d/.wh..wh..opq"))},
	 "d/ d/a=2",
	 NULL},
	{"leaves a hard link that the layer brings",
	 {LAYER(F("a", "1"), F("d/x", "2")), LAYER(H("d/b", "a"), W("d/.wh..wh..opq"))},
	 "a=1 d/ d/b=1",
	 NULL},
	{"hides a lower link to a folder, not what is there",
	 {LAYER(F("e/x", "1"), L("d/l", "../e")), LAYER(W("d/.wh..wh..opq"))},
	 "d/ e/ e/x=1",
	 NULL},
	{"of what was a file",
	 {LAYER(F("d", "1")), LAYER(F("d/b", "2"), W("d/.wh..wh..opq"))},
	 NULL,
	 "d/b"},
	{"in the lowest layer", {LAYER(F("d/a", "1"), W("d/.wh..wh..opq"))}, "d/ d/a=1", NULL},
};

static const struct vector changes[] = {
	{"a file becomes a folder",
	 {LAYER(F("a", "1")), LAYER(F("x", "y"), D("a"), F("a/b", "2"))},
	 "a/ a/b=2 x=y",
	 NULL},
	{"a folder becomes a file", {LAYER(F("a/b/c", "1")), LAYER(F("a", "2"))}, "a=2", NULL},
	{"a folder becomes a link",
	 {LAYER(F("a/b", "1"), F("c", "3")), LAYER(L("a", "c"))},
	 "a>c c=3",
	 NULL},
	{"a link becomes a folder",
	 {LAYER(F("d/x", "1"), L("a", "d")), LAYER(D("a"), F("a/b", "2"))},
	 "a/ a/b=2 d/ d/x=1",
	 NULL},
	{"a link becomes a file, and where it led stays",
	 {LAYER(F("x", "1"), L("a", "x")), LAYER(F("a", "2"))},
	 "a=2 x=1",
	 NULL},
	{"a link to the host becomes a file",
	 {LAYER(L("a", "/tmp/CANARY")), LAYER(F("a", "2"))},
	 "a=2",
	 NULL},
	{"a file becomes a link", {LAYER(F("a", "1")), LAYER(L("a", "/etc"))}, "a>/etc", NULL},
	{"a link becomes another", {LAYER(L("a", "x")), LAYER(L("a", "y"))}, "a>y", NULL},
	{"a folder meets a folder: its mode, and what is in both",
	 {LAYER(M("d", 0711), F("d/a", "1")), LAYER(M("d", 0750), F("d/b", "2"))},
	 "d/[750] d/a=1 d/b=2",
	 NULL},
	{"the root has a mode of its own", {LAYER(F("a", "1")), LAYER(M("./", 0751))}, "a=1", NULL},
	{"a file is replaced, its hard link stays",
	 {LAYER(F("a", "1"), H("b", "a")), LAYER(F("a", "2"))},
	 "a=2 b=1",
	 NULL},
	{"a device replaces a file",
	 {LAYER(F("a", "1"), F("b", "2")),
	  LAYER({'c', "a", NULL, 0}, {'p', "c", NULL, 0}, {'b', "d", NULL, 0})},
	 "b=2",
	 NULL},
	{"set-id bits go",
	 {LAYER({'f', "a", "1", 06755}, {'d', "d", NULL, 03777})},
	 "a=1[755] d/[1777]",
	 NULL},
	{"the middle layer counts where the upper says nothing",
	 {LAYER(F("a", "1")), LAYER(F("a", "2")), LAYER(F("b", "3"))},
	 "a=2 b=3",
	 NULL},
	{"a folder that nobody listed",
	 {LAYER(F("a/b/c/d", "1"))},
	 "a/ a/b/ a/b/c/ a/b/c/d=1",
	 NULL},
	{"a folder listed behind what is in it",
	 {LAYER(F("d/a", "1"), M("d", 0700))},
	 "d/[700] d/a=1",
	 NULL},
	{"a file in a folder that may not be entered",
	 {LAYER(M("d", 0001), F("d/a", "1"))},
	 "d/[701] d/a=1",
	 NULL},
	{"one name twice in a layer", {LAYER(F("a", "1"), F("a", "2"))}, "a=2", NULL},
	{"an upper layer without entries but the root",
	 {LAYER(F("a", "1")), LAYER(D("./"))},
	 "a=1",
	 NULL},
	{"a name of 255 bytes", {LAYER(F(N255, "1"))}, N255 "=1", NULL},
	{"a name of 256 bytes", {LAYER(F(N255 "n", "1"))}, NULL, "too long"},
	{"names that are no text",
	 {LAYER(F("a\nb", "1"), F("\xff\xfe", "2"), F(" ", "3"), F("\\", "4"))},
	 " =3 \\=4 a\nb=1 \xff\xfe=2",
	 NULL},
	{"a path with dots and slashes", {LAYER(F(".//a/./b//c", "1"))}, "a/ a/b/ a/b/c=1", NULL},
	{"the root as a file", {LAYER(F(".", "1"))}, NULL, "root"},
	{"the root as a link", {LAYER(F("a", "1")), LAYER(L(".", "/tmp"))}, NULL, "root"},
};

static const struct vector hardlinks[] = {
	{"to a file of a lower layer", {LAYER(F("a", "1")), LAYER(H("b", "a"))}, "a=1 b=1", NULL},
	{"to a file two layers below",
	 {LAYER(F("d/a", "1")), LAYER(F("x", "2")), LAYER(H("b", "d/a"))},
	 "b=1 d/ d/a=1 x=2",
	 NULL},
	{"from the root", {LAYER(F("a", "1")), LAYER(H("d/b", "/a"))}, "a=1 d/ d/b=1", NULL},
	{"to a link: the link itself",
	 {LAYER(L("l", "/tmp/CANARY")), LAYER(H("b", "l"))},
	 "b>/tmp/CANARY l>/tmp/CANARY",
	 NULL},
	{"to a link, and a file in its place (CVE-2018-20834)",
	 {LAYER(L("l", "/tmp/CANARY")), LAYER(H("b", "l"), F("b", "2"))},
	 "b=2 l>/tmp/CANARY",
	 NULL},
	{"over a link that leads out",
	 {LAYER(F("a", "1"), L("l", "/tmp")), LAYER(H("l", "a"))},
	 "a=1 l=1",
	 NULL},
	{"through a link of the image",
	 {LAYER(F("d/a", "1"), L("l", "d")), LAYER(H("b", "l/a"))},
	 "b=1 d/ d/a=1 l>d",
	 NULL},
	{"through a link to the host",
	 {LAYER(L("l", "/tmp")), LAYER(H("b", "l/CANARY"))},
	 NULL,
	 "cannot open"},
	{"to what its layer hides",
	 {LAYER(F("a", "1")), LAYER(W(".wh.a"), H("b", "a"))},
	 NULL,
	 "cannot find"},
	{"to what comes later", {LAYER(H("b", "a"), F("a", "1"))}, NULL, "cannot find"},
	{"to a folder", {LAYER(D("d")), LAYER(H("b", "d"))}, NULL, "to a directory"},
	{"to the host, up", {LAYER(H("b", "../../../../../tmp/CANARY"))}, NULL, "hard link"},
	{"to the host, from the root", {LAYER(H("b", "/tmp/CANARY"))}, NULL, "cannot open"},
	{"to nothing", {LAYER(F("a", "1")), LAYER(H("b", "c"))}, NULL, "cannot find"},
	{"to the root", {LAYER(H("b", "/"))}, NULL, "nowhere"},
};

static const struct vector breakouts[] = {
	{"through a link of a lower layer",
	 {LAYER(L("l", "/tmp")), LAYER(F("l/CANARY", "2"))},
	 NULL,
	 "l/CANARY"},
	{"through a link up",
	 {LAYER(L("l", "../../../../../../../tmp")), LAYER(F("l/CANARY", "2"))},
	 NULL,
	 "l/CANARY"},
	{"through a link to a link",
	 {LAYER(L("a", "/tmp"), L("b", "a")), LAYER(F("b/CANARY", "2"))},
	 NULL,
	 "b/CANARY"},
	{"through a link, with the image's own /tmp",
	 {LAYER(D("tmp"), L("l", "/tmp")), LAYER(F("l/CANARY", "2"))},
	 "l>/tmp tmp/ tmp/CANARY=2",
	 NULL},
	{"a folder's mode through a link (CVE-2021-32760)",
	 {LAYER(D("d"), L("l", "/tmp")), LAYER(M("l", 0711))},
	 "d/ l/[711]",
	 NULL},
	{"a folder below a link", {LAYER(L("l", "/tmp")), LAYER(D("l/CANARY"))}, NULL, "l/CANARY"},
	{"a link below a link",
	 {LAYER(L("l", "/tmp")), LAYER(L("l/CANARY", "x"))},
	 NULL,
	 "l/CANARY"},
	{"a hard link below a link",
	 {LAYER(F("a", "1"), L("l", "/tmp")), LAYER(H("l/CANARY", "a"))},
	 NULL,
	 "l/CANARY"},
	{"a link in the place of a folder, and a file below it",
	 {LAYER(D("d"), F("d/x", "1")), LAYER(L("d", "/tmp"), F("d/CANARY", "2"))},
	 NULL,
	 "d/CANARY"},
	{"a link in the place of a folder that is kept open",
	 {LAYER(F("d/x", "1"), F("d/y", "2"), L("d", "/tmp"), F("d/CANARY", "3"))},
	 NULL,
	 "d/CANARY"},
	{"a link called like what is behind it",
	 {LAYER(L("tmp", "/tmp")), LAYER(F("tmp/CANARY", "2"))},
	 NULL,
	 "tmp/CANARY"},
	{"a name that is a path up", {LAYER(F("a/../../CANARY", "1"))}, NULL, "'..'"},
	{"a folder that is a path up", {LAYER(D(".."))}, NULL, "'..'"},
	{"a folder behind a path up", {LAYER(M("../../tmp", 0700))}, NULL, "'..'"},
	{"a link without a target", {LAYER(L("l", ""))}, NULL, "target"},
	{"through proc",
	 {LAYER(L("l", "/proc/self/root/tmp")), LAYER(F("l/CANARY", "2"))},
	 NULL,
	 "l/CANARY"},
	{"a whiteout of the host, by a path up",
	 {LAYER(F("a", "1")), LAYER(W("../../../../tmp/.wh.CANARY"))},
	 NULL,
	 "'..'"},
};

#define LONG N255 N255 N255 N255 N255 N255 N255

static const struct vector attributes[] = {
	{"of a file and of a folder",
	 {LAYER(X("user.b:2 user.a:1"), D("d"), X("user.mime:text/x"), F("d/f", "1"))},
	 "d/{user.a:1 user.b:2} d/f=1{user.mime:text/x}",
	 NULL},
	{"of a file that cannot be written",
	 {LAYER(X("user.a:1"), {'f', "f", "1", 0444})},
	 "f=1[444]{user.a:1}",
	 NULL},
	{"that overlayfs acts on",
	 {LAYER(X("user.overlay.opaque:y user.overlay.redirect:/x user.overlay.metacopy:"), D("d"),
		X("trusted.overlay.opaque:y trusted.overlay.redirect:/x user.a:1"), D("e"),
		X("user.overlay.metacopy: user.overlay.whiteout:y"), F("f", "1"))},
	 "d/ e/{user.a:1} f=1",
	 NULL},
	{"that the kernel or an administrator means something by",
	 {LAYER(X("security.capability:x security.selinux:y security.evm:z"), F("f", "1"),
		X("trusted.a:1 system.posix_acl_access:x user.:1 user:1 other.a:1"), F("g", "1"))},
	 "f=1 g=1",
	 NULL},
	{"of a folder that the next layer has too",
	 {LAYER(X("user.a:1 user.b:2"), D("d"), F("d/f", "1")), LAYER(X("user.b:3"), D("d"))},
	 "d/{user.b:3} d/f=1",
	 NULL},
	{"of a folder that the next layer only goes through",
	 {LAYER(X("user.a:1"), D("d")), LAYER(F("d/f", "1"))},
	 "d/{user.a:1} d/f=1",
	 NULL},
	{"of a file that the next layer has too",
	 {LAYER(X("user.a:1"), F("f", "1")), LAYER(F("f", "2"))},
	 "f=2",
	 NULL},
	{"for a hard link's target, and for where a link leads",
	 {LAYER(F("f", "1"), X("user.a:1"), H("h", "f"), X("user.a:1"), L("l", "f"), X("user.a:1"),
		L("m", "/tmp/CANARY"))},
	 "f=1 h=1 l>f m>/tmp/CANARY",
	 NULL},
	{"through a link of the image, to the host",
	 {LAYER(L("l", "/tmp")), LAYER(X("user.a:1"), D("l"))},
	 "l/{user.a:1}",
	 NULL},
	{"that are too long, beside one that is not",
	 {LAYER(X("user.long:" LONG N255 N255 " user.a:1"), F("f", "1"))},
	 "f=1{user.a:1}",
	 NULL},
	{"that are too long together",
	 {LAYER(X("user.a:" N255 N255 N255 N255 " user.b:" LONG " user.c:3"), F("f", "1"))},
	 "f=1{user.a:" N255 N255 N255 N255 " user.c:3}",
	 NULL},
};

static const struct {
	const char *name;
	const struct vector *rows;
	size_t count;
} families[] = {
	{"whiteout", whiteouts, COUNT(whiteouts)}, {"opaque", opaque, COUNT(opaque)},
	{"change", changes, COUNT(changes)},       {"hard link", hardlinks, COUNT(hardlinks)},
	{"breakout", breakouts, COUNT(breakouts)}, {"attribute", attributes, COUNT(attributes)},
};

/* ---- what came of it, as text ---- */

static void tell(int dir, const char *at, struct strbuf *out);

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whatever there is, but for what this host labels every file with. */
static void tell_attributes(int dir, const char *name, struct strbuf *out)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char names[4096], value[4096];
	const char *list[64];
	ssize_t n = flistxattr(fd, names, sizeof(names));
	size_t count = 0;

	for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
		if (strcmp(p, "security.selinux") != 0)
			list[count++] = p;
	qsort(list, count, sizeof(*list), by_text);
	for (size_t i = 0; i < count; i++) {
		ssize_t len = fgetxattr(fd, list[i], value, sizeof(value));

		assert_true(len >= 0);
		strbuf_addf(out, "%s%s:%.*s", i ? " " : "{", list[i], (int)len, value);
	}
	if (count)
		strbuf_addc(out, '}');
}

static void tell_one(int dir, const char *name, const char *path, struct strbuf *out)
{
	char target[PATH_MAX] = "";
	auto_strbuf struct strbuf text = STRBUF(4096);
	struct err err = {0};
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	strbuf_addf(out, "%s%s", out->len ? " " : "", path);
	if (S_ISLNK(st.st_mode)) {
		assert_true(readlinkat(dir, name, target, sizeof(target) - 1) >= 0);
		strbuf_addf(out, ">%s", target);
		return;
	}
	if (S_ISREG(st.st_mode)) {
		assert_int_equal(file_read(dir, name, &text, &err), 0);
		strbuf_addf(out, "=%s", text.text);
	} else {
		strbuf_addc(out, '/');
	}
	if ((st.st_mode & 07777) != (S_ISDIR(st.st_mode) ? 0755 : 0644))
		strbuf_addf(out, "[%o]", st.st_mode & 07777);
	tell_attributes(dir, name, out);
	if (S_ISDIR(st.st_mode)) {
		auto_fd int inner = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		tell(inner, path, out);
	}
}

static void tell(int dir, const char *at, struct strbuf *out)
{
	auto_strbuf struct strbuf names = STRBUF(65536);
	struct err err = {0};

	assert_int_equal(folder_list(dir, &names, &err), 0);
	for_each_name(name, &names)
	{
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s%s%s", at, *at ? "/" : "", name);
		tell_one(dir, name, path, out);
	}
}

/* ---- one vector ---- */

static size_t make_layers(const struct vector *v, struct tree_layer *out)
{
	struct err err = {0};
	size_t n = 0;

	for (; n < LAYERS && v->layers[n][0].path; n++) {
		out[n] = (struct tree_layer){.fd = make_tar(v->layers[n])};
		assert_int_equal(digest_of_fd(out[n].fd, &out[n].diff_id, &err), 0);
		assert_int_equal(lseek(out[n].fd, 0, SEEK_SET), 0);
	}
	return n;
}

static void judge(const struct vector *v, const char *family, struct home *home, int r,
		  const struct err *err)
{
	auto_strbuf struct strbuf tree = STRBUF(65536);
	char expanded[512];
	const char *wanted = expand(v->error ? v->error : v->tree, expanded);

	if (r < 0) {
		if (!v->error || !strstr(err->text, wanted))
			fail_msg("%s: %s: %s", family, v->what, err->text);
		if (err->kind != ERR_USAGE && !err->sys)
			fail_msg("%s: %s: of kind %d", family, v->what, err->kind);
		return;
	}
	auto_fd int root = root_of(home);

	tell(root, "", &tree);
	if (v->error)
		fail_msg("%s: %s: was unpacked: %s", family, v->what, tree.text);
	if (strcmp(tree.text, wanted) != 0)
		fail_msg("%s: %s: expected '%s', found '%s'", family, v->what, wanted, tree.text);
}

static void try_vector(const struct vector *v, const char *family, struct home *home)
{
	struct tree_layer layers[LAYERS];
	size_t n = make_layers(v, layers);
	struct tree tree;
	struct err err = {0};
	int r = tree_apply(&home->staging, layers, n, &tree, &err);

	judge(v, family, home, r, &err);
	home_renew(home);
	while (n)
		fd_close(&layers[--n].fd);
}

static void test_vectors(void **state)
{
	struct home home;
	size_t count = 0;

	(void)state;
	home_make(&home);
	for (size_t f = 0; f < COUNT(families); f++)
		for (size_t i = 0; i < families[f].count; i++, count++)
			try_vector(&families[f].rows[i], families[f].name, &home);
	home_drop(&home);
	print_message("# %zu vectors\n", count);
}

/* ---- what is in a tree's name ---- */

static struct digest digest_of_row(struct home *home, const char *given)
{
	const struct row rows[] = {{'x', given ? given : "", NULL, 0}, F("f", "1"), {0}};
	struct tree_layer layer = {.fd = make_tar(rows)};
	struct tree tree;
	struct err err = {0};

	assert_int_equal(digest_of_fd(layer.fd, &layer.diff_id, &err), 0);
	assert_int_equal(lseek(layer.fd, 0, SEEK_SET), 0);
	assert_int_equal(tree_apply(&home->staging, &layer, 1, &tree, &err), 0);
	home_renew(home);
	fd_close(&layer.fd);
	return tree.digest;
}

static void test_digests(void **state)
{
	static const char list[] =
		"f 644 1 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b f\n";
	static const char *const other[] = {
		NULL,         "user.a:b",          "user.a:b=c",
		"user.a=b:c", "user.a:b user.c:d", "user.a:b\\040user.c=d"};
	const struct digest none = digest_of(list, strlen(list));
	struct digest digests[COUNT(other)];
	struct home home;

	(void)state;
	home_make(&home);
	for (size_t i = 0; i < COUNT(other); i++)
		digests[i] = digest_of_row(&home, other[i]);
	/* a tree without any is called as it always was, and so is one of which none are kept */
	assert_true(digest_equal(&digests[0], &none));
	digests[0] = digest_of_row(&home, "user.overlay.opaque:y security.capability:x");
	assert_true(digest_equal(&digests[0], &none));
	for (size_t i = 0; i < COUNT(other); i++)
		for (size_t j = 0; j < i; j++)
			assert_false(digest_equal(&digests[i], &digests[j]));
	digests[0] = digest_of_row(&home, "user.c:d user.a:b");
	assert_true(digest_equal(&digests[0], &digests[4]));
	home_drop(&home);
}

/* As the store's trees would be, by who made this folder. */
static bool attributes_are_kept_here(void)
{
	char path[] = "/tmp/stepcell-attributes-XXXXXX";
	auto_fd int fd = mkstemp(path);
	bool kept = fd >= 0 && fsetxattr(fd, "user.a", "1", 1, 0) == 0;

	(void)unlink(path);
	return kept;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),
					   cmocka_unit_test(test_digests)};

	if (!attributes_are_kept_here()) {
		print_message("1..0 # SKIP the file system of /tmp keeps no attributes\n");
		return 0;
	}

	if (tar_tests_begin() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
