/* stepcell policy: the policies there are, one as it is in force, and what its lines mean. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "stepcell/home.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/policy.h"
#include "stepcell/util.h"

struct policy_options {
	struct texts environments, secrets;
};

static const struct option_row rows[] = {
	{0, "environment", "NAME", opt_list, offsetof(struct policy_options, environments),
	 "explain: may a job use this environment? (exit 3 when not)"},
	{0, "secret", "NAME", opt_list, offsetof(struct policy_options, secrets),
	 "explain: may a step be given this secret? (exit 3 when not)"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell policy list | show POLICY | explain POLICY [OPTION]...",
	.about = "POLICY is the name of one that ships, or the path of a file.",
	.rows = rows,
	.count = COUNT(rows),
};

/* ---- list ---- */

static int is_policy_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return name_is_safe(entry->d_name) && dot && strcmp(dot, ".yml") == 0;
}

/* "no secrets", "2 secrets", "all secrets" */
static void add_names(struct strbuf *out, const struct policy_names *names, const char *what)
{
	size_t n = names->names.count;

	if (names->all || !n)
		strbuf_addf(out, ", %s %ss", names->all ? "all" : "no", what);
	else
		strbuf_addf(out, ", %zu %s%s", n, what, n == 1 ? "" : "s");
}

static void print_short(const struct policy *p)
{
	static const char *const networks[] = {
		[POLICY_NET_NONE] = "no network",
		[POLICY_NET_PROXY] = "network by proxy",
		[POLICY_NET_FULL] = "full network",
	};
	auto_strbuf struct strbuf line = STRBUF(512);

	strbuf_addf(&line, "%-12s %s", p->name, networks[p->network]);
	add_names(&line, &p->secrets, "secret");
	add_names(&line, &p->environments, "environment");
	(void)puts(line.text);
}

static int list_one(const char *file, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	char name[NAME_MAX + 1];
	const struct policy *p;

	(void)snprintf(name, sizeof(name), "%.*s", (int)strlen(file) - 4, file);
	p = policy_find(a, name, err);
	if (!p)
		return -1;
	print_short(p);
	return 0;
}

static int list(struct err *err)
{
	char data[PATH_MAX], dir[PATH_MAX];
	struct dirent **files;
	int n, result = 0;

	if (data_home(data, sizeof(data), err) < 0 ||
	    path_join(dir, sizeof(dir), data, "policies", err) < 0)
		return -1;
	n = scandir(dir, &files, is_policy_file, alphasort);
	if (n < 0)
		return err_sys(err, "cannot read '%s'", dir);
	for (int i = 0; i < n; i++) {
		if (result == 0)
			result = list_one(files[i]->d_name, err);
		free(files[i]);
	}
	free(files);
	return result;
}

/* ---- show ---- */

static void show(const struct policy *p)
{
	auto_strbuf struct strbuf out = STRBUF(LIMIT_POLICY_BYTES);

	policy_show(p, &out);
	(void)fputs(out.text, stdout);
}

/* ---- explain ---- */

static const char *const checkout_means[] = {
	[POLICY_OVERLAY] =
		"what a step writes goes to a layer of its own; the host's checkout never "
		"changes",
	[POLICY_STRICT] = "writing to the checkout fails with EROFS",
	[POLICY_COPY] = "the job works on one plain copy of the checkout, which it may change",
};

static const char *const proc_means[] = {
	[POLICY_PROC_PID] = "a step sees its own processes in /proc and none of the host's numbers",
	[POLICY_PROC_FULL] = "a step sees all of /proc, its dangerous files masked",
};

static const char *const network_means[] = {
	[POLICY_NET_NONE] = "a step has a loopback of its own and nothing else",
	[POLICY_NET_PROXY] = "a step reaches the hosts that `allow` names, through a proxy",
	[POLICY_NET_FULL] = "a step shares the network of whoever runs stepcell",
};

static const char *const audit_means[] = {
	[POLICY_AUDIT_REFUSED] = "what the filter refuses is not counted",
	[POLICY_AUDIT_ALLOWED] = "--audit may count what the filter refuses",
};

static const struct {
	const char *name, *means;
} walls[] = {
	{"userns", "namespaces of its own, where the step owns nothing of the host"},
	{"seccomp", "a list of the system calls that it may make"},
	{"landlock", "a second fence around the files"},
	{"cgroup", "limits on memory, processors and processes that hold for all of the step"},
	{"timens", "a clock of its own since boot"},
};

static const char *wall_means(const char *name)
{
	for (size_t i = 0; i < COUNT(walls); i++)
		if (strcmp(walls[i].name, name) == 0)
			return walls[i].means;
	return "";
}

static void print_names(const char *key, const char *what, const struct policy_names *names,
			const struct policy *p)
{
	printf("%s (%s:%u)\n", key, p->path, names->at.line);
	if (names->all)
		printf("  any %s that a workflow names\n", what);
	else if (!names->names.count)
		printf("  no %s, whatever a workflow names\n", what);
	for (size_t i = 0; i < names->names.count; i++)
		printf("  %s\n", names->names.list[i]);
}

static void explain(const struct policy *p)
{
	printf("policy %s (%s)\n\n", p->name, p->path);
	printf("checkout\n  %s\nproc\n  %s\n", checkout_means[p->checkout], proc_means[p->proc]);
	printf("network (%s:%u)\n  %s\n", p->path, p->network_at.line, network_means[p->network]);
	for (size_t i = 0; i < p->network_allow.count; i++)
		printf("  %s\n", p->network_allow.list[i]);
	print_names("secrets", "secret", &p->secrets, p);
	print_names("environments", "environment", &p->environments, p);
	print_names("images", "image of the store", &p->images, p);
	print_names("volumes", "folder of the host", &p->volumes, p);
	printf("seccomp\n  the system calls of policies/seccomp/%s.yml\n", p->seccomp);
	printf("audit (%s:%u)\n  %s\n", p->path, p->audit_at.line, audit_means[p->audit]);
	printf("require: the run is refused on a host without\n");
	for (size_t i = 0; i < p->require.count; i++)
		printf("  %-9s %s\n", p->require.list[i], wall_means(p->require.list[i]));
	printf("limits: 'stepcell policy show %s' prints them\n", p->name);
}

typedef int ask_fn(const struct policy *p, const char *name, struct err *err);

static int ask_all(const struct policy *p, const struct texts *names, const char *what, ask_fn *ask,
		   struct err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		if (ask(p, names->list[i], err) < 0)
			return -1;
		printf("%s '%s' is granted\n", what, names->list[i]);
	}
	return 0;
}

static int answer(const struct policy *p, const struct policy_options *o, struct err *err)
{
	if (!o->environments.count && !o->secrets.count) {
		explain(p);
		return 0;
	}
	if (ask_all(p, &o->environments, "environment", policy_allow_environment, err) < 0)
		return -1;
	return ask_all(p, &o->secrets, "secret", policy_allow_secret, err);
}

/* ---- the command ---- */

static int of_one(char **words, const struct policy_options *o, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	const struct policy *p = policy_find(a, words[1], err);

	if (!p)
		return -1;
	if (strcmp(words[0], "explain") == 0)
		return answer(p, o, err);
	show(p);
	return 0;
}

static int dispatch(char **words, const struct policy_options *o, struct err *err)
{
	const char *verb = words[0] ? words[0] : "";
	bool one = strcmp(verb, "show") == 0 || strcmp(verb, "explain") == 0;

	if (strcmp(verb, "list") == 0 && !words[1])
		return list(err);
	if (one && words[1] && !words[2])
		return of_one(words, o, err);
	return err_fail(err, ERR_USAGE, "expected: %s", usage.synopsis);
}

int cmd_policy(int argc, char **argv, struct err *err)
{
	struct policy_options o = {0};
	int at, result = options_decode(&usage, argc, argv, &o, &at, err);

	if (result == 0)
		result = dispatch(argv + at, &o, err);
	else if (result > 0)
		result = 0;
	option_list_release(&o.environments);
	option_list_release(&o.secrets);
	return result;
}
