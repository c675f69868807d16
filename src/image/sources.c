/* sources/HEX of the image HEX: a line "sha256:HEX" each document. */
#include "image/sources.h"

#include <errno.h>
#include <string.h>

#include "image/folder.h"
#include "image/manifest.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

#define SOURCES_BYTES (64 * KIB)

static void add_line(struct strbuf *text, const struct digest *digest)
{
	char line[sizeof("sha256:\n") + DIGEST_HEX];

	(void)snprintf(line, sizeof(line), "sha256:%s\n", digest->hex);
	if (!strstr(text->text, line))
		strbuf_adds(text, line);
}

int sources_note(struct store *store, const struct digest *image, const struct documents *from,
		 struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(SOURCES_BYTES);
	size_t before;

	if (file_read(store->sources, image->hex, &text, err) < 0 && err->sys != ENOENT)
		return -1;
	before = text.len;
	for (size_t i = 0; i < from->count; i++)
		add_line(&text, &from->list[i]);
	return text.len == before
		       ? 0
		       : store_write(store, store->sources, image->hex, text.text, text.len, err);
}

static bool is_of(struct store *store, const char *image, const struct digest *document)
{
	auto_strbuf struct strbuf text = STRBUF(SOURCES_BYTES);
	struct err unreadable;

	return file_read(store->sources, image, &text, &unreadable) == 0 &&
	       strstr(text.text, document->hex);
}

/* How well a name does for a reference: the least is the best. */
static unsigned rank(struct arena *a, const char *name, const struct reference *ref)
{
	struct reference own;
	struct err plain;

	if (strcmp(name, reference_text(a, ref)) == 0)
		return 0;
	if (reference_parse_bare(a, name, &own, &plain) == 0 && strcmp(own.host, ref->host) == 0 &&
	    strcmp(own.name, ref->name) == 0)
		return 1;
	return 2;
}

/* The manifest of the image whose note it is; a note may outlive its image for a while. */
static const char *name_of(struct store *store, struct arena *a, const char *hex,
			   struct digest *digest)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct err gone;
	struct manifest m;

	if (!digest_parse(arena_printf(a, "sha256:%s", hex), digest) ||
	    blob_get(store, digest, &text, NULL, &gone) < 0 ||
	    manifest_decode(a, text.text, text.len, &m, &gone) < 0)
		return NULL;
	return m.name;
}

int sources_find(struct store *store, struct arena *a, const struct reference *ref,
		 struct digest *out, struct err *err)
{
	auto_strbuf struct strbuf images = STRBUF(64 * MIB);
	const char *best = NULL;

	if (folder_list(store->sources, &images, err) < 0)
		return -1;
	for_each_name(hex, &images)
	{
		struct digest digest;
		const char *name =
			is_of(store, hex, &ref->digest) ? name_of(store, a, hex, &digest) : NULL;
		unsigned mine = name ? rank(a, name, ref) : 0,
			 least = best ? rank(a, best, ref) : 0;

		if (!name || (best && (mine > least || (mine == least && strcmp(name, best) >= 0))))
			continue;
		best = name;
		*out = digest;
	}
	return best != NULL;
}
