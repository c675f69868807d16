/* The file of an action, and the lock of actions: both come with somebody's checkout. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/lock.h"
#include "stepcell/arena.h"
#include "stepcell/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the runner takes for granted of an action that was loaded. */
static void check(const struct action *action)
{
	const char *using = node_text(node_get(action->runs, "using"));

	if (!using)
		abort();
	if (action->kind == ACTION_NODE &&
	    (strncmp(using, "node", 4) != 0 || !node_text(node_get(action->runs, "main"))))
		abort();
	if (action->inputs && action->inputs->kind != NODE_MAP)
		abort();
	if (action->outputs && action->outputs->kind != NODE_MAP)
		abort();
	for (size_t i = 0; i < action->steps.count; i++) {
		const struct step *step = &action->steps.list[i];

		if (!step->run == !step->uses || (step->run && !step->shell))
			abort();
	}
}

static void look_up(struct arena *a, const char *text, size_t len)
{
	struct stored_action stored = {.repository = "own/act", .ref = "v1", .commit = ""};
	struct err err = {0};
	const struct node *lock = lock_parse(a, "actions.lock", text, len, &err);

	if (!lock && err.kind != ERR_USAGE)
		abort();
	memset(stored.tree.hex, '0', DIGEST_HEX);
	err_clear(&err);
	if (lock && lock_agrees(a, lock, &stored, &err) < 0 && err.kind != ERR_USAGE)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_arena struct arena *a = arena_new();
	struct diags diags = {.arena = a};
	const struct action *action =
		action_load(a, "action.yml", (const char *)data, size, &diags);

	if (!action != (diags.errors > 0))
		abort();
	if (action)
		check(action);
	look_up(a, (const char *)data, size);
	return 0;
}
