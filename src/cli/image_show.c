/* stepcell image list and show: what is in the store, and what is known of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/image.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"

/* ---- as JSON ---- */

static const struct node *places_node(struct arena *a, const struct image_mount *mount)
{
	struct node *list = node_list(a);

	for (size_t i = 0; i < mount->layer_count; i++)
		node_add(a, list, node_string(a, mount->layers[i].path));
	return list;
}

static const struct node *mounts_node(struct arena *a, const struct image *image)
{
	struct node *list = node_list(a);

	for (size_t i = 0; i < image->mount_count; i++) {
		struct node *map = node_map(a);

		node_set_text(a, map, "at", image->mounts[i].at);
		node_set(a, map, "layers", places_node(a, &image->mounts[i]));
		node_add(a, list, map);
	}
	return list;
}

static const struct node *toolchains_node(struct arena *a, const struct image *image)
{
	struct node *list = node_list(a);

	for (size_t i = 0; i < image->toolchain_count; i++) {
		struct node *map = node_map(a);

		node_set_text(a, map, "version", image->toolchains[i].version);
		node_set_text(a, map, "path", image->toolchains[i].path);
		node_add(a, list, map);
	}
	return list;
}

static const struct node *layers_node(struct arena *a, const struct image *image)
{
	struct node *list = node_list(a);

	for (size_t i = 0; i < image->tree_count; i++) {
		const struct image_tree *tree = &image->trees[i];
		struct node *map = node_map(a);

		node_set_text(a, map, "tree", arena_printf(a, "sha256:%s", tree->digest.hex));
		node_set(a, map, "bytes", node_number(a, (double)tree->bytes));
		node_set(a, map, "entries", node_number(a, (double)tree->entries));
		node_add(a, list, map);
	}
	return list;
}

static const struct node *text_or_null(struct arena *a, const char *text)
{
	return text && *text ? node_string(a, text) : node_null();
}

static struct node *image_node(struct arena *a, const struct image *image,
			       const struct image_details *details)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "name", image->name);
	node_set_text(a, map, "digest", arena_printf(a, "sha256:%s", image->digest.hex));
	node_set_text(a, map, "created", image->created);
	node_set(a, map, "used", text_or_null(a, details->used));
	node_set(a, map, "origin", text_or_null(a, details->origin));
	node_set(a, map, "problem", text_or_null(a, image->problem));
	node_set(a, map, "bytes", node_number(a, (double)image->bytes));
	node_set(a, map, "layers", layers_node(a, image));
	node_set(a, map, "toolchains", toolchains_node(a, image));
	node_set(a, map, "env", image->env);
	if (image->config)
		node_set(a, map, "config", image->config);
	if (image->source.hex[0])
		node_set_text(a, map, "source", arena_printf(a, "sha256:%s", image->source.hex));
	node_set(a, map, "mounts", mounts_node(a, image));
	return map;
}

static const struct node *packages_node(struct arena *a, const struct image_package *packages,
					size_t count)
{
	struct node *list = node_list(a);

	for (size_t i = 0; i < count; i++) {
		struct node *map = node_map(a);

		node_set_text(a, map, "kind", packages[i].kind);
		node_set_text(a, map, "name", packages[i].name);
		node_set_text(a, map, "version", packages[i].version);
		node_add(a, list, map);
	}
	return list;
}

/* ---- as text ---- */

static double mib(uint64_t bytes)
{
	return (double)bytes / (double)MIB;
}

/* What an image says of itself is not for the terminal to act on. */
static void print_said(const char *what, const char *name, const char *between, const char *value)
{
	auto_strbuf struct strbuf text = STRBUF(MIB);

	strbuf_add_visible(&text, name, strlen(name));
	strbuf_adds(&text, between);
	strbuf_add_visible(&text, value, strlen(value));
	(void)printf("%-8s %s\n", what, text.text);
}

static void print_row(const struct image *image, const struct image_details *details)
{
	(void)printf("%-20s %.12s  ", image->name, *image->digest.hex ? image->digest.hex : "-");
	if (image->problem) {
		(void)printf("cannot be used: %s\n", image->problem);
		return;
	}
	(void)printf("%s  used %-20s  %7.1f MiB  ", image->created,
		     details->used ? details->used : "never", mib(image->bytes));
	for (size_t i = 0; i < image->toolchain_count; i++)
		(void)printf("%s%s", i ? ", " : "python ", image->toolchains[i].version);
	(void)putchar('\n');
}

static void print_layers(const struct image *image)
{
	for (size_t i = 0; i < image->mount_count; i++) {
		const struct image_mount *mount = &image->mounts[i];

		for (size_t l = 0; l < mount->layer_count; l++) {
			(void)printf("layer    %s  %s", mount->at, mount->layers[l].path);
			if (l < image->tree_count)
				(void)printf("  %.1f MiB, %" PRIu64 " entries",
					     mib(image->trees[l].bytes), image->trees[l].entries);
			(void)putchar('\n');
		}
	}
}

/* How an image of another engine wants to be run, a line a word of it. */
static void print_config(const struct image *image)
{
	if (image->source.hex[0])
		(void)printf("source   sha256:%s\n", image->source.hex);
	for (size_t i = 0; image->config && i < image->config->count; i++) {
		auto_strbuf struct strbuf value = STRBUF(MIB);

		json_write(&value, image->config->pairs[i].value);
		print_said("config", image->config->pairs[i].key->text, " ", value.text);
	}
}

static void print_image(const struct image *image, const struct image_details *details)
{
	(void)printf("name     %s\ndigest   sha256:%s\ncreated  %s\nused     %s\n", image->name,
		     image->digest.hex, image->created, details->used ? details->used : "never");
	if (details->origin[0])
		print_said("origin", details->origin, "", "");
	(void)printf("bytes    %" PRIu64 "\n", image->bytes);
	for (size_t i = 0; i < image->toolchain_count; i++)
		print_said("python", image->toolchains[i].version, "  ", image->toolchains[i].path);
	print_layers(image);
	for (size_t i = 0; i < image->env->count; i++)
		print_said("env", image->env->pairs[i].key->text, "=",
			   node_text(image->env->pairs[i].value));
}

static void print_packages(const struct image_package *packages, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		auto_strbuf struct strbuf name = STRBUF(MIB);

		strbuf_addf(&name, "%s %s", packages[i].kind, packages[i].name);
		print_said("package", name.text, " ", packages[i].version);
	}
}

/* ---- the commands ---- */

int image_cmd_list(struct session *s, struct err *err)
{
	struct node *list = node_list(s->arena);
	struct image *images;
	size_t count;

	if (image_list(s->store, s->arena, &images, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct image_details details;

		image_describe(s->store, s->arena, &images[i], &details);
		if (image_options(s)->json)
			node_add(s->arena, list, image_node(s->arena, &images[i], &details));
		else
			print_row(&images[i], &details);
		image_release(&images[i]);
	}
	if (image_options(s)->json)
		print_json(list);
	return 0;
}

static int show(struct session *s, const struct image *image, struct err *err)
{
	struct image_package *packages;
	struct image_details details;
	size_t count;

	image_describe(s->store, s->arena, image, &details);
	if (image_packages(s->store, s->arena, image, &packages, &count, err) < 0)
		return -1;
	if (image_options(s)->json) {
		struct node *map = image_node(s->arena, image, &details);

		node_set(s->arena, map, "packages", packages_node(s->arena, packages, count));
		print_json(map);
		return 0;
	}
	print_image(image, &details);
	print_config(image);
	print_packages(packages, count);
	return 0;
}

int image_cmd_show(struct session *s, struct err *err)
{
	struct image image;
	int r;

	if (image_find(s->store, s->arena, s->words[0], &image, err) < 0)
		return -1;
	r = show(s, &image, err);
	image_release(&image);
	return r;
}

int image_cmd_sbom(struct session *s, struct err *err)
{
	struct image_package *packages;
	struct image image;
	size_t count;
	int r;

	if (image_find(s->store, s->arena, s->words[0], &image, err) < 0)
		return -1;
	r = image_packages(s->store, s->arena, &image, &packages, &count, err);
	image_release(&image);
	if (r == 0)
		print_json(image_sbom(s->arena, &image, packages, count));
	return r;
}
