/* A step's output, cut into lines and read for commands. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/command.h"
#include "stepcell/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct context {
	struct arena *arena;
	struct command_filter filter;
};

static void check_line(void *arg, const struct line *line)
{
	struct context *c = arg;
	struct command_event event;
	struct annotation note;

	if (line->len > LIMIT_LOG_LINE || strlen(line->text) != line->len)
		abort();
	command_filter_line(&c->filter, c->arena, line, &event);
	if (command_annotation(&event, "/w", &note) && (!note.message || !note.level))
		abort();
	if ((event.kind == COMMAND_REFUSED) != (event.error != NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct context c = {.arena = arena_new()};
	size_t cut = size ? data[0] % (size + 1) : 0;
	struct lines lines;

	lines_init(&lines, 0, check_line, &c);
	lines_feed(&lines, (const char *)data, cut);
	lines_feed(&lines, (const char *)data + cut, size - cut);
	lines_end(&lines);
	lines_release(&lines);
	command_filter_release(&c.filter);
	arena_free(&c.arena);
	return 0;
}
