/*
 * Inputs of actions that everybody uses. Actions grow new ones, so that an
 * input which is not here is no mistake; one that is nearly here is a slip.
 */
#include <string.h>

#include "workflow/lint.h"
#include "workflow/nearest.h"

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct {
	const char *action;
	const char *const *inputs;
} known[] = {
	{"actions/checkout",
	 NAMES("repository", "ref", "token", "ssh-key", "ssh-known-hosts", "ssh-strict", "ssh-user",
	       "persist-credentials", "path", "clean", "filter", "sparse-checkout",
	       "sparse-checkout-cone-mode", "fetch-depth", "fetch-tags", "show-progress", "lfs",
	       "submodules", "set-safe-directory", "github-server-url")},
	{"actions/setup-python",
	 NAMES("python-version", "python-version-file", "cache", "architecture", "check-latest",
	       "token", "cache-dependency-path", "update-environment", "allow-prereleases",
	       "freethreaded", "pip-version", "pip-install")},
	{"actions/setup-node",
	 NAMES("node-version", "node-version-file", "architecture", "check-latest", "registry-url",
	       "scope", "token", "cache", "cache-dependency-path", "always-auth", "mirror",
	       "mirror-token", "package-manager-cache")},
	{"actions/setup-go", NAMES("go-version", "go-version-file", "check-latest", "token",
				   "cache", "cache-dependency-path", "architecture")},
	{"actions/setup-java",
	 NAMES("java-version", "java-version-file", "distribution", "java-package", "architecture",
	       "check-latest", "server-id", "server-username", "server-password", "settings-path",
	       "overwrite-settings", "gpg-private-key", "gpg-passphrase", "cache",
	       "cache-dependency-path", "token")},
	{"actions/cache",
	 NAMES("path", "key", "restore-keys", "upload-chunk-size", "enableCrossOsArchive",
	       "fail-on-cache-miss", "lookup-only", "save-always")},
	{"actions/upload-artifact",
	 NAMES("name", "path", "if-no-files-found", "retention-days", "compression-level",
	       "overwrite", "include-hidden-files")},
	{"actions/download-artifact",
	 NAMES("name", "artifact-ids", "path", "pattern", "merge-multiple", "github-token",
	       "repository", "run-id")},
	{"actions/github-script",
	 NAMES("script", "github-token", "debug", "user-agent", "previews", "result-encoding",
	       "retries", "retry-exempt-status-codes", "base-url")},
};

static const char *const *inputs_of(const char *uses)
{
	for (size_t i = 0; i < COUNT(known); i++) {
		size_t len = strlen(known[i].action);

		if (strncasecmp(uses, known[i].action, len) == 0 && uses[len] == '@')
			return known[i].inputs;
	}
	return NULL;
}

static void lint_input(struct lint *l, const struct node *key, const char *const *inputs)
{
	struct nearest near = {.word = key->text};

	for (size_t i = 0; inputs[i]; i++) {
		if (strcasecmp(inputs[i], key->text) == 0)
			return;
		nearest_try(&near, inputs[i]);
	}
	if (near.name)
		diag_warn(l->checker.diags, key->at, "action-inputs",
			  "the action has no input '%.100s'; did you mean '%s'?", key->text,
			  near.name);
}

void lint_known_inputs(struct lint *l, const struct node *step)
{
	const char *uses = node_text(node_get(step, "uses"));
	const char *const *inputs = uses ? inputs_of(uses) : NULL;
	const struct node *with = node_get(step, "with");

	for (size_t i = 0; inputs && with && with->kind == NODE_MAP && i < with->count; i++)
		if (!template_has_expr(with->pairs[i].key->text) && lint_afford(l, 100))
			lint_input(l, with->pairs[i].key, inputs);
}
