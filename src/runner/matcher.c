/*
 * The states are a trie in breadth-first order, built from the sorted strings:
 * so the children of a state lie side by side, in the order of their bytes,
 * and whatever a state falls back to was made before it.
 */
#include "runner/matcher.h"

#include <stdlib.h>
#include <string.h>

#include "stepcell/arena.h"

struct state {
	uint32_t first; /* child */
	uint32_t fall;  /* the state of the longest proper suffix that is a prefix of a string */
	uint32_t match; /* length of the longest string that ends here */
	uint32_t depth;
	uint16_t children;
	unsigned char byte; /* that leads here */
};

struct matcher {
	struct arena *arena;
	const char **strings; /* sorted, each once */
	size_t count, bytes;
	struct state *states;
	uint32_t state_count;
};

/* Which of the strings run through a state; needed while building alone. */
struct range {
	size_t low, high;
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void copy_strings(struct matcher *m, const char *const *strings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		m->strings = arena_grow(m->arena, m->strings, m->count, sizeof(*m->strings));
		m->strings[m->count++] = arena_strdup(m->arena, strings[i]);
	}
}

static void sort_strings(struct matcher *m)
{
	size_t kept = 0;

	if (m->count)
		qsort(m->strings, m->count, sizeof(*m->strings), compare);
	for (size_t i = 0; i < m->count; i++) {
		if (!*m->strings[i] || (kept && !strcmp(m->strings[kept - 1], m->strings[i])))
			continue;
		m->bytes += strlen(m->strings[i]);
		m->strings[kept++] = m->strings[i];
	}
	m->count = kept;
}

static uint32_t child_of(const struct matcher *m, uint32_t state, unsigned char byte)
{
	uint32_t low = m->states[state].first, high = low + m->states[state].children;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (m->states[middle].byte == byte)
			return middle;
		if (m->states[middle].byte < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static uint32_t step(const struct matcher *m, uint32_t state, unsigned char byte)
{
	uint32_t next = child_of(m, state, byte);

	while (!next && state) {
		state = m->states[state].fall;
		next = child_of(m, state, byte);
	}
	return next;
}

static void add_child(struct matcher *m, struct range *ranges, uint32_t parent, size_t low)
{
	uint32_t depth = m->states[parent].depth;
	unsigned char byte = (unsigned char)m->strings[low][depth];
	struct state child = {.depth = depth + 1, .byte = byte};
	size_t high = low + 1;

	while (high < ranges[parent].high && (unsigned char)m->strings[high][depth] == byte)
		high++;
	if (parent)
		child.fall = step(m, m->states[parent].fall, byte);
	if (!m->states[parent].children)
		m->states[parent].first = m->state_count;
	m->states[parent].children++;
	ranges[m->state_count] = (struct range){low, high};
	m->states[m->state_count++] = child;
}

/* The shortest string comes first: it is the one that ends here, if any does. */
static void expand(struct matcher *m, struct range *ranges, uint32_t state)
{
	struct state *s = &m->states[state];
	size_t low = ranges[state].low;

	s->match = m->states[s->fall].match;
	if (state && !m->strings[low][s->depth]) {
		s->match = s->depth;
		low++;
	}
	while (low < ranges[state].high) {
		add_child(m, ranges, state, low);
		low = ranges[m->state_count - 1].high;
	}
}

static void build(struct matcher *m)
{
	auto_arena struct arena *scratch = arena_new();
	struct range *ranges = arena_array(scratch, m->bytes + 1, sizeof(*ranges));

	m->states = arena_array(m->arena, m->bytes + 1, sizeof(*m->states));
	ranges[0] = (struct range){0, m->count};
	m->state_count = 1;
	for (uint32_t i = 0; i < m->state_count; i++)
		expand(m, ranges, i);
}

struct matcher *matcher_join(struct matcher *a, struct matcher *b, const char *const *more,
			     size_t more_count)
{
	struct arena *arena = arena_new();
	struct matcher *m = arena_alloc(arena, sizeof(*m));

	m->arena = arena;
	if (a)
		copy_strings(m, a->strings, a->count);
	if (b)
		copy_strings(m, b->strings, b->count);
	copy_strings(m, more, more_count);
	sort_strings(m);
	build(m);
	matcher_free(&a);
	matcher_free(&b);
	return m;
}

/* The matcher lives in its own arena. */
void matcher_free(struct matcher **m)
{
	struct arena *arena = *m ? (*m)->arena : NULL;

	arena_free(&arena);
	*m = NULL;
}

size_t matcher_bytes(const struct matcher *m)
{
	return m->bytes;
}

bool matcher_has(const struct matcher *m, const char *string)
{
	return m->count && bsearch(&string, m->strings, m->count, sizeof(*m->strings), compare);
}

size_t matcher_step(const struct matcher *m, struct matcher_at *at, unsigned char byte)
{
	at->state = step(m, at->state, byte);
	return m->states[at->state].match;
}

size_t matcher_pending(const struct matcher *m, const struct matcher_at *at)
{
	return m->states[at->state].depth;
}
