/* stepcell image verify, prune and lock: is what is there what it was, what may go, what must be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/image.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"

/* ---- verify ---- */

static const struct node *finding_node(struct arena *a, const struct image_finding *found)
{
	struct node *map = node_map(a), *changes = node_list(a);

	for (size_t i = 0; i < found->change_count; i++)
		node_add(a, changes, node_string(a, found->changes[i]));
	node_set_text(a, map, "tree", arena_printf(a, "sha256:%s", found->tree.hex));
	node_set(a, map, "whole", node_bool(!found->change_count));
	node_set(a, map, "changes", changes);
	node_set(a, map, "aside", found->aside ? node_string(a, found->aside) : node_null());
	node_set(a, map, "bytes", node_number(a, (double)found->bytes));
	node_set(a, map, "entries", node_number(a, (double)found->entries));
	node_set(a, map, "seconds", node_number(a, found->seconds));
	return map;
}

static void print_finding(const struct image_finding *found)
{
	const double mib = (double)found->bytes / (double)MIB;

	(void)printf("  layer %.12s  %s: %" PRIu64 " entries, %.1f MiB in %.2f s, %.0f MiB/s\n",
		     found->tree.hex, found->change_count ? "CHANGED" : "whole", found->entries,
		     mib, found->seconds, found->seconds > 0 ? mib / found->seconds : 0);
	for (size_t i = 0; i < found->change_count; i++)
		(void)printf("    %s\n", found->changes[i]);
	if (found->aside)
		(void)printf("    set aside as %s\n", found->aside);
}

/* 1 when something was changed. */
static int verify_one(struct session *s, const struct image *image, struct node *list,
		      struct err *err)
{
	struct node *map = node_map(s->arena), *layers = node_list(s->arena);
	struct image_finding *found;
	size_t count;
	int changed = 0;

	if (image_verify(s->store, s->arena, image, &found, &count, err) < 0)
		return -1;
	if (!image_options(s)->json)
		(void)printf("%s  sha256:%.12s\n", image->name, image->digest.hex);
	for (size_t i = 0; i < count; i++) {
		changed |= found[i].change_count > 0;
		node_add(s->arena, layers, finding_node(s->arena, &found[i]));
		if (!image_options(s)->json)
			print_finding(&found[i]);
	}
	node_set_text(s->arena, map, "name", image->name);
	node_set_text(s->arena, map, "digest",
		      arena_printf(s->arena, "sha256:%s", image->digest.hex));
	node_set(s->arena, map, "layers", layers);
	node_add(s->arena, list, map);
	return changed;
}

static int verify_named(struct session *s, struct node *list, struct err *err)
{
	struct image image;
	int r;

	if (image_find(s->store, s->arena, s->words[0], &image, err) < 0)
		return -1;
	r = verify_one(s, &image, list, err);
	image_release(&image);
	return r;
}

/* Its files are not there, or its manifest is not: nothing to read, and nothing that is whole. */
static int tell_problem(struct session *s, const struct image *image, struct node *list)
{
	struct node *map = node_map(s->arena);

	node_set_text(s->arena, map, "name", image->name);
	node_set_text(s->arena, map, "problem", image->problem);
	node_add(s->arena, list, map);
	if (!image_options(s)->json)
		(void)printf("%s  %s\n", image->name, image->problem);
	return 1;
}

/* A tree that two images share is read twice: each says of itself whether it can be used. */
static int verify_all(struct session *s, struct node *list, struct err *err)
{
	struct image *images;
	size_t count;
	int r = 0;

	if (image_list(s->store, s->arena, &images, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		int one = 0;

		if (r >= 0)
			one = images[i].problem ? tell_problem(s, &images[i], list)
						: verify_one(s, &images[i], list, err);
		image_release(&images[i]);
		r = one < 0 ? -1 : r | one;
	}
	return r;
}

int image_cmd_verify(struct session *s, struct err *err)
{
	struct node *list = node_list(s->arena);
	const bool all = image_options(s)->all;
	int r;

	if (all == (s->words[0] != NULL))
		return err_fail(err, ERR_USAGE, "name one image, or say --all");
	r = all ? verify_all(s, list, err) : verify_named(s, list, err);
	if (r >= 0 && image_options(s)->json)
		print_json(list);
	return r;
}

/* ---- prune ---- */

static int prune_options(struct session *s, struct prune_options *out, struct err *err)
{
	const struct image_options *o = image_options(s);
	uint64_t ms = 0;

	*out = (struct prune_options){.now = time(NULL),
				      .budget = o->keep != NULL,
				      .quarantine = o->quarantine,
				      .dry_run = o->dry_run};
	if (o->keep && parse_size(o->keep, &out->keep_bytes) < 0)
		return err_fail(err, ERR_USAGE, "--keep: '%s' is no size such as 10GiB", o->keep);
	if (o->unused && (parse_duration(o->unused, &ms) < 0 || ms < 1000))
		return err_fail(err, ERR_USAGE, "--unused-for: '%s' is no time such as 30d or 12h",
				o->unused);
	out->unused_s = ms / 1000;
	return 0;
}

static void print_pruned(struct session *s, const struct pruned *pruned)
{
	const bool dry = image_options(s)->dry_run;

	for (size_t i = 0; i < pruned->count; i++) {
		const struct pruned_item *item = &pruned->list[i];

		(void)printf("%-6s %s  %s", item->kind, item->name, item->why);
		if (item->bytes)
			(void)printf("  %.1f MiB", (double)item->bytes / (double)MIB);
		(void)putchar('\n');
	}
	(void)printf("%s %.1f MiB; what stays has %.1f MiB", dry ? "would free" : "freed",
		     (double)pruned->bytes / (double)MIB, (double)pruned->kept_bytes / (double)MIB);
	if (pruned->in_use)
		(void)printf("; %zu in use", pruned->in_use);
	(void)putchar('\n');
}

static const struct node *pruned_node(struct session *s, const struct pruned *pruned)
{
	struct arena *a = s->arena;
	struct node *map = node_map(a), *list = node_list(a);

	for (size_t i = 0; i < pruned->count; i++) {
		struct node *item = node_map(a);

		node_set_text(a, item, "kind", pruned->list[i].kind);
		node_set_text(a, item, "name", pruned->list[i].name);
		node_set_text(a, item, "why", pruned->list[i].why);
		node_set(a, item, "bytes", node_number(a, (double)pruned->list[i].bytes));
		node_add(a, list, item);
	}
	node_set(a, map, "dry_run", node_bool(image_options(s)->dry_run));
	node_set(a, map, "gone", list);
	node_set(a, map, "bytes", node_number(a, (double)pruned->bytes));
	node_set(a, map, "kept_bytes", node_number(a, (double)pruned->kept_bytes));
	node_set(a, map, "in_use", node_number(a, (double)pruned->in_use));
	return map;
}

int image_cmd_prune(struct session *s, struct err *err)
{
	struct prune_options options;
	struct pruned pruned;

	if (prune_options(s, &options, err) < 0 ||
	    image_prune(s->store, s->arena, &options, &pruned, err) < 0)
		return -1;
	if (image_options(s)->json)
		print_json(pruned_node(s, &pruned));
	else
		print_pruned(s, &pruned);
	return 0;
}

/* ---- rm ---- */

/* One whose files are not there can go too: by its name alone. */
static int find_to_remove(struct session *s, const char *word, const struct image *images,
			  size_t count, struct digest *out, struct err *err)
{
	struct image image;

	if (strcmp(word, "host") == 0)
		return err_fail(err, ERR_USAGE, "the image 'host' is this machine's");
	for (size_t i = 0; i < count; i++)
		if (images[i].problem && strcmp(images[i].name, word) == 0 &&
		    images[i].digest.hex[0]) {
			*out = images[i].digest;
			return 0;
		}
	if (image_find(s->store, s->arena, word, &image, err) < 0)
		return -1;
	*out = image.digest;
	image_release(&image);
	return 0;
}

static int find_all_to_remove(struct session *s, struct digest *out, size_t *n, struct err *err)
{
	struct image *images;
	size_t count;
	int r = 0;

	if (image_list(s->store, s->arena, &images, &count, err) < 0)
		return -1;
	for (char **word = s->words; r == 0 && *word; word++)
		r = find_to_remove(s, *word, images, count, &out[(*n)++], err);
	/* who goes must be nobody's */
	for (size_t i = 0; i < count; i++)
		image_release(&images[i]);
	return r;
}

int image_cmd_rm(struct session *s, struct err *err)
{
	struct digest digests[IMAGE_WORDS];
	struct prune_options options = {.now = time(NULL), .images = digests};
	struct pruned pruned;

	if (find_all_to_remove(s, digests, &options.image_count, err) < 0 ||
	    image_prune(s->store, s->arena, &options, &pruned, err) < 0)
		return -1;
	print_pruned(s, &pruned);
	return pruned.in_use ? err_fail(err, ERR_SYSTEM,
					"what a run uses stays: try again when it has ended")
			     : 0;
}

/* ---- lock ---- */

/* What can be done again anywhere: a file of this machine is none of it. */
static bool is_portable(const char *origin)
{
	return strncmp(origin, "build ", 6) == 0 || strncmp(origin, "pull ", 5) == 0;
}

static void print_locked(struct session *s, const struct image *image)
{
	auto_strbuf struct strbuf origin = STRBUF(LIMIT_JSON_BYTES);
	struct image_details details;

	image_describe(s->store, s->arena, image, &details);
	(void)printf("  \"%s\":\n    digest: sha256:%s\n", image->name, image->digest.hex);
	if (!is_portable(details.origin))
		return;
	json_write(&origin, node_string(s->arena, details.origin));
	(void)printf("    origin: %s\n", origin.text);
}

/* The names that the store has for what was asked for; what is asked for must be there. */
static int find_wanted(struct session *s, const char **out, struct err *err)
{
	for (char **word = s->words; *word; word++) {
		struct image image;

		if (strcmp(*word, "host") == 0)
			return err_fail(err, ERR_SYSTEM, "there is no image 'host' to lock");
		if (image_find(s->store, s->arena, *word, &image, err) < 0)
			return -1;
		*out++ = image.name;
		image_release(&image);
	}
	return 0;
}

static bool is_wanted(const char *const *wanted, const struct image *image)
{
	bool all = !*wanted;

	for (; *wanted; wanted++)
		if (strcmp(*wanted, image->name) == 0)
			return true;
	return all;
}

int image_cmd_lock(struct session *s, struct err *err)
{
	const char *wanted[IMAGE_WORDS + 1] = {NULL};
	struct image *images;
	size_t count, locked = 0;

	if (find_wanted(s, wanted, err) < 0 ||
	    image_list(s->store, s->arena, &images, &count, err) < 0)
		return -1;
	(void)puts("# Which images a run may use; made by 'stepcell image lock'.\nimages:");
	for (size_t i = 0; i < count; i++) {
		if (!images[i].problem && is_wanted(wanted, &images[i])) {
			print_locked(s, &images[i]);
			locked++;
		}
		image_release(&images[i]);
	}
	if (!locked)
		(void)puts("  {}");
	return 0;
}
