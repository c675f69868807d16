/*
 * toolchain: which image carries the Python that a job asks for.
 *
 * The order is setup-python's: what the job's root has in its tool cache wins,
 * whatever else there is, and is asked first; the store's toolchains are what
 * could be installed. check-latest looks at both at once.
 */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "image/manifest.h"
#include "image/names.h"
#include "image/pyspec.h"
#include "image/store.h"
#include "image/version.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

/* What is looked for, and the best so far. */
struct search {
	const struct toolchain_ask *ask;
	struct python_spec spec;
	char arch[64];
	struct version version; /* of the best */
	struct toolchain_match match;
	bool found;
};

const char *image_machine(void)
{
	static const struct {
		const char *machine, *arch;
	} names[] = {{"x86_64", "x64"}, {"aarch64", "arm64"}, {"i686", "x86"}};
	struct utsname host;

	(void)uname(&host);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(host.machine, names[i].machine) == 0)
			return names[i].arch;
	return "x64";
}

static int search_open(const struct toolchain_ask *ask, struct search *s, struct err *err)
{
	bool ignored;

	s->ask = ask;
	if (python_spec_parse(ask->version, ask->prereleases, &s->spec, err) < 0)
		return -1;
	s->spec.freethreaded = s->spec.freethreaded || ask->freethreaded;
	(void)snprintf(s->arch, sizeof(s->arch), "%.32s%s",
		       ask->arch && *ask->arch ? ask->arch : image_machine(),
		       s->spec.freethreaded ? "-freethreaded" : "");
	/* What is no version is wrong usage, whatever there is. */
	return version_match(&s->version, s->spec.range, &ignored, err);
}

/* TOOLCACHE/Python/VERSION/ARCH; a Python that lies elsewhere is the system's own. */
static const char *arch_of(const struct toolchain *t)
{
	return strstr(t->path, "/Python/") ? strrchr(t->path, '/') + 1 : image_machine();
}

/* Would it do, and would it be better than what was found before? */
static bool is_better(struct search *s, const struct toolchain *t)
{
	struct version v;
	struct err ignored;
	bool lies = false;

	if (strcmp(arch_of(t), s->arch) != 0 || !version_parse(t->version, &v) ||
	    version_match(&v, s->spec.range, &lies, &ignored) < 0 || !lies ||
	    (s->found && version_compare(&v, &s->version) <= 0))
		return false;
	s->found = true;
	s->version = v;
	s->match.toolchain = *t;
	return true;
}

/* The images on top of one base all carry its Python: once will do. */
static void list_one(struct strbuf *out, const struct toolchain *t)
{
	bool free = strstr(arch_of(t), "-freethreaded") != NULL;
	char text[128];

	(void)snprintf(text, sizeof(text), " %.64s%s (", t->version, free ? "t" : "");
	if (!strstr(out->text, text))
		strbuf_addf(out, "%s%s%s)", out->len ? "," : "", text, t->image);
}

static void list_all(struct strbuf *out, const struct image *image)
{
	for (size_t i = 0; image && i < image->toolchain_count; i++)
		list_one(out, &image->toolchains[i]);
}

static void say(const struct search *s, const char *where, const struct strbuf *have)
{
	if (s->ask->say)
		strbuf_addf(s->ask->say, "%s:%s\n", where, have->len ? have->text : " none");
}

/* ---- the job's root ---- */

static void search_current(struct search *s, const struct image *current)
{
	auto_strbuf struct strbuf have = STRBUF(4096);

	if (!current)
		return;
	for (size_t i = 0; i < current->toolchain_count; i++)
		if (is_better(s, &current->toolchains[i]))
			s->match.env = current->env;
	list_all(&have, current);
	say(s, "in the tool cache of the root", &have);
}

/* ---- the store ---- */

/* The layers that make an image's toolchain work on another root; 0 when none do. */
static int portable_layers(struct store *store, struct arena *a, const struct image *image,
			   const char *version, size_t *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct manifest m;

	*out = 0;
	if (blob_get(store, &image->digest, &text, NULL, err) < 0 ||
	    manifest_decode(a, text.text, text.len, &m, err) < 0)
		return -1;
	for (size_t i = 0; i < m.toolchain_count; i++)
		if (strcmp(m.toolchains[i].version, version) == 0)
			*out = (size_t)m.toolchains[i].layers;
	return 0;
}

/* What a file that was imported says of its own toolchains is for who takes it as a root. */
static bool is_offered(struct store *store, const struct image *image)
{
	struct image_name name;
	struct err ignored;

	return image_name_read(store, image->name, &name, &ignored) == 0 &&
	       digest_equal(&name.manifest, &image->digest) && image_name_is_toolchain(&name);
}

static int search_image(struct search *s, struct store *store, struct arena *a, struct image *image,
			struct strbuf *have, struct err *err)
{
	if (!image->toolchain_count || !is_offered(store, image))
		return 0;
	for (size_t t = 0; t < image->toolchain_count; t++) {
		size_t layers;

		if (portable_layers(store, a, image, image->toolchains[t].version, &layers, err) <
		    0)
			return -1;
		if (layers == 0)
			continue;
		list_one(have, &image->toolchains[t]);
		if (!is_better(s, &image->toolchains[t]))
			continue;
		s->match.layers = image->mounts[0].layers;
		s->match.layer_count = layers;
		s->match.env = image->env;
		s->match.image = image->digest;
		s->match.trees = image->trees;
		fd_close(&s->match.lock);
		s->match.lock = take_fd(&image->lock);
	}
	return 0;
}

/* `all` gets every toolchain of the store, whether it works on another root or not. */
static int search_store(struct search *s, struct store *store, struct arena *a, struct strbuf *all,
			struct err *err)
{
	auto_strbuf struct strbuf have = STRBUF(4096);
	struct image *images;
	size_t count;
	int r = 0;

	if (image_list(store, a, &images, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		list_all(all, &images[i]);
		if (r == 0)
			r = search_image(s, store, a, &images[i], &have, err);
		image_release(&images[i]);
	}
	say(s, "in the store, for any root", &have);
	return r;
}

/* ---- nothing found ---- */

/* YAML takes 3.10 for a number, and the number is 3.1. */
static const char *hint_of(const char *version)
{
	return strcmp(version, "3.1") == 0
		       ? " (3.10 without quotes is the number 3.1: write '3.10')"
		       : "";
}

/* The recipes that ship, the usual one first. */
static const unsigned minors[] = {11, 13, 12, 10, 9, 8};

/* A minor version of 3 that lies in the range, else the one that the range names. */
static bool choose_minor(const struct search *s, unsigned *major, unsigned *minor)
{
	*major = 3;
	for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++) {
		const struct version v = {{3, minors[i], 99}, ""};
		struct err ignored;
		bool lies = false;

		*minor = minors[i];
		if ((!s->spec.freethreaded || *minor == 13) &&
		    version_match(&v, s->spec.range, &lies, &ignored) == 0 && lies)
			return true;
	}
	return version_minor(s->spec.range, major, minor);
}

/* What brings it, or why nothing does. */
static void find_recipe(const struct search *s, struct arena *a, struct toolchain_lack *out)
{
	const char *data = s->ask->data, *name;
	unsigned major, minor;

	out->why = "no recipe of rootfs/ makes one; docs/RECIPES.md says how to write one, of "
		   "kind: prefix";
	if (strncmp(s->arch, image_machine(), strlen(image_machine())) != 0) {
		out->why = arena_printf(a, "this machine is %s, and no other runs on it",
					image_machine());
		return;
	}
	if (*hint_of(s->ask->version)) {
		major = 3;
		minor = 10;
	} else if (!choose_minor(s, &major, &minor)) {
		return;
	}
	name = arena_printf(a, "python-%u.%u%s", major, minor, s->spec.freethreaded ? "t" : "");
	if (!data || access(arena_printf(a, "%s/rootfs/%s.yml", data, name), F_OK) == 0)
		out->recipe = name;
}

static int missing(const struct search *s, struct arena *a, const char *have, struct err *err)
{
	struct toolchain_lack lack = {
		.what = arena_printf(a, "Python %s%s for %s", s->ask->version,
				     hint_of(s->ask->version), s->arch),
		.have = *have ? arena_strdup(a, have) : " none",
	};

	find_recipe(s, a, &lack);
	if (s->ask->lack)
		*s->ask->lack = lack;
	return err_fail(err, ERR_SYSTEM, "no toolchain for %s; there are:%s. %s%s%s", lack.what,
			lack.have,
			lack.recipe ? "Build one: `stepcell image build " : "It cannot be built: ",
			lack.recipe ? lack.recipe : lack.why, lack.recipe ? "`" : "");
}

int image_toolchain(struct store *store, struct arena *a, const struct image *current,
		    const struct toolchain_ask *ask, struct toolchain_match *out, struct err *err)
{
	auto_strbuf struct strbuf have = STRBUF(4096);
	struct search s = {.match.lock = -1};

	if (search_open(ask, &s, err) < 0)
		return -1;
	if (ask->say)
		strbuf_addf(ask->say, "%s is the range '%s', for %s\n", ask->version, s.spec.range,
			    s.arch);
	search_current(&s, current);
	if (s.found && !ask->latest) {
		*out = s.match;
		return 0;
	}
	list_all(&have, current);
	if (search_store(&s, store, a, &have, err) < 0) {
		fd_close(&s.match.lock);
		return -1;
	}
	if (!s.found)
		return missing(&s, a, have.text, err);
	*out = s.match;
	return 0;
}
