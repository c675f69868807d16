/*
 * The values lie in several matchers, each for about twice as many bytes as
 * the one below it, and an added value is joined with those that are not
 * larger (Bentley and Saxe, 1980). So a step that adds a thousand masks, one
 * at a time, costs a thousand times the logarithm, and a line is scanned by
 * few matchers.
 */
#include "runner/mask.h"

#include <stdlib.h>
#include <string.h>

#include "runner/encode.h"
#include "runner/matcher.h"
#include "stepcell/arena.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"

#define LEVELS 32

/* A string of a JSON secret that is shorter is a word, not a secret: "true", "RSA". */
#define SHORTEST_LEAF 6

/* The bytes of all forms of a value are at least so many times its own: no need to make them. */
#define LEAST_FORMS 5

struct mask {
	struct matcher *levels[LEVELS];
	size_t bytes;
};

struct mask *mask_new(void)
{
	struct mask *mask = calloc(1, sizeof(*mask));

	if (!mask)
		abort();
	return mask;
}

void mask_free(struct mask **mask)
{
	for (size_t i = 0; *mask && i < LEVELS; i++)
		matcher_free(&(*mask)->levels[i]);
	free(*mask);
	*mask = NULL;
}

/* ---- adding ---- */

static bool is_masked(const struct mask *mask, const char *text)
{
	for (size_t i = 0; i < LEVELS; i++) {
		if (mask->levels[i] && matcher_has(mask->levels[i], text))
			return true;
	}
	return false;
}

static size_t level_of(const struct matcher *m)
{
	size_t level = 0;

	while ((matcher_bytes(m) >> level) > 1)
		level++;
	return level;
}

static void place(struct mask *mask, const char *const *forms, size_t count)
{
	struct matcher *m = matcher_join(NULL, NULL, forms, count);
	size_t level = level_of(m);

	while (mask->levels[level]) {
		m = matcher_join(m, mask->levels[level], NULL, 0);
		mask->levels[level] = NULL;
		level = level_of(m);
	}
	mask->levels[level] = m;
}

/* The forms of a text that are not masked yet. */
static const char *const *new_forms(struct arena *a, const struct mask *mask, const char *text,
				    size_t *count, size_t *bytes)
{
	size_t all;
	const char *const *forms = encode_forms(a, text, &all);
	const char **kept = arena_array(a, all + 1, sizeof(*kept));

	*count = *bytes = 0;
	for (size_t i = 0; i < all; i++) {
		if (is_masked(mask, forms[i]))
			continue;
		kept[(*count)++] = forms[i];
		*bytes += strlen(forms[i]);
	}
	return kept;
}

static int add_text(struct mask *mask, const char *text, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	size_t count = 0, bytes = LEAST_FORMS * strlen(text);
	const char *const *forms = NULL;

	if (mask->bytes + bytes <= LIMIT_MASK_BYTES)
		forms = new_forms(a, mask, text, &count, &bytes);
	if (mask->bytes + bytes > LIMIT_MASK_BYTES)
		return err_fail(err, ERR_USAGE,
				"too much to mask: all values in all forms may have %u bytes",
				(unsigned)LIMIT_MASK_BYTES);
	mask->bytes += bytes;
	if (count)
		place(mask, forms, count);
	return 0;
}

static int add_lines(struct mask *mask, const char *value, struct err *err)
{
	while (*value) {
		size_t len = strcspn(value, "\r\n"), start = strspn(value, " \t"), end = len;
		auto_strbuf struct strbuf line = STRBUF(len + 1);

		while (end > start && (value[end - 1] == ' ' || value[end - 1] == '\t'))
			end--;
		if (start < end)
			strbuf_add(&line, value + start, end - start);
		if (add_text(mask, line.text, err) < 0)
			return -1;
		value += len + (value[len] ? 1 : 0);
	}
	return 0;
}

int mask_add(struct mask *mask, const char *value, struct err *err)
{
	if (add_lines(mask, value, err) < 0)
		return -1;
	return add_text(mask, value, err);
}

static int add_leaves(struct mask *mask, const struct node *node, struct err *err)
{
	int result = 0;

	if (node->kind == NODE_STRING && strlen(node->text) >= SHORTEST_LEAF)
		result = mask_add(mask, node->text, err);
	for (size_t i = 0; node->kind == NODE_LIST && i < node->count && !result; i++)
		result = add_leaves(mask, node->items[i], err);
	for (size_t i = 0; node->kind == NODE_MAP && i < node->count && !result; i++)
		result = add_leaves(mask, node->pairs[i].value, err);
	return result;
}

int mask_add_secret(struct mask *mask, const char *value, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	const char *start = value + strspn(value, " \t\r\n");
	const struct node *json = NULL;
	struct err not_json;

	if (mask_add(mask, value, err) < 0)
		return -1;
	if (*start == '{' || *start == '[')
		json = json_parse(a, "secret", value, strlen(value), &not_json);
	return json ? add_leaves(mask, json, err) : 0;
}

/* ---- masking ---- */

/*
 * Set ends[i] to the length of the longest value that ends at byte i, where
 * that is more. Returns how many of the last bytes may begin a value.
 */
static size_t find(const struct matcher *m, const char *text, size_t len, uint32_t *ends)
{
	struct matcher_at at = {0};

	for (size_t i = 0; i < len; i++) {
		size_t match = matcher_step(m, &at, (unsigned char)text[i]);

		if (match > ends[i])
			ends[i] = (uint32_t)match;
	}
	return matcher_pending(m, &at);
}

/* Turn the ends into hits: 1 for every byte of a value, else 0. */
static void spread(uint32_t *ends, size_t len)
{
	uint32_t left = 0;

	while (len-- > 0) {
		left = ends[len] > left ? ends[len] : left;
		ends[len] = left > 0;
		left -= left > 0;
	}
}

static size_t mark(const struct mask *mask, const char *text, size_t len, uint32_t *hit)
{
	size_t pending = 0;

	for (size_t i = 0; i < LEVELS; i++) {
		size_t p = mask->levels[i] ? find(mask->levels[i], text, len, hit) : 0;

		pending = p > pending ? p : pending;
	}
	spread(hit, len);
	return pending;
}

/* Each run of hits as one ***, but for a run that is open already. */
static void write_masked(const char *text, const uint32_t *hit, size_t len, bool open,
			 struct strbuf *out)
{
	for (size_t i = 0; i < len;) {
		size_t end = i + 1;

		while (end < len && hit[end] == hit[i])
			end++;
		if (!hit[i])
			strbuf_add(out, text + i, end - i);
		else if (i || !open)
			strbuf_adds(out, "***");
		i = end;
	}
}

void mask_line(const struct mask *mask, const char *text, size_t len, struct strbuf *out)
{
	auto_arena struct arena *a = arena_new();
	uint32_t *hit = arena_array(a, len + 1, sizeof(*hit));

	(void)mark(mask, text, len, hit);
	write_masked(text, hit, len, false, out);
}

void mask_tail_init(struct mask_tail *tail)
{
	*tail = (struct mask_tail){.held = STRBUF(LIMIT_MASK_BYTES + LIMIT_LOG_LINE)};
}

void mask_tail_release(struct mask_tail *tail)
{
	strbuf_release(&tail->held);
	tail->starred = 0;
}

/* How much behind `done` belongs to the value that is being cut there. */
static size_t still_starred(const uint32_t *hit, size_t done, size_t len)
{
	size_t n = 0;

	while (hit[done - 1] && done + n < len && hit[done + n])
		n++;
	return n;
}

void mask_piece(const struct mask *mask, struct mask_tail *tail, const char *text, size_t len,
		bool last, struct strbuf *out)
{
	struct strbuf *held = &tail->held;
	auto_arena struct arena *a = arena_new();
	uint32_t *hit;
	size_t done;

	strbuf_add(held, text, len);
	hit = arena_array(a, held->len + 1, sizeof(*hit));
	if (held->full) {
		strbuf_adds(out, "***"); /* rather too much than too little */
		strbuf_clear(held);
		tail->starred = 0;
		return;
	}
	if (tail->starred)
		hit[tail->starred - 1] = (uint32_t)tail->starred;
	done = held->len - mark(mask, held->text, held->len, hit);
	if (last)
		done = held->len;
	write_masked(held->text, hit, done, tail->starred > 0, out);
	tail->starred = done ? still_starred(hit, done, held->len) : tail->starred;
	strbuf_skip(held, done);
}
