#include "image/registry.h"

#include <stdio.h>
#include <string.h>

#include "image/oci.h"
#include "image/registry_parts.h"
#include "stepcell/limits.h"

/* ---- documents ---- */

static const char *const document_types[] = {
	OCI_INDEX_TYPE,
	OCI_MANIFEST_TYPE,
	DOCKER_LIST_TYPE,
	DOCKER_MANIFEST_TYPE,
};
static const char accept_documents[] = "Accept: " OCI_INDEX_TYPE ", " OCI_MANIFEST_TYPE
				       ", " DOCKER_LIST_TYPE ", " DOCKER_MANIFEST_TYPE;

struct document {
	struct strbuf *text;
	struct registry_document *out;
	char said[sizeof("sha256:") + DIGEST_HEX + 1]; /* what the registry says its digest is */
};

/* Its parameters do not count. */
static int take_type(const char *type, struct registry_document *out, struct err *err)
{
	size_t len = type ? strcspn(type, "; \t") : 0;

	for (size_t i = 0; i < COUNT(document_types); i++) {
		if (len != strlen(document_types[i]) || strncmp(type, document_types[i], len) != 0)
			continue;
		(void)snprintf(out->type, sizeof(out->type), "%s", document_types[i]);
		return 0;
	}
	return err_fail(err, ERR_SYSTEM,
			"it answers with '%.64s', which is neither a manifest nor "
			"an index",
			type ? type : "no type");
}

static int document_begin(struct document *d, const struct http_response *response, struct err *err)
{
	struct digest digest;

	strbuf_clear(d->text);
	d->said[0] = '\0';
	if (take_type(response->type, d->out, err) < 0)
		return -1;
	if (response->status != 200)
		return err_fail(err, ERR_SYSTEM, "it answers with a part of a document");
	if (response->length != UINT64_MAX && response->length > d->text->max)
		return err_fail(err, ERR_SYSTEM, "its document has more than %zu bytes",
				d->text->max);
	/* another algorithm than ours is no lie; what calls itself sha256 must be one */
	if (!response->digest || strncmp(response->digest, "sha256:", 7) != 0)
		return 0;
	if (!digest_parse(response->digest, &digest))
		return err_fail(err, ERR_SYSTEM, "it says that its document's digest is '%.100s'",
				response->digest);
	(void)snprintf(d->said, sizeof(d->said), "%s", digest.hex);
	return 0;
}

static int document_sink(void *arg, const struct http_response *response, const void *bytes,
			 size_t len, struct err *err)
{
	struct document *d = arg;

	if (!bytes)
		return document_begin(d, response, err);
	strbuf_add(d->text, bytes, len);
	return d->text->full ? err_fail(err, ERR_SYSTEM, "its document has more than %zu bytes",
					d->text->max)
			     : 0;
}

static int document_judge(struct document *d, const struct digest *wanted, struct err *err)
{
	d->out->digest = digest_of(d->text->text, d->text->len);
	if (wanted && !digest_equal(wanted, &d->out->digest))
		return err_fail(err, ERR_SYSTEM,
				"it answers with sha256:%s when asked for sha256:%s",
				d->out->digest.hex, wanted->hex);
	if (d->said[0] && strcmp(d->said, d->out->digest.hex) != 0)
		return err_fail(err, ERR_SYSTEM, "it calls sha256:%s what is sha256:%s", d->said,
				d->out->digest.hex);
	return 0;
}

struct document_wish {
	const char *tag;
	const struct digest *digest;
	struct document document;
};

static int document_from(struct registry *r, struct source *source, void *arg, struct err *err)
{
	struct document_wish *wish = arg;
	char path[sizeof("manifests/sha256:") + REFERENCE_TAG];
	struct patience patience = {0};
	struct ask ask = {
		.path = path,
		.accept = accept_documents,
		.small = true,
		.sink = document_sink,
		.arg = &wish->document,
	};

	(void)snprintf(path, sizeof(path), "manifests/%s%s", wish->digest ? "sha256:" : "",
		       wish->digest ? wish->digest->hex : wish->tag);
	while (registry_ask(r, source, &ask, err) < 0)
		if (registry_wait(r, &patience, &ask, err) < 0)
			return -1;
	if (document_judge(&wish->document, wish->digest, err) < 0)
		return err_wrap(err, "%s", source->at->host);
	return 0;
}

/* ---- one place after another ---- */

/* The registry itself is the last; what its mirrors cannot do is worth a word. */
int registry_from_any(struct registry *r, bool by_tag, source_fn *from, void *arg, struct err *err)
{
	int result = -1;

	for (size_t i = 0; i < r->count && result < 0; i++) {
		if (by_tag && !r->sources[i].at->tags)
			continue;
		result = from(r, &r->sources[i], arg, err);
		if (result < 0 && i + 1 < r->count)
			r->news.note(r->news.arg, err->text);
	}
	return result;
}

int registry_document(struct registry *r, const char *tag, const struct digest *digest,
		      struct strbuf *text, struct registry_document *out, struct err *err)
{
	struct document_wish wish = {tag, digest, {.text = text, .out = out}};

	return registry_from_any(r, !digest, document_from, &wish, err);
}

/* ---- the registry ---- */

static int source_open(struct registry *r, const struct registry_setup *setup, size_t i,
		       struct err *err)
{
	const struct endpoint *e = &setup->endpoints.list[i];
	struct source *p = &r->sources[i];
	const char *url = arena_printf(r->arena, "http%s://%s", e->plain ? "" : "s", e->host);

	p->at = e;
	p->ca = setup->authorities[i];
	p->tokens = arena_array(r->arena, e->tokens.count + 1, sizeof(*p->tokens));
	if (url_parse(r->api, r->arena, NULL, url, &p->base, err) < 0)
		return err_wrap(err, "'%s'", e->host);
	if (e->plain)
		r->plain[r->plain_count++] = p->base;
	for (size_t t = 0; t < e->tokens.count; t++)
		if (url_parse(r->api, r->arena, NULL, e->tokens.list[t], &p->tokens[t], err) < 0)
			return err_wrap(err, "'%s', under 'tokens' of '%s'", e->tokens.list[t],
					e->host);
	return 0;
}

/* Whom the operator lets be spoken to without TLS, whether an image comes from there or not. */
static int list_plain(struct registry *r, const struct texts *hosts, struct err *err)
{
	for (size_t i = 0; i < hosts->count; i++) {
		const char *url = arena_printf(r->arena, "http://%s", hosts->list[i]);

		if (url_parse(r->api, r->arena, NULL, url, &r->plain[r->plain_count++], err) < 0)
			return err_wrap(err, "'%s'", hosts->list[i]);
	}
	return 0;
}

static int open_places(struct registry *r, const struct registry_setup *setup, struct err *err)
{
	const size_t count = setup->endpoints.count, plain = setup->endpoints.plain.count;

	r->sources = arena_array(r->arena, count, sizeof(*r->sources));
	r->plain = arena_array(r->arena, count + plain + 1, sizeof(*r->plain));
	r->count = count;
	if (list_plain(r, &setup->endpoints.plain, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (source_open(r, setup, i, err) < 0)
			return -1;
	return http_open(r->api, &setup->proxies, &r->http, err);
}

int registry_open(const struct registry_setup *setup, struct registry **out, struct err *err)
{
	struct arena *a = arena_new();
	struct registry *r = arena_alloc(a, sizeof(*r));

	*r = (struct registry){.arena = a, .api = setup->api, .news = setup->news};
	if (open_places(r, setup, err) < 0) {
		registry_close(&r);
		return -1;
	}
	*out = r;
	return 0;
}

void registry_close(struct registry **registry)
{
	struct arena *a = *registry ? (*registry)->arena : NULL;

	if (!a)
		return;
	http_close(&(*registry)->http);
	arena_free(&a);
	*registry = NULL;
}
