#include "workflow/once.h"

#include <stdint.h>

static size_t hash(const struct once_key *key)
{
	const uint64_t words[] = {(uintptr_t)key->node, (uintptr_t)key->job, (uintptr_t)key->step,
				  key->where};
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return (size_t)h;
}

static bool is_same(const struct once_key *a, const struct once_key *b)
{
	return a->node == b->node && a->job == b->job && a->step == b->step && a->where == b->where;
}

static struct once_key *slot_of(struct once *once, const struct once_key *key)
{
	size_t at = hash(key) & (once->size - 1);

	while (once->slots[at].node && !is_same(&once->slots[at], key))
		at = (at + 1) & (once->size - 1);
	return &once->slots[at];
}

static void grow(struct arena *a, struct once *once)
{
	struct once larger = {.size = once->size ? 2 * once->size : 64, .used = once->used};

	larger.slots = arena_array(a, larger.size, sizeof(*larger.slots));
	for (size_t i = 0; i < once->size; i++)
		if (once->slots[i].node)
			*slot_of(&larger, &once->slots[i]) = once->slots[i];
	*once = larger;
}

bool once_first(struct arena *a, struct once *once, struct once_key key)
{
	struct once_key *slot;

	if (2 * (once->used + 1) > once->size)
		grow(a, once);
	slot = slot_of(once, &key);
	if (slot->node)
		return false;
	*slot = key;
	once->used++;
	return true;
}
