#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/arena.h"

/* Blocks grow to BLOCK_SIZE: many an arena is for one expression, and a block is cleared whole. */
#define BLOCK_SIZE  ((size_t)16 * 1024)
#define BLOCK_FIRST ((size_t)1024)
#define ALIGN       _Alignof(max_align_t)

struct block {
	struct block *next;
	size_t used, size;
	max_align_t bytes[];
};

struct arena {
	struct block *head;
	size_t total;
};

/* There is nothing useful to do without memory, and no caller that could. */
static void *alloc_or_die(size_t size)
{
	void *p = calloc(1, size);

	if (!p) {
		(void)fputs("stepcell: error: out of memory\n", stderr);
		abort();
	}
	return p;
}

struct arena *arena_new(void)
{
	return alloc_or_die(sizeof(struct arena));
}

void arena_free(struct arena **arena)
{
	if (!*arena)
		return;
	for (struct block *b = (*arena)->head, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(*arena);
	*arena = NULL;
}

static struct block *block_new(size_t size)
{
	struct block *b = alloc_or_die(sizeof(*b) + size);

	b->size = size;
	return b;
}

/* A large allocation gets a block of its own behind the head, so that the head's room is not lost.
 */
static void *alloc_apart(struct arena *arena, size_t size)
{
	struct block *b = block_new(size);

	b->used = size;
	if (arena->head) {
		b->next = arena->head->next;
		arena->head->next = b;
	} else {
		arena->head = b;
	}
	return b->bytes;
}

/* The next block, for `size` at least: four times as large as what there is. */
static struct block *add_block(struct arena *arena, size_t size)
{
	size_t next = arena->total < BLOCK_SIZE / 4 ? 4 * arena->total : BLOCK_SIZE;
	struct block *b;

	if (next < BLOCK_FIRST)
		next = BLOCK_FIRST;
	b = block_new(next < size ? size : next);
	b->next = arena->head;
	arena->head = b;
	return b;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct block *b = arena->head;
	void *p;

	if (size > SIZE_MAX - ALIGN)
		abort();
	size = (size + ALIGN - 1) & ~(ALIGN - 1);
	arena->total += size;
	if (size > BLOCK_SIZE / 4)
		return alloc_apart(arena, size);
	if (!b || b->size - b->used < size)
		b = add_block(arena, size);
	p = (char *)b->bytes + b->used;
	b->used += size;
	return p;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		abort();
	return arena_alloc(arena, bytes);
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	memcpy(copy, text, len);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(struct arena *arena, const char *fmt, va_list args)
{
	va_list again;
	int n;
	char *text;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	text = arena_alloc(arena, (size_t)(n < 0 ? 0 : n) + 1);
	if (n > 0)
		(void)vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = arena_vprintf(arena, fmt, args);
	va_end(args);
	return text;
}

void *arena_grow(struct arena *arena, void *list, size_t count, size_t size)
{
	void *larger;

	/* full at 0, 4, 8, 16, ...: otherwise there is room */
	if (count != 0 && (count < 4 || (count & (count - 1))))
		return list;
	larger = arena_array(arena, count ? count * 2 : 4, size);
	if (count)
		memcpy(larger, list, count * size);
	return larger;
}

size_t arena_used(const struct arena *arena)
{
	return arena->total;
}
