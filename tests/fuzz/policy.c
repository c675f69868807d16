/* A policy file: any bytes load or are refused, and what loads shows as a policy that loads again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "stepcell/limits.h"
#include "stepcell/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_arena struct arena *a = arena_new();
	struct diags diags = {.arena = a};
	auto_strbuf struct strbuf shown = STRBUF(MIB);
	const struct policy *p = policy_load(a, "p.yml", (const char *)data, size, &diags);
	struct err err;

	if (!p != (diags.errors > 0))
		abort();
	if (!p)
		return 0;
	(void)policy_allow_environment(p, "production", &err);
	(void)policy_allow_secret(p, "TOKEN", &err);
	policy_show(p, &shown);
	return 0;
}
