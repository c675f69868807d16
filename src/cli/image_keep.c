/* stepcell image verify: whether what is in the store is what it was. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/image.h"
#include "stepcell/limits.h"

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

/* A tree that two images share is read twice: each says of itself whether it can be used. */
static int verify_all(struct session *s, struct node *list, struct err *err)
{
	struct image *images;
	size_t count;
	int r = 0;

	if (image_list(s->store, s->arena, &images, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count && r >= 0; i++) {
		int one = images[i].problem ? 1 : verify_one(s, &images[i], list, err);

		if (images[i].problem)
			(void)fprintf(stderr, "%s\n", images[i].problem);
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
