/* sbom: an image's packages as a document of SPDX 2.3. */
#include <string.h>

#include "stepcell/image.h"

/* Bytes that a package URL does not take as they are. */
static void add_encoded(struct strbuf *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789.-_~";

	for (; *text; text++)
		if (strchr(plain, *text))
			strbuf_addc(out, *text);
		else
			strbuf_addf(out, "%%%02X", (unsigned char)*text);
}

/* pkg:deb/debian/git@1%3A2.39.5-0%2Bdeb12u2 or pkg:pypi/mypy-extensions@1.0.0 */
static const char *package_url(struct arena *a, const struct image_package *p)
{
	auto_strbuf struct strbuf url = STRBUF(4096);
	size_t start;
	bool python = strcmp(p->kind, "python") == 0;

	strbuf_adds(&url, python ? "pkg:pypi/" : "pkg:deb/debian/");
	start = url.len;
	add_encoded(&url, p->name);
	for (char *c = url.text + start; python && *c; c++)
		if (*c == '_')
			*c = '-';
		else if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	strbuf_addc(&url, '@');
	add_encoded(&url, p->version);
	return arena_strdup(a, url.text);
}

/* What SPDX wants of every package, and nobody here can say. */
static void add_unknown(struct arena *a, struct node *map)
{
	static const char *const keys[] = {"downloadLocation", "licenseConcluded",
					   "licenseDeclared", "copyrightText"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		node_set_text(a, map, keys[i], "NOASSERTION");
	node_set(a, map, "filesAnalyzed", node_bool(false));
}

static const struct node *one_of(struct arena *a, const struct node *item)
{
	struct node *list = node_list(a);

	node_add(a, list, item);
	return list;
}

static const struct node *image_node(struct arena *a, const struct image *image)
{
	struct node *map = node_map(a), *sum = node_map(a);

	node_set_text(a, sum, "algorithm", "SHA256");
	node_set_text(a, sum, "checksumValue", image->digest.hex);
	node_set_text(a, map, "SPDXID", "SPDXRef-image");
	node_set_text(a, map, "name", image->name);
	node_set_text(a, map, "primaryPackagePurpose", "CONTAINER");
	node_set(a, map, "checksums", one_of(a, sum));
	add_unknown(a, map);
	return map;
}

static const struct node *package_node(struct arena *a, const struct image_package *p,
				       const char *id)
{
	struct node *map = node_map(a), *url = node_map(a);

	node_set_text(a, url, "referenceCategory", "PACKAGE-MANAGER");
	node_set_text(a, url, "referenceType", "purl");
	node_set_text(a, url, "referenceLocator", package_url(a, p));
	node_set_text(a, map, "SPDXID", id);
	node_set_text(a, map, "name", p->name);
	node_set_text(a, map, "versionInfo", p->version);
	node_set(a, map, "externalRefs", one_of(a, url));
	add_unknown(a, map);
	return map;
}

static const struct node *relation(struct arena *a, const char *from, const char *type,
				   const char *to)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "spdxElementId", from);
	node_set_text(a, map, "relationshipType", type);
	node_set_text(a, map, "relatedSpdxElement", to);
	return map;
}

static const struct node *creation(struct arena *a, const struct image *image)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "created", image->created);
	node_set(a, map, "creators", one_of(a, node_string(a, "Tool: stepcell")));
	return map;
}

const struct node *image_sbom(struct arena *a, const struct image *image,
			      const struct image_package *packages, size_t count)
{
	struct node *map = node_map(a), *list = node_list(a), *relations = node_list(a);

	node_set_text(a, map, "spdxVersion", "SPDX-2.3");
	node_set_text(a, map, "dataLicense", "CC0-1.0");
	node_set_text(a, map, "SPDXID", "SPDXRef-DOCUMENT");
	node_set_text(a, map, "name", image->name);
	node_set_text(a, map, "documentNamespace",
		      arena_printf(a, "urn:stepcell:image:sha256:%s", image->digest.hex));
	node_set(a, map, "creationInfo", creation(a, image));
	node_add(a, list, image_node(a, image));
	node_add(a, relations, relation(a, "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"));
	for (size_t i = 0; i < count; i++) {
		const char *id = arena_printf(a, "SPDXRef-%s-%zu", packages[i].kind, i + 1);

		node_add(a, list, package_node(a, &packages[i], id));
		node_add(a, relations, relation(a, "SPDXRef-image", "CONTAINS", id));
	}
	node_set(a, map, "packages", list);
	node_set(a, map, "relationships", relations);
	return map;
}
