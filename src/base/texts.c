#include "stepcell/texts.h"

#include <string.h>

void texts_add(struct arena *a, struct texts *texts, const char *text)
{
	texts->list = arena_grow(a, texts->list, texts->count, sizeof(*texts->list));
	texts->list[texts->count++] = text;
}

const char **texts_end(struct arena *a, struct texts *texts)
{
	texts_add(a, texts, NULL);
	return texts->list;
}

struct texts texts_of_node(struct arena *a, const struct node *node)
{
	struct texts texts = {0};

	for (size_t i = 0; node && i < (node->kind == NODE_LIST ? node->count : 1); i++) {
		const char *text = node_text(node->kind == NODE_LIST ? node->items[i] : node);

		if (text)
			texts_add(a, &texts, text);
	}
	return texts;
}

struct texts texts_of_lines(struct arena *a, const char *text, const char *blanks)
{
	struct texts lines = {0};

	while (*text) {
		size_t start = strspn(text, blanks), len = strcspn(text, "\n"), end = len;

		while (end > start && strchr(blanks, text[end - 1]))
			end--;
		if (end > start)
			texts_add(a, &lines, arena_strndup(a, text + start, end - start));
		text += len + (text[len] == '\n');
	}
	return lines;
}
