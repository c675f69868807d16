#include "image/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "image/oci.h"
#include "stepcell/decode.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- oci-layout: which version of the layout it is ---- */

static const struct field mark_fields[] = {
	{"imageLayoutVersion", decode_text, 0, FIELD_REQUIRED, NULL},
};

static int check_mark(struct arena *a, int dir, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(4 * KIB);
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags, .foreign = true};
	const struct node *root;
	const char *version;

	if (file_read(dir, "oci-layout", &text, err) < 0)
		return err->sys == ENOENT
			       ? err_fail(err, ERR_USAGE, "no layout: it has no file oci-layout")
			       : -1;
	root = json_parse_unique(a, "oci-layout", text.text, text.len, err);
	if (!root)
		return -1;
	if (!decode_map(&d, mark_fields, COUNT(mark_fields), "the mark of a layout", root,
			&version))
		return diags_fail(&diags, err);
	if (strcmp(version, "1.0.0") != 0)
		return err_fail(err, ERR_USAGE, "version '%.40s' of the layout is not known",
				version);
	return 0;
}

/* ---- index.json: which of its images ---- */

static bool is_called(const struct oci_descriptor *d, const char *ref)
{
	const char *colon = d->ref ? strrchr(d->ref, ':') : NULL;

	return d->ref && (strcmp(d->ref, ref) == 0 || (colon && strcmp(colon + 1, ref) == 0));
}

static int not_called(const struct oci_document *index, const char *ref, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(512);

	for (size_t i = 0; i < index->count; i++)
		strbuf_addf(&names, "%s%s", i ? ", " : "",
			    index->entries[i].ref ? index->entries[i].ref : "one without a name");
	if (ref)
		return err_fail(err, ERR_USAGE, "there is no image '%s' in it; there are: %s", ref,
				index->count ? names.text : "none");
	return err_fail(err, ERR_USAGE, "there are several images in it: %s; name one with --ref",
			names.text);
}

/* Several entries of one name are the same image for several machines. */
static bool is_ambiguous(const struct oci_document *index)
{
	for (size_t i = 1; i < index->count; i++) {
		const char *one = index->entries[0].ref, *other = index->entries[i].ref;

		if (!one != !other || (one && strcmp(one, other) != 0))
			return true;
	}
	return false;
}

static int choose(struct arena *a, const struct oci_document *index,
		  const struct import_options *options, struct oci_descriptor *out, struct err *err)
{
	struct oci_document called = *index;
	const struct oci_descriptor *picked;

	if (options->ref) {
		called.entries = arena_array(a, index->count, sizeof(*called.entries));
		called.count = 0;
		for (size_t i = 0; i < index->count; i++)
			if (is_called(&index->entries[i], options->ref))
				called.entries[called.count++] = index->entries[i];
	}
	if (!called.count || is_ambiguous(&called))
		return not_called(index, options->ref, err);
	if (oci_pick(&called, options->platform, &picked, err) < 0)
		return -1;
	*out = *picked;
	return 0;
}

static int read_index(struct arena *a, int dir, struct oci_document *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_DOCUMENT);

	if (file_read(dir, "index.json", &text, err) < 0 ||
	    oci_decode(a, NULL, text.text, text.len, out, err) < 0)
		return -1;
	return out->kind == OCI_INDEX ? 0 : err_fail(err, ERR_USAGE, "index.json is no index");
}

int layout_import(struct store *store, int dir, const struct import_options *options,
		  const char *again, struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct oci_options oci = {.again = again,
				  .platform = options->platform,
				  .replace = options->replace,
				  .progress = options->progress};
	struct oci_document index;
	struct oci_descriptor top = {0};

	if (check_mark(a, dir, err) < 0 || read_index(a, dir, &index, err) < 0 ||
	    choose(a, &index, options, &top, err) < 0 ||
	    import_name(a, options, top.ref, &oci.name, err) < 0)
		return -1;
	auto_fd int blobs = open_nolinks(dir, "blobs/sha256", O_RDONLY | O_DIRECTORY, 0, err);

	return blobs < 0 ? -1 : oci_assemble(store, blobs, &top, &oci, out, err);
}
