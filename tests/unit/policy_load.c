/* What a policy file may say, what is made of it, and what is said of a bad one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "stepcell/limits.h"
#include "stepcell/policy.h"
#include "stepcell/util.h"

static const struct {
	const char *what, *text, *error; /* error NULL: it loads, and shows as `shown` */
	const char *shown;               /* a line of policy_show() */
} rows[] = {
	{"a name is enough", "name: x\n", NULL, "network: { mode: none }\n"},
	{"nothing said, nothing granted", "name: x\n", NULL,
	 "secrets: none\nenvironments: none\nimages: none\nvolumes: none\n"},
	{"walls by default", "name: x\n", NULL, "require: [userns, seccomp, landlock]\n"},
	{"no walls, aloud", "name: x\nrequire: none\n", NULL, "require: none\n"},
	{"one limit leaves the others", "name: x\nlimits: { memory: 64MiB }\n", NULL,
	 "memory: 64MiB\n  cpus: 2\n  io: none\n  pids: 512\n"},
	{"half a processor", "name: x\nlimits: { cpus: 0.5 }\n", NULL, "cpus: 0.5\n"},
	{"a limit lifted", "name: x\nlimits: { job: none }\n", NULL, "job: none\n"},
	{"a time in its largest unit", "name: x\nlimits: { step: 90s, job: 120m }\n", NULL,
	 "step: 90s\n  job: 2h\n"},
	{"hosts", "name: x\nnetwork: { mode: proxy, allow: ['a.example.com:443'] }\n", NULL,
	 "network: { mode: proxy, allow: [a.example.com:443] }\n"},
	{"hosts inside",
	 "name: x\nnetwork: { mode: proxy, allow: ['a.example.com:443'], internal: [10.0.0.0/8] "
	 "}\n",
	 NULL, "network: { mode: proxy, allow: [a.example.com:443], internal: [10.0.0.0/8] }\n"},
	{"lists", "name: x\nsecrets: [A, B]\nenvironments: all\n", NULL,
	 "secrets: [A, B]\nenvironments: all\n"},

	{"images", "name: x\nimages: ['db:15']\nvolumes: ['/srv:rw']\n", NULL,
	 "images: [db:15]\nvolumes: [/srv:rw]\n"},
	{"every volume", "name: x\nvolumes: all\n", "p.yml:2:10: ", NULL},
	{"a volume without its place", "name: x\nvolumes: [srv]\n", "p.yml:2:11: ", NULL},

	{"no name", "proc: pid\n", "p.yml:1:1: ", NULL},
	{"no audit unless it is said", "name: x\n", NULL, "audit: refused\n"},
	{"an audit", "name: x\naudit: allowed\n", NULL, "audit: allowed\n"},
	{"guarded unless it is said", "name: x\n", NULL, "env-file: guarded\n"},
	{"any variable", "name: x\nenv-file: any\n", NULL, "env-file: any\n"},
	{"a wrong env-file", "name: x\nenv-file: all\n", "p.yml:2:11: ", NULL},
	{"an audit by a flag", "name: x\naudit: true\n", "p.yml:2:8: ", NULL},
	{"an unknown key", "name: x\nsecret: none\n", "p.yml:2:1: unknown key 'secret'", NULL},
	{"a name that is a path", "name: ../x\n", "p.yml:1:7: 'name': expected a name", NULL},
	{"a filter that is a path", "name: x\nseccomp: ../../etc/x\n",
	 "p.yml:2:10: 'seccomp': expected a name", NULL},
	{"an unknown wall", "name: x\nrequire: [userns, apparmor]\n",
	 "p.yml:2:19: unknown wall 'apparmor': expected userns", NULL},
	{"a wall alone", "name: x\nrequire: userns\n", "p.yml:2:10: ", NULL},
	{"an unknown mode", "name: x\nnetwork: { mode: some }\n", "p.yml:2:18: ", NULL},
	{"hosts without a proxy", "name: x\nnetwork: { mode: full, allow: ['a.example.com:1'] }\n",
	 "p.yml:2:10: 'network': only mode proxy takes 'allow' and 'internal'", NULL},
	{"a proxy without hosts", "name: x\nnetwork: { mode: proxy }\n",
	 "p.yml:2:10: 'network': mode proxy needs 'allow'", NULL},
	{"a host without its port", "name: x\nnetwork: { mode: proxy, allow: [a.example.com] }\n",
	 "p.yml:2:33: expected host:port", NULL},
	{"a network with bits behind it",
	 "name: x\nnetwork: { mode: proxy, allow: ['a.example.com:1'], internal: [10.0.0.1/8] }\n",
	 "p.yml:2:64: expected a network such as 10.0.0.0/8", NULL},
	{"networks without a proxy", "name: x\nnetwork: { mode: none, internal: [10.0.0.0/8] }\n",
	 "p.yml:2:10: 'network': only mode proxy takes 'allow' and 'internal'", NULL},
	{"port 0", "name: x\nnetwork: { mode: proxy, allow: ['a.example.com:0'] }\n",
	 "p.yml:2:33: expected host:port", NULL},
	{"a zero is a slip", "name: x\nlimits: { memory: 0 }\n",
	 "p.yml:2:19: 'memory': expected a size", NULL},
	{"a time is no size", "name: x\nlimits: { memory: 30m }\n",
	 "p.yml:2:19: 'memory': expected a size", NULL},
	{"a size is no time", "name: x\nlimits: { step: 30MiB }\n",
	 "p.yml:2:17: 'step': expected a time", NULL},
	{"an unknown limit", "name: x\nlimits: { ram: 1GiB }\n", "p.yml:2:11: unknown key 'ram'",
	 NULL},
	{"a list of limits", "name: x\nlimits: [1]\n", "p.yml:2:9: ", NULL},
	{"secrets by one name", "name: x\nsecrets: TOKEN\n",
	 "p.yml:2:10: expected none, all or a list of names", NULL},
	{"a list", "- name: x\n", "p.yml:1:1: ", NULL},
	{"nothing", "", "p.yml:", NULL},
	{"no YAML", "name: [\n", "p.yml:", NULL},
};

static void check_row(size_t i)
{
	auto_arena struct arena *a = arena_new();
	struct diags diags = {.arena = a};
	auto_strbuf struct strbuf shown = STRBUF(64 * KIB);
	struct err err = {0};
	struct policy *p = policy_load(a, "p.yml", rows[i].text, strlen(rows[i].text), &diags);

	if (rows[i].error) {
		if (p)
			fail_msg("%s: loaded", rows[i].what);
		(void)diags_fail(&diags, &err);
		if (strncmp(err.text, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s: \"%s\"", rows[i].what, err.text);
		return;
	}
	if (!p) {
		(void)diags_fail(&diags, &err);
		fail_msg("%s: %s", rows[i].what, err.text);
		return;
	}
	policy_show(p, &shown);
	if (!strstr(shown.text, rows[i].shown))
		fail_msg("%s: \"%s\"", rows[i].what, shown.text);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(i);
}

/* What is shown is a policy again, and the same one. */
static void test_show_reads_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena *a = arena_new();
		struct diags diags = {.arena = a};
		auto_strbuf struct strbuf once = STRBUF(64 * KIB);
		auto_strbuf struct strbuf twice = STRBUF(64 * KIB);
		struct policy *p;

		if (rows[i].error)
			continue;
		p = policy_load(a, "p.yml", rows[i].text, strlen(rows[i].text), &diags);
		assert_non_null(p);
		policy_show(p, &once);
		p = policy_load(a, "p.yml", once.text, once.len, &diags);
		assert_non_null(p);
		policy_show(p, &twice);
		assert_string_equal(once.text, twice.text);
	}
}

static const struct {
	const char *text;
	uint64_t memory, cpus, step;
	const char *error;
} settings[] = {
	{"memory=64MiB", 64 * MIB, 0, 0, NULL},
	{"cpus=1.25", 0, 1250, 0, NULL},
	{"step=2s", 0, 0, 2000, NULL},
	{"memory=none", 0, 0, 0, NULL},
	{"memory", 0, 0, 0, "limit 'memory' has no value: write memory=64MiB"},
	{"memory=", 0, 0, 0, "limit 'memory=': expected a size such as 64MiB or 2GiB, or none"},
	{"memory=-1", 0, 0, 0, "limit 'memory=-1': expected a size"},
	{"cpus=1.2345", 0, 0, 0, "limit 'cpus=1.2345': expected processors"},
	{"cpus=.5", 0, 0, 0, "limit 'cpus=.5': expected processors"},
	{"pids=0", 0, 0, 0, "limit 'pids=0': expected a whole number, or none"},
	{"mem=1", 0, 0, 0,
	 "unknown limit 'mem': the limits are memory, cpus, io, pids, disk, files, open-files, "
	 "log, artifacts, services, step, job"},
	{"memoryx=1", 0, 0, 0, "unknown limit 'memoryx'"},
};

static void test_set_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(settings); i++) {
		struct policy_limits l = {0};
		struct err err = {0};
		int r = policy_set_limit(&l, settings[i].text, &err);

		assert_int_equal(r, settings[i].error ? -1 : 0);
		if (settings[i].error) {
			assert_int_equal(err.kind, ERR_USAGE);
			if (strncmp(err.text, settings[i].error, strlen(settings[i].error)) != 0)
				fail_msg("%s: %s", settings[i].text, err.text);
		}
		assert_int_equal(l.memory, settings[i].memory);
		assert_int_equal(l.cpus_milli, settings[i].cpus);
		assert_int_equal(l.step_ms, settings[i].step);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_show_reads_back),
		cmocka_unit_test(test_set_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
