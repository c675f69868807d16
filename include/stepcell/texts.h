/* texts: a list of texts that lives in an arena. */
#pragma once

#include <stddef.h>

#include "stepcell/arena.h"
#include "stepcell/node.h"

struct texts {
	const char **list;
	size_t count;
};

/* `text` is not copied. For a list that nothing else made longer. */
void texts_add(struct arena *a, struct texts *texts, const char *text);

/* With a NULL behind, as execve(2) wants it. */
const char **texts_end(struct arena *a, struct texts *texts);

/* Of a text, or of a list of them; what is none is left out. None of NULL. */
struct texts texts_of_node(struct arena *a, const struct node *node);

/* The lines of `text` that are more than `blanks`, without those around them. */
struct texts texts_of_lines(struct arena *a, const char *text, const char *blanks);
