/* What the policies that ship grant, refuse and say about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "policy/names.h"
#include "stepcell/cell.h"
#include "stepcell/policy.h"
#include "stepcell/util.h"

enum ask { ENVIRONMENT, SECRET };

static const struct {
	const char *policy;
	enum ask ask;
	const char *name;
	const char *error; /* NULL: granted */
} rows[] = {
	{"default", ENVIRONMENT, "production",
	 "policies/default.yml:18: environments: none: environment 'production' is refused; "
	 "run with --policy deploy, or add 'production' to environments"},
	{"default", ENVIRONMENT, "staging",
	 "policies/default.yml:18: environments: none: environment 'staging' is refused; "
	 "add 'staging' to environments"},
	{"default", SECRET, "AWS_ACCESS_KEY_ID",
	 "policies/default.yml:15: secrets: none: secret 'AWS_ACCESS_KEY_ID' is refused; "
	 "run with --policy deploy, or add 'AWS_ACCESS_KEY_ID' to secrets"},
	{"untrusted", ENVIRONMENT, "production",
	 "policies/untrusted.yml:18: environments: none: environment 'production' is refused"},
	{"untrusted", SECRET, "TOKEN", "policies/untrusted.yml:15: secrets: none: secret 'TOKEN'"},
	{"trusted", SECRET, "TOKEN", "policies/trusted.yml:15: secrets: none: secret 'TOKEN'"},
	{"trusted", ENVIRONMENT, "production", "policies/trusted.yml:17: environments: none"},
	{"deploy", ENVIRONMENT, "production", NULL},
	{"deploy", ENVIRONMENT, "Production", NULL},
	{"deploy", ENVIRONMENT, "staging",
	 "policies/deploy.yml:17: environments: [production]: environment 'staging' is refused; "
	 "add 'staging' to environments"},
	{"deploy", SECRET, "AWS_ACCESS_KEY_ID", NULL},
	{"deploy", SECRET, "aws_secret_access_key", NULL},
	{"deploy", SECRET, "AWS_ACCESS_KEY_I",
	 "policies/deploy.yml:12: secrets: [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]: secret "},
	{"deploy", SECRET, "", "policies/deploy.yml:12: "},
};

static void test_shipped(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena *a = arena_new();
		struct err err = {0};
		const struct policy *p = policy_find(a, rows[i].policy, &err);
		int r;

		if (!p)
			fail_msg("%s: %s", rows[i].policy, err.text);
		assert_string_equal(p->name, rows[i].policy);
		r = rows[i].ask == SECRET ? policy_allow_secret(p, rows[i].name, &err)
					  : policy_allow_environment(p, rows[i].name, &err);
		assert_int_equal(r, rows[i].error ? -1 : 0);
		if (!rows[i].error)
			continue;
		assert_int_equal(err.kind, ERR_POLICY);
		if (strncmp(err.text, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s, %s: %s", rows[i].policy, rows[i].name, err.text);
	}
}

static void test_audit(void **state)
{
	static const struct {
		const char *policy, *error;
	} audits[] = {
		{"default", NULL},
		{"trusted", NULL},
		{"deploy", NULL},
		{"untrusted",
		 "policies/untrusted.yml:42: audit: refused: --audit is refused; run with "
		 "--policy default, or say 'audit: allowed'"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(audits); i++) {
		auto_arena struct arena *a = arena_new();
		struct err err = {0};
		const struct policy *p = policy_find(a, audits[i].policy, &err);

		assert_non_null(p);
		assert_int_equal(policy_allow_audit(p, &err), audits[i].error ? -1 : 0);
		assert_int_equal(err.kind, audits[i].error ? ERR_POLICY : ERR_NONE);
		if (audits[i].error)
			assert_string_equal(err.text, audits[i].error);
	}
}

/* An image by its name or its digest; a folder of the host for what it was granted. */
static void test_containers(void **state)
{
	static const char *images[] = {"db:15", "sha256:abc"};
	static const char *volumes[] = {"/srv/r", "/srv/w:rw"};
	struct policy p = {.name = "p",
			   .path = "p.yml",
			   .images = {.names = {images, COUNT(images)}},
			   .volumes = {.names = {volumes, COUNT(volumes)}}};
	struct err err = {0};

	(void)state;
	assert_int_equal(policy_allow_image(&p, "db:15", "123", &err), 0);
	assert_int_equal(policy_allow_image(&p, "other", "abc", &err), 0);
	assert_int_equal(policy_allow_image(&p, "DB:15", "123", &err), -1);
	assert_string_equal(err.text,
			    "p.yml:0: images: [db:15, sha256:abc]: image 'DB:15' is refused; add "
			    "'DB:15' to images");
	p.images.all = true;
	assert_int_equal(policy_allow_image(&p, "any", "123", &err), 0);
	assert_int_equal(policy_allow_volume(&p, "/srv/r", false, &err), 0);
	assert_int_equal(policy_allow_volume(&p, "/srv/w", true, &err), 0);
	assert_int_equal(policy_allow_volume(&p, "/srv/w", false, &err), 0);
	assert_int_equal(policy_allow_volume(&p, "/srv/r", true, &err), -1);
	assert_int_equal(policy_allow_volume(&p, "/srv", false, &err), -1);
	assert_int_equal(policy_allow_volume(&p, "/srv/r/x", false, &err), -1);
}

/* No policy that ships gives a step the network, and all keep the wall that the others stand on. */
static void test_shipped_walls(void **state)
{
	static const char *const names[] = {"default", "untrusted", "trusted", "deploy"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		auto_arena struct arena *a = arena_new();
		struct err err = {0};
		const struct policy *p = policy_find(a, names[i], &err);

		assert_non_null(p);
		assert_int_equal(p->network, POLICY_NET_NONE);
		assert_false(p->secrets.all);
		assert_false(p->environments.all);
		assert_string_equal(p->require.list[0], "userns");
		assert_int_not_equal(p->limits.memory, 0);
		assert_int_not_equal(p->limits.pids, 0);
		assert_int_not_equal(p->limits.step_ms, 0);
	}
}

static void test_find_fails(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct err err = {0};

	(void)state;
	assert_null(policy_find(a, "nosuch", &err));
	assert_int_equal(err.kind, ERR_USAGE);
	assert_non_null(strstr(err.text, "policy 'nosuch': "));
	assert_null(policy_find(a, "./nosuch.yml", &err));
	assert_int_equal(err.kind, ERR_USAGE);
}

/* Trust follows the code, whatever the event is called. */
static const struct {
	const char *event;
	bool fork, base_tree;
	const char *policy;
} choices[] = {
	{"push", false, true, "default"},
	{"push", false, false, "untrusted"},
	{"push", true, true, "untrusted"}, /* an event file, and no word of what it is */
	{"release", false, true, "default"},
	{"pull_request", false, true, "default"},
	{"pull_request", true, true, "untrusted"},
	{"pull_request", true, false, "untrusted"},
	{"pull_request", false, false, "untrusted"},
	{"pull_request_review", true, true, "untrusted"},
	{"pull_request_target", true, true, "default"},
	{"pull_request_target", true, false, "untrusted"},
	{"workflow_run", true, false, "untrusted"},
	{NULL, false, true, "untrusted"},
};

static void test_choose(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(choices); i++)
		assert_string_equal(
			policy_choose(choices[i].event, choices[i].fork, choices[i].base_tree),
			choices[i].policy);
}

/* policy may not include cell, so the names of the walls are written twice. */
static void test_walls_are_the_cells(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CELL_WALL_COUNT; i++)
		assert_string_equal(policy_wall_names[i],
				    cell_wall_name((enum cell_wall)(1u << i)));
	assert_null(policy_wall_names[CELL_WALL_COUNT]);
}

int main(void)
{
	/* the tests run at the top of the tree, their binaries lie deeper than stepcell's */
	(void)setenv("STEPCELL_DATA", ".", 0);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_audit),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_shipped_walls),
		cmocka_unit_test(test_find_fails),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_walls_are_the_cells),

	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
