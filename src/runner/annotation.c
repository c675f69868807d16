#include <string.h>

#include "runner/command.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"

static const char *const level_name[] = {
	[COMMAND_ERROR] = "error",
	[COMMAND_WARNING] = "warning",
	[COMMAND_NOTICE] = "notice",
};

static uint32_t position(const struct command *command, const char *key)
{
	const char *text = command_prop(command, key);
	uint64_t n;

	return text && !parse_u64(text, 1, UINT32_MAX, &n) ? (uint32_t)n : 0;
}

/* An end without a start is the start; what contradicts itself is not shown at all. */
static void check_positions(struct annotation *n)
{
	if (!n->line)
		n->line = n->end_line;
	if (!n->col)
		n->col = n->end_col;
	if (!n->line || (n->end_line && n->end_line != n->line) ||
	    (n->end_col && n->end_col < n->col))
		n->col = n->end_col = 0;
	if (n->end_line && n->end_line < n->line)
		n->line = n->end_line = 0;
}

static const char *below(const char *file, const char *workspace)
{
	size_t len = workspace ? strlen(workspace) : 0;

	if (len && !strncmp(file, workspace, len) && file[len] == '/' && file[len + 1])
		return file + len + 1;
	return file;
}

bool command_annotation(const struct command_event *event, const char *workspace,
			struct annotation *out)
{
	const struct command *c = &event->command;
	const char *file = command_prop(c, "file");

	if (event->kind >= COUNT(level_name) || !level_name[event->kind])
		return false;
	*out = (struct annotation){
		.level = level_name[event->kind],
		.message = c->data,
		.file = file ? below(file, workspace) : NULL,
		.title = command_prop(c, "title"),
		.line = position(c, "line"),
		.end_line = position(c, "endLine"),
		.col = position(c, "col"),
		.end_col = position(c, "endColumn"),
	};
	check_positions(out);
	return true;
}
