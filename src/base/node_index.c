/*
 * The hash is the key's bytes as a polynomial at a random point, modulo the
 * prime 2^61 - 1: two keys of n bytes meet at no more than n of its points.
 * Whoever writes a file cannot choose keys that collide.
 *
 * It is linear in the last byte: keys that count up lie at equal distances,
 * and for some points close to each other, where a search by neighbouring
 * slots runs through all of them. The finisher of SplitMix64 (Steele, Lea,
 * Flood: Fast Splittable Pseudorandom Number Generators) scatters them; it
 * gives no two values the same.
 */
#include "base/node_index.h"

#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define PRIME ((UINT64_C(1) << 61) - 1)

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

static uint64_t scattered(uint64_t h)
{
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

static size_t hash(const struct node_index *x, const struct index_table *t, const char *key)
{
	bool nocase = t == &x->nocase;
	uint64_t h = 0;

	for (; *key; key++) {
		unsigned char c = (unsigned char)*key;
		unsigned __int128 sum = (unsigned __int128)h * x->point + (nocase ? lower(c) : c);

		/* below 2^62 again: enough for the next round */
		h = (uint64_t)(sum & PRIME) + (uint64_t)(sum >> 61);
	}
	h = h >= PRIME ? h - PRIME : h;
	return (size_t)scattered(h ^ x->mask) & (t->size - 1);
}

static bool is_same(const struct node_index *x, const struct index_table *t, const char *a,
		    const char *b)
{
	return t == &x->nocase ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

/* The slot that has the key, or the free one where it would be. */
static uint32_t *slot_of(const struct node *map, const struct index_table *t, const char *key)
{
	const struct node_index *x = map->index;
	size_t at = hash(x, t, key);

	while (t->slots[at] && !is_same(x, t, map->pairs[t->slots[at] - 1].key->text, key))
		at = (at + 1) & (t->size - 1);
	return &t->slots[at];
}

static void add(const struct node *map, struct index_table *t, size_t pair)
{
	uint32_t *slot = slot_of(map, t, map->pairs[pair].key->text);

	if (*slot)
		return;
	*slot = (uint32_t)pair + 1;
	t->used++;
}

/* With room for as many pairs again. The former slots are the arena's loss. */
static void rebuild(struct arena *a, const struct node *map, struct index_table *t)
{
	t->size = t->size ? 2 * t->size : 4 * INDEX_FROM;
	t->slots = arena_array(a, t->size, sizeof(*t->slots));
	t->used = 0;
	for (size_t i = 0; i < map->count; i++)
		add(map, t, i);
}

static struct node_index *make(struct arena *a)
{
	struct node_index *x = arena_alloc(a, sizeof(*x));
	uint64_t random[2] = {0};

	/* without random bytes all is found that is there, though perhaps slowly */
	(void)!getrandom(random, sizeof(random), 0);
	x->point = random[0] % PRIME;
	x->mask = random[1];
	return x;
}

void node_index_add(struct arena *a, struct node *map)
{
	struct index_table *tables[2];

	if (map->count < INDEX_FROM)
		return;
	if (!map->index)
		map->index = make(a);
	tables[0] = &map->index->exact;
	tables[1] = &map->index->nocase;
	for (size_t i = 0; i < 2; i++) {
		if (2 * (tables[i]->used + 1) > tables[i]->size)
			rebuild(a, map, tables[i]);
		else
			add(map, tables[i], map->count - 1);
	}
}

const struct node_pair *node_index_find(const struct node *map, const char *key, bool nocase)
{
	const struct index_table *t = nocase ? &map->index->nocase : &map->index->exact;
	const uint32_t *slot = slot_of(map, t, key);

	return *slot ? &map->pairs[*slot - 1] : NULL;
}
