/* arena: memory that is freed all at once. Allocation never returns NULL: it aborts when the host
 * has none left. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);

/* Free the arena and everything allocated from it, and clear the caller's pointer. NULL is fine. */
void arena_free(struct arena **arena);

/* Zeroed memory, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);

/* As arena_alloc for `count` elements; aborts on overflow. */
void *arena_array(struct arena *arena, size_t count, size_t size);

char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

/*
 * Make room for one more element in a list that lives in an arena: returns
 * `list`, or a larger copy when `count` has reached the capacity. Capacities
 * are powers of two, so none needs to be kept.
 */
void *arena_grow(struct arena *arena, void *list, size_t count, size_t size);

/* Bytes handed out so far: what a limit on hostile input is held against. */
size_t arena_used(const struct arena *arena);

#define auto_arena __attribute__((cleanup(arena_free)))
