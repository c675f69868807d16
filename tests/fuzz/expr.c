/* Expressions: parsed, and evaluated with little to see. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char contexts[] =
	"{\"github\": {\"ref\": \"refs/heads/main\", \"event\": {\"labels\": [{\"name\": "
	"\"bug\"}]}},"
	" \"list\": [[1, 2], [3], 4], \"nothing\": null, \"text\": \"0x10\"}";

static bool status(void *arg, const char *name, const struct node *const *args, size_t count)
{
	(void)arg, (void)args;
	return name[0] == 's' || count;
}

static void evaluate(struct arena *a, const char *text, const struct expr_scope *scope)
{
	size_t before = arena_used(a);
	struct expr_err e;
	const struct node *v = template_eval(a, text, scope, &e);
	bool answer;

	if (v ? e.fault != EXPR_OK : e.fault == EXPR_OK || !e.position)
		abort();
	if (v)
		(void)expr_text(a, v);
	(void)condition_eval(a, text, scope, &answer, &e);
	if (arena_used(a) - before > 512 * MIB)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct err err = {0};
	struct expr_scope scope = {.status = status, .memory = MIB};
	char *text = arena_alloc(a, size + 8);
	struct expr_err e;

	scope.contexts = json_parse(a, "contexts", contexts, strlen(contexts), &err);
	if (!scope.contexts)
		abort();
	memcpy(text, data, size);
	evaluate(a, text, &scope);
	(void)expr_parse(a, text, strlen(text), &e);
	arena_free(&a);
	return 0;
}
