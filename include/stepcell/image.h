/*
 * image: a reference or a recipe to a verified root file system in the store.
 *
 * An image is one or two layers: a base, flattened to one tree, and for a
 * toolchain taken from a prefix the tree that goes on top of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "stepcell/cell.h"
#include "stepcell/digest.h"
#include "stepcell/node.h"
#include "stepcell/strbuf.h"

struct store;

/* `home` is the state home; the store is its folder store/, made when missing; sweeps stale
 * staging. */
int store_open(const char *home, struct store **out, struct err *err);
void store_close(struct store **store);

/* A Python that an image carries. */
struct toolchain {
	const char *version; /* "3.10.13" */
	const char *path;    /* inside: /opt/hostedtoolcache/Python/3.10.13/x64 */
	const char *image;   /* the image's name */
};

/* A place of the root and what lies there: usually just "/". */
struct image_mount {
	const char *at;
	struct cell_layer *layers; /* top first */
	size_t layer_count;
};

/* What the store keeps of a layer. */
struct image_tree {
	struct digest digest;
	uint64_t bytes, entries;
};

struct image {
	const char *name;     /* "python-3.11", "host", "registry.example.com/team/db:15" */
	struct digest digest; /* of the manifest; all layers follow from it */
	struct image_mount *mounts;
	size_t mount_count;
	const struct image_tree
		*trees; /* where the layers' files come from, top first; "host": none */
	size_t tree_count;
	const struct node
		*env; /* map: what a step's environment starts with (PATH, PIP_FIND_LINKS, ...) */
	/*
	 * How an OCI image wants to be run, as it says itself: a map of what it has of
	 * Entrypoint, Cmd, Env (lists of strings), User, WorkingDir, StopSignal (strings),
	 * ExposedPorts, Volumes (maps to empty maps) and Healthcheck (Test, Interval,
	 * Timeout, StartPeriod, StartInterval in nanoseconds, Retries). NULL for other images.
	 */
	const struct node *config;
	struct digest source; /* of the OCI manifest that it was made from; "" of other images */
	struct toolchain *toolchains;
	size_t toolchain_count;
	uint64_t bytes;
	const char *created; /* RFC 3339 */
	const char *problem; /* of one in a list that cannot be used: why; else NULL */
	int lock;            /* shared: held while a run uses the image */
};

/*
 * Find an image, by
 *
 *	a name            "python-3.11", "postgres:15", "registry.example.com/team/db:15";
 *	                  one without a tag is also NAME:latest
 *	NAME@sha256:HEX   the one that was made here from the OCI manifest, or the index, that
 *	                  hashes so; a tag before the '@' says nothing
 *	sha256:HEX        the store's own digest
 *	host              the host's /usr, nothing to build
 *
 * The arena owns it; image_release() drops the lock. Where there is none of that
 * name `err->sys` is ENOENT.
 */
int image_find(struct store *store, struct arena *a, const char *ref, struct image *out,
	       struct err *err);
void image_release(struct image *image);

/* After a cell_start(): where it failed for what its root has, say which image that is. Returns -1. */
int image_blame(const char *name, struct err *err);

/* The words that put an image of that name there: "`stepcell image pull REF` takes ..." */
const char *image_advice(struct arena *a, const char *ref);

/* Has its root this file? By an absolute path whose folders are no links. */
bool image_has(const struct image *image, const char *path);

/*
 * Every image of the store, for list and for error messages: also those whose
 * files are not there (`problem`), which have a name and perhaps a digest.
 */
int image_list(struct store *store, struct arena *a, struct image **out, size_t *count,
	       struct err *err);

/* ---- keeping: what is there, whether it is whole, what may go ---- */

/*
 * Before a run uses an image: a sample of its files must look as it did when
 * they were published (well below a millisecond), or all of them are read.
 * Changed files are ERR_SYSTEM, named, with what brings the image back; they
 * have been set aside. Also notes that the image was used.
 */
int image_use(struct store *store, const struct digest *image, const struct image_tree *trees,
	      size_t count, struct err *err);

/* What a full verification says of one tree. */
struct image_finding {
	struct digest tree;
	const char **changes; /* "changed PATH", "missing PATH", "new PATH"; none: it is whole */
	size_t change_count;
	const char *aside; /* where a changed one lies now; NULL when somebody else was first */
	uint64_t bytes, entries;
	double seconds;
};

/* Read every file of an image; a finding a layer. The arena owns them. */
int image_verify(struct store *store, struct arena *a, const struct image *image,
		 struct image_finding **out, size_t *count, struct err *err);

/*
 * Let go of images that no name means, of those that were not used for some time,
 * and of the ones used longest ago until the others are within a budget; then of
 * every tree and blob that no image refers to. What is in use stays.
 */
struct prune_options {
	time_t now;
	uint64_t unused_s;           /* not used for so long; 0: whenever */
	bool budget;                 /* keep_bytes counts */
	uint64_t keep_bytes;         /* of the files of what stays */
	bool quarantine;             /* also what was set aside */
	bool dry_run;                /* only say what would go */
	const struct digest *images; /* these alone, whatever the options above say of images */
	size_t image_count;
};
struct pruned_item {
	const char *kind; /* "image", "name", "tree", "aside", "download" */
	const char *name, *why;
	uint64_t bytes; /* on disk */
};
struct pruned {
	struct pruned_item *list;
	size_t count, in_use; /* how many would have gone, and are in use */
	uint64_t bytes, kept_bytes;
};
int image_prune(struct store *store, struct arena *a, const struct prune_options *options,
		struct pruned *out, struct err *err);

/* What is known of an image besides. */
struct image_package {
	const char *kind; /* "debian", "python" */
	const char *name, *version;
};
struct image_details {
	const char *origin; /* what made it: "build NAME", words of `stepcell image`; "" */
	const char *used;   /* RFC 3339; NULL: never */
};
void image_describe(struct store *store, struct arena *a, const struct image *image,
		    struct image_details *out);

/* The packages in an image's layers, by kind and name, as a worker reads them from its files. */
int image_packages(struct store *store, struct arena *a, const struct image *image,
		   struct image_package **out, size_t *count, struct err *err);

/* Them as a document of SPDX 2.3. The same image of the same store gives the same. */
const struct node *image_sbom(struct arena *a, const struct image *image,
			      const struct image_package *packages, size_t count);

/*
 * The image that carries a Python for a version as setup-python takes it: what
 * `current` carries if anything of it will do, else what the store has; the
 * highest of either. Not found is ERR_SYSTEM and says what was asked, what exists
 * and the command that builds one.
 * `layers` (top first) go on top of a job's root as it is.
 */
struct toolchain_ask {
	const char *version; /* "3.10", "3.x", "3.11.2", ">=3.8 <3.12", "3.13t", "3.14-dev" */
	const char *arch;    /* "x64", "arm64"; NULL or "": this machine's */
	bool prereleases;    /* X.Y is also what comes before X.Y.0 */
	bool freethreaded;
	bool latest;        /* the highest of both, not what `current` has first */
	struct strbuf *say; /* gets the order of the search, line by line; NULL: nothing */
	/* when nothing is found: the data home whose recipes are named, NULL: as usual; */
	const char *data;
	struct toolchain_lack *lack; /* and what is filled, NULL: the error is enough */
};
/* For who asks for several, and tells of all that are missing at once. */
struct toolchain_lack {
	const char *what;   /* "Python 3.8 for x64"; NULL: something was found, or went wrong */
	const char *have;   /* " 3.11.2 (python-3.11), 3.12.1 (python-3.12)" or " none" */
	const char *recipe; /* that brings it: "python-3.8"; NULL: none does, and `why` */
	const char *why;
};
struct toolchain_match {
	struct toolchain toolchain;
	struct cell_layer
		*layers; /* the toolchain's own; none when the job's image carries it itself */
	size_t layer_count;
	const struct node *env;
	struct digest image; /* that the layers come from */
	const struct image_tree *trees;
	int lock;
};
int image_toolchain(struct store *store, struct arena *a, const struct image *current,
		    const struct toolchain_ask *ask, struct toolchain_match *out, struct err *err);

/* This machine as the tool cache calls it: "x64", "arm64". */
const char *image_machine(void);

/*
 * Build a recipe: NAME of DATA/rootfs/NAME.yml, or a path with a '/'. A prefix's
 * base is built first when it is missing or its recipe changed. When an image of
 * the same inputs exists, that is the result.
 */
struct build_options {
	const char *data;   /* the data home */
	const char *source; /* of a prefix: instead of the recipe's */
	const char *name;   /* of the image; NULL: the recipe's */
	bool network;       /* granted to commands of recipes that ask for one */
	bool force;         /* even when an image of the same inputs exists */
	FILE *progress;     /* gets lines of talk; NULL: none */
};
int image_build(struct store *store, const char *recipe, const struct build_options *options,
		struct digest *out, struct err *err);

/*
 * One tar.zst with the manifest and the files of every layer. Whoever imports it
 * hashes each file anew: what does not match the digests is refused, and nothing
 * of it is kept.
 */
int image_export(struct store *store, const char *ref, int fd, struct err *err);

/* Where an image comes from; told apart by what is in it, or as the caller says. */
struct import_options {
	const char *path; /* a file or a folder; NULL: read `fd` */
	int fd;
	const char *as;       /* one of image_formats; NULL: by content */
	const char *name;     /* in the store; NULL: its own, without a registry, or the file's */
	const char *ref;      /* of several images in it: this one */
	const char *platform; /* "linux/arm64"; NULL: this machine's */
	const char *data;     /* the data home, whose recipes know what goes with a CPython */
	bool replace;         /* the name may mean another image until now */
	bool toolchains;      /* of an exported image: those it has are for other roots too */
	FILE *progress;       /* gets lines of talk; NULL: none */
};
/*
 * "export" as image_export() writes, "oci" a layout (a folder or a tar of one),
 * "docker" what `docker save` writes, "tar" the files of a root, "prefix" the
 * folder of an installed CPython. NULL-ended.
 */
extern const char *const image_formats[];
int image_import(struct store *store, const struct import_options *options, struct digest *out,
		 struct err *err);

/*
 * An image from a registry, by HOST/NAME[:TAG][@sha256:DIGEST]. Where from, and
 * whom to show which login, config.yml and the caller's files of logins say. What
 * is here already is not fetched again.
 */
struct pull_options {
	const char *name;      /* in the store; NULL: the reference in its full form */
	const char *platform;  /* "linux/arm64"; NULL: this machine's */
	const char *auth_file; /* the one file of logins; NULL: the usual ones */
	bool replace;          /* the name may mean another image until now */
	FILE *progress;        /* gets lines of talk; NULL: none */
	bool live;             /* it is a terminal */
};
int image_pull(struct store *store, const char *ref, const struct pull_options *options,
	       struct digest *out, struct err *err);

/* ---- actions: trees that workflows use by the name OWNER/REPO@REF ---- */

struct stored_action {
	const char *repository, *ref; /* "owner/repo" as it was added, "v4" */
	const char *commit;           /* 40 digits; "" when its source had none */
	struct digest tree;
	const char *root; /* the files on this host, absolute; nobody changes them */
	uint64_t bytes, entries;
	const char *added; /* RFC 3339 */
	int lock;          /* shared: held while the tree is in use */
};

/*
 * Where the files of an action come from: a folder, or a tar (plain, gzip or
 * zstd) to be read from `tar`. Of a folder everything but a .git at its top is
 * taken; a tar whose only entry is a folder is that folder, as GitHub packs.
 */
struct action_source {
	const char *repository, *ref, *commit;
	const char *path;   /* below the repository: where an action.yml must lie; "" is the top */
	const char *folder; /* absolute; NULL: the tar */
	int tar;
};

/*
 * Put an action's tree into the store, from a worker with nothing to lose. A
 * name that is there already gets the new meaning. The arena owns the result.
 */
int action_store_add(struct store *store, struct arena *a, const struct action_source *source,
		     struct stored_action *out, struct err *err);

/* 1 with the action, 0 when there is none of that name, -1. Owner and repository have no case. */
int action_store_find(struct store *store, struct arena *a, const char *repository, const char *ref,
		      struct stored_action *out, struct err *err);
void action_store_release(struct stored_action *action);

/* All of them, by name; none is locked. */
int action_store_list(struct store *store, struct arena *a, struct stored_action **out,
		      size_t *count, struct err *err);

/* 1 when it is gone, 0 when it was not there, -1: a run that uses it is an error. */
int action_store_remove(struct store *store, const char *repository, const char *ref,
			struct err *err);
