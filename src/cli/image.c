/* stepcell image: what is in the store, and how it gets there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/image.h"
#include "cli/store.h"
#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/image.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* ---- the subcommands ---- */

/* "python 3.10" or "3.10" */
static const char *version_of_words(struct session *s)
{
	const char *first = s->words[0], *second = s->words[1];

	if (second && strcmp(first, "python") == 0)
		return second;
	return strncmp(first, "python ", 7) == 0 ? first + 7 : first;
}

/* The order of the search is talk, what was found is the answer. */
static int image_cmd_resolve(struct session *s, struct err *err)
{
	const struct image_options *o = image_options(s);
	auto_strbuf struct strbuf order = STRBUF(64 * KIB);
	char data[PATH_MAX];
	const struct toolchain_ask ask = {
		.version = version_of_words(s),
		.arch = o->arch,
		.prereleases = o->prereleases,
		.freethreaded = o->freethreaded,
		.latest = o->latest,
		.say = &order,
		.data = data,
	};
	struct toolchain_match match;
	struct image image = {.lock = -1};
	int r;

	if (data_home(data, sizeof(data), err) < 0)
		return -1;
	if (s->words[1] && strcmp(s->words[0], "python") != 0)
		return err_fail(err, ERR_USAGE, "'%s' is no toolchain: python", s->words[0]);
	if (o->on && image_find(s->store, s->arena, o->on, &image, err) < 0)
		return -1;
	r = image_toolchain(s->store, s->arena, o->on ? &image : NULL, &ask, &match, err);
	image_release(&image);
	(void)fputs(order.text, stderr);
	if (r < 0)
		return -1;
	fd_close(&match.lock);
	(void)printf("%s  %s  %s\n", match.toolchain.version, match.toolchain.image,
		     match.toolchain.path);
	return 0;
}

static int image_cmd_build(struct session *s, struct err *err)
{
	char data[PATH_MAX];
	struct build_options options = {
		.source = image_options(s)->source,
		.network = image_options(s)->network,
		.force = image_options(s)->force,
		.progress = image_options(s)->quiet ? NULL : stderr,
	};
	struct digest digest;

	if (data_home(data, sizeof(data), err) < 0)
		return -1;
	options.data = data;
	if (image_build(s->store, s->words[0], &options, &digest, err) < 0)
		return -1;
	(void)printf("sha256:%s\n", digest.hex);
	return 0;
}

static int image_cmd_export(struct session *s, struct err *err)
{
	auto_fd int file = -1;

	if (image_options(s)->out) {
		file = open(image_options(s)->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (file < 0)
			return err_sys(err, "cannot create '%s'", image_options(s)->out);
	} else if (isatty(STDOUT_FILENO)) {
		return err_fail(err, ERR_USAGE,
				"an image is nothing for a terminal: give -o FILE or redirect it");
	}
	return image_export(s->store, s->words[0], file >= 0 ? file : STDOUT_FILENO, err);
}

static int image_cmd_import(struct session *s, struct err *err)
{
	const struct image_options *o = image_options(s);
	char data[PATH_MAX];
	struct import_options options = {
		.path = s->words[0],
		.fd = STDIN_FILENO,
		.as = o->as,
		.name = o->name,
		.ref = o->ref,
		.platform = o->platform,
		.data = data,
		.replace = o->replace,
		.toolchains = o->toolchains,
		.progress = o->quiet ? NULL : stderr,
	};
	struct digest digest;

	if (data_home(data, sizeof(data), err) < 0)
		return -1;
	if (!options.path && isatty(STDIN_FILENO))
		return err_fail(err, ERR_USAGE, "name the file to import, or redirect it");
	if (image_import(s->store, &options, &digest, err) < 0)
		return -1;
	(void)printf("sha256:%s\n", digest.hex);
	return 0;
}

static const struct option_row export_rows[] = {
	{'o', "output", "FILE", opt_text, offsetof(struct image_options, out),
	 "write there instead of standard output"},
};

static const struct option_row import_rows[] = {
	{0, "as", "FORMAT", opt_text, offsetof(struct image_options, as),
	 "export, oci, docker, tar or prefix, instead of what it looks like"},
	{0, "name", "NAME", opt_text, offsetof(struct image_options, name),
	 "what the store calls it, instead of what it calls itself"},
	{0, "ref", "REF", opt_text, offsetof(struct image_options, ref),
	 "of several images in it: this one"},
	{0, "platform", "OS/ARCH", opt_text, offsetof(struct image_options, platform),
	 "for this machine instead of the one that runs it"},
	{'q', "quiet", NULL, opt_flag, offsetof(struct image_options, quiet), "no progress"},
	{0, "replace", NULL, opt_flag, offsetof(struct image_options, replace),
	 "also when its name means another image here"},
	{0, "toolchains", NULL, opt_flag, offsetof(struct image_options, toolchains),
	 "setup-python may put the Pythons of this exported image on top of other roots"},
};

static const struct option_row build_rows[] = {
	{0, "source", "DIR", opt_text, offsetof(struct image_options, source),
	 "the installation that a prefix recipe takes, instead of the one it would find"},
	{0, "allow-network", NULL, opt_flag, offsetof(struct image_options, network),
	 "commands of a recipe that asks for a network get the caller's"},
	{0, "force", NULL, opt_flag, offsetof(struct image_options, force),
	 "build although nothing changed since the last time"},
	{'q', "quiet", NULL, opt_flag, offsetof(struct image_options, quiet), "no progress"},
};

static const struct option_row pull_rows[] = {
	{0, "name", "NAME", opt_text, offsetof(struct image_options, name),
	 "what the store calls it, instead of HOST/NAME:TAG"},
	{0, "platform", "OS/ARCH", opt_text, offsetof(struct image_options, platform),
	 "of an image that has several: this one instead of this machine's"},
	{0, "auth-file", "FILE", opt_text, offsetof(struct image_options, auth_file),
	 "the one file of logins, instead of the usual ones"},
	{0, "replace", NULL, opt_flag, offsetof(struct image_options, replace),
	 "also when its name means another image here"},
	{'q', "quiet", NULL, opt_flag, offsetof(struct image_options, quiet), "no progress"},
};

static const struct option_row json_row[] = {
	{0, "json", NULL, opt_flag, offsetof(struct image_options, json), "print JSON"},
};

static const struct option_row resolve_rows[] = {
	{0, "image", "REF", opt_text, offsetof(struct image_options, on),
	 "the root that it is to work on"},
	{0, "architecture", "ARCH", opt_text, offsetof(struct image_options, arch),
	 "x64 or arm64; this machine's when not said"},
	{0, "allow-prereleases", NULL, opt_flag, offsetof(struct image_options, prereleases),
	 "X.Y is also what comes before X.Y.0"},
	{0, "freethreaded", NULL, opt_flag, offsetof(struct image_options, freethreaded),
	 "without the global lock, as 3.13t"},
	{0, "check-latest", NULL, opt_flag, offsetof(struct image_options, latest),
	 "the highest of all, not the root's own first"},
};

static const struct option_row verify_rows[] = {
	{0, "all", NULL, opt_flag, offsetof(struct image_options, all), "every image of the store"},
	{0, "json", NULL, opt_flag, offsetof(struct image_options, json), "print JSON"},
};

static const struct option_row prune_rows[] = {
	{0, "unused-for", "TIME", opt_text, offsetof(struct image_options, unused),
	 "images that no run has used for so long: 30d, 12h"},
	{0, "keep", "SIZE", opt_text, offsetof(struct image_options, keep),
	 "images used longest ago, until the files of the others are within it: 10GiB"},
	{0, "quarantine", NULL, opt_flag, offsetof(struct image_options, quarantine),
	 "also what was found changed and set aside"},
	{0, "dry-run", NULL, opt_flag, offsetof(struct image_options, dry_run),
	 "only say what would go"},
	{0, "json", NULL, opt_flag, offsetof(struct image_options, json), "print JSON"},
};

static const struct subcommand subcommands[] = {
	{"build",
	 image_cmd_build,
	 1,
	 1,
	 {.synopsis = "stepcell image build [OPTION]... RECIPE",
	  .about = "Builds the image of a recipe: a name in rootfs/, or a path with a slash.",
	  .rows = build_rows,
	  .count = COUNT(build_rows)},
	 "build a recipe of rootfs/"},
	{"export",
	 image_cmd_export,
	 1,
	 1,
	 {.synopsis = "stepcell image export [-o FILE] IMAGE",
	  .about = "Writes an image as one file, for another store.",
	  .rows = export_rows,
	  .count = COUNT(export_rows)},
	 "an image as one file"},
	{"import",
	 image_cmd_import,
	 0,
	 1,
	 {.synopsis = "stepcell image import [--as FORMAT] [--name NAME] [--ref REF] "
		      "[--platform OS/ARCH] [--replace] [--toolchains] [--quiet] [PATH]",
	  .about = "Puts an image into the store, from a file, a folder or standard input: an "
		   "exported image, an OCI layout or archive, a Docker archive, the tar of a root, "
		   "an installed CPython. Whatever has a hash is verified.",
	  .rows = import_rows,
	  .count = COUNT(import_rows)},
	 "an image from a file or folder into the store"},
	{"list",
	 image_cmd_list,
	 0,
	 0,
	 {.synopsis = "stepcell image list [--json]",
	  .about = "Lists the images of the store.",
	  .rows = json_row,
	  .count = COUNT(json_row)},
	 "the images of the store"},
	{"pull",
	 image_cmd_pull,
	 1,
	 1,
	 {.synopsis = "stepcell image pull [OPTION]... HOST/NAME[:TAG][@sha256:DIGEST]",
	  .about = "Puts an image of a registry into the store and prints its digest there; by a "
		   "digest it is\nalways the same image. Mirrors, authorities and where plain HTTP "
		   "is "
		   "allowed: config.yml.",
	  .rows = pull_rows,
	  .count = COUNT(pull_rows)},
	 "an image of a registry into the store"},
	{"show",
	 image_cmd_show,
	 1,
	 1,
	 {.synopsis = "stepcell image show [--json] IMAGE",
	  .about = "Shows an image: a name, NAME@sha256:DIGEST of its registry, sha256:DIGEST of "
		   "this store, or host.",
	  .rows = json_row,
	  .count = COUNT(json_row)},
	 "one image: its layers, toolchains and environment"},
	{"lock",
	 image_cmd_lock,
	 0,
	 IMAGE_WORDS,
	 {.synopsis = "stepcell image lock [IMAGE]... >images.lock",
	  .about = "Prints a lock of the images that are named, or of all: their digests. A run "
		   "with images.lock at the top of its checkout uses no other."},
	 "what to keep as images.lock"},
	{"prune",
	 image_cmd_prune,
	 0,
	 0,
	 {.synopsis = "stepcell image prune [OPTION]...",
	  .about = "Removes images that no name means any more, those that the options choose, and "
		   "what no image refers to. What a run uses stays.",
	  .rows = prune_rows,
	  .count = COUNT(prune_rows)},
	 "what is not used any more"},
	{"rm",
	 image_cmd_rm,
	 1,
	 IMAGE_WORDS,
	 {.synopsis = "stepcell image rm IMAGE...",
	  .about = "Removes images, and the files that no other image has. What a run uses stays."},
	 "images, by what they are called"},
	{"verify",
	 image_cmd_verify,
	 0,
	 1,
	 {.synopsis = "stepcell image verify [--json] --all | IMAGE",
	  .about = "Reads every file of an image and compares it with the image's list; what was "
		   "changed is set aside. Exit 1 when something was.",
	  .rows = verify_rows,
	  .count = COUNT(verify_rows)},
	 "whether an image's files are what they were"},
	{"sbom",
	 image_cmd_sbom,
	 1,
	 1,
	 {.synopsis = "stepcell image sbom IMAGE",
	  .about = "Prints the packages of an image as an SPDX document: Debian's and Python's."},
	 "its packages, as SPDX"},
	{"resolve",
	 image_cmd_resolve,
	 1,
	 2,
	 {.synopsis = "stepcell image resolve [OPTION]... [python] VERSION",
	  .about = "Says which toolchain setup-python would get for a version (3.10, 3.x, "
		   "'>=3.8 <3.12', 3.13t), and where it is looked for.",
	  .rows = resolve_rows,
	  .count = COUNT(resolve_rows)},
	 "which toolchain a Python version means"},
};

int cmd_image(int argc, char **argv, struct err *err)
{
	struct image_options options = {0};

	return store_command(subcommands, COUNT(subcommands), &options, argc, argv, err);
}
