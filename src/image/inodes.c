#include "image/inodes.h"

#include <stdlib.h>

static struct inode_note *slot_of(const struct inodes *set, ino_t ino)
{
	size_t i = (size_t)((uint64_t)ino * UINT64_C(0x9e3779b97f4a7c15)) & (set->capacity - 1);

	while (set->slots[i].ino && set->slots[i].ino != ino)
		i = (i + 1) & (set->capacity - 1);
	return &set->slots[i];
}

static void grow(struct inodes *set)
{
	struct inodes larger = {.capacity = set->capacity ? set->capacity * 2 : 4096};

	larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
	if (!larger.slots)
		abort();
	for (size_t i = 0; i < set->capacity; i++)
		if (set->slots[i].ino)
			*slot_of(&larger, set->slots[i].ino) = set->slots[i];
	larger.count = set->count;
	free(set->slots);
	*set = larger;
}

struct inode_note *inodes_put(struct inodes *set, ino_t ino)
{
	struct inode_note *slot;

	if (set->count >= set->capacity / 2)
		grow(set);
	slot = slot_of(set, ino);
	set->count += slot->ino == 0;
	*slot = (struct inode_note){.ino = ino};
	return slot;
}

struct inode_note *inodes_get(const struct inodes *set, ino_t ino)
{
	struct inode_note *slot = set->capacity ? slot_of(set, ino) : NULL;

	return slot && slot->ino ? slot : NULL;
}

void inodes_release(struct inodes *set)
{
	free(set->slots);
	*set = (struct inodes){0};
}
