#include "workflow/faults.h"

#include <stdint.h>
#include <stdlib.h>

void faults_add(struct arena *a, struct faults *f, const void *what)
{
	if (!f)
		return;
	f->list = arena_grow(a, f->list, f->count, sizeof(*f->list));
	f->list[f->count++] = what;
}

static int by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (const void *const *)a,
		  y = (uintptr_t) * (const void *const *)b;

	return x < y ? -1 : x > y;
}

void faults_sort(struct faults *f)
{
	if (f->count)
		qsort(f->list, f->count, sizeof(*f->list), by_address);
}

bool faults_has(const struct faults *f, const void *what)
{
	return f && f->count && bsearch(&what, f->list, f->count, sizeof(*f->list), by_address);
}

bool faults_within(const struct faults *f, const struct node *node)
{
	if (!node || !f || !f->count)
		return false;
	if (faults_has(f, node))
		return true;
	for (size_t i = 0; node->kind == NODE_LIST && i < node->count; i++)
		if (faults_within(f, node->items[i]))
			return true;
	for (size_t i = 0; node->kind == NODE_MAP && i < node->count; i++)
		if (faults_within(f, node->pairs[i].key) || faults_within(f, node->pairs[i].value))
			return true;
	return false;
}
