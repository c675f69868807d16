/*
 * `options:` are those of docker create. What shapes the container is taken;
 * what would give it more than a cell has is refused by name; what a cell does
 * in any case, or what means nothing here, is passed over.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "runner/container.h"
#include "runner/run.h"
#include "runner/shell.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"

struct option;

struct reader {
	const struct run *run;
	struct container *out;
	const struct option *option;
};

typedef int option_fn(struct reader *r, const char *value, struct err *err);

struct option {
	const char *name, *letter;
	option_fn *take;     /* NULL: nothing comes of it */
	bool flag;           /* has no value */
	const char *refused; /* why it is not served */
};

static int wrong(const struct reader *r, const char *value, const char *expected, struct err *err)
{
	return err_fail(err, ERR_USAGE, "--%s: expected %s, found '%.100s'", r->option->name,
			expected, value);
}

/* ---- health ---- */

/* What a shell in the image is to run. */
static const char *const *shell_command(struct arena *a, const char *text)
{
	const char **argv = arena_array(a, 4, sizeof(*argv));

	argv[0] = "/bin/sh";
	argv[1] = "-c";
	argv[2] = text;
	return argv;
}

static int take_health_cmd(struct reader *r, const char *value, struct err *err)
{
	(void)err;
	r->out->health.set = true;
	r->out->health.argv = shell_command(r->run->arena, value);
	return 0;
}

static int take_no_health(struct reader *r, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	r->out->health.none = true;
	return 0;
}

/* Go's durations: 1m30s, 500ms. */
static int parse_go_duration(const char *text, uint64_t *out)
{
	*out = 0;
	if (!*text)
		return -1;
	while (*text) {
		size_t digits = strspn(text, "0123456789");
		size_t len = digits + strspn(text + digits, "hms");
		char part[32];
		uint64_t ms;

		if (!digits || len >= sizeof(part))
			return -1;
		memcpy(part, text, len);
		part[len] = '\0';
		if (parse_duration(part, &ms) < 0 || __builtin_add_overflow(*out, ms, out))
			return -1;
		text += len;
	}
	return 0;
}

#define LONGEST_MS (UINT64_C(24) * 3600 * 1000)

static int take_time(struct reader *r, const char *value, uint64_t *out, struct err *err)
{
	if (parse_go_duration(value, out) < 0 || *out > LONGEST_MS)
		return wrong(r, value, "a time such as 10s or 1m30s, a day at most", err);
	return 0;
}

static int take_interval(struct reader *r, const char *value, struct err *err)
{
	return take_time(r, value, &r->out->health.interval_ms, err);
}

static int take_timeout(struct reader *r, const char *value, struct err *err)
{
	return take_time(r, value, &r->out->health.timeout_ms, err);
}

static int take_start_period(struct reader *r, const char *value, struct err *err)
{
	return take_time(r, value, &r->out->health.start_ms, err);
}

static int take_retries(struct reader *r, const char *value, struct err *err)
{
	return parse_u64(value, 1, 10000, &r->out->health.retries) < 0
		       ? wrong(r, value, "a number from 1 to 10000", err)
		       : 0;
}

/* ---- what it is and does ---- */

static int take_name(struct reader *r, const char *value, struct err *err)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	struct texts *names = &r->out->names;

	if (!*value || strlen(value) > 253 || strspn(value, allowed) != strlen(value))
		return wrong(r, value, "a host's name", err);
	texts_add(r->run->arena, names, value);
	return 0;
}

static int take_env(struct reader *r, const char *value, struct err *err)
{
	struct arena *a = r->run->arena;
	const char *equals = strchr(value, '=');

	if (!equals || equals == value)
		return wrong(r, value, "NAME=VALUE", err);
	if (!r->out->env)
		r->out->env = node_map(a);
	if (r->out->env->count >= LIMIT_ENV_PAIRS)
		return wrong(r, value, "fewer variables", err);
	node_set_text(a, r->out->env, arena_strndup(a, value, (size_t)(equals - value)),
		      equals + 1);
	return 0;
}

static int take_entrypoint(struct reader *r, const char *value, struct err *err)
{
	(void)err;
	r->out->entrypoint = value;
	return 0;
}

static int take_user(struct reader *r, const char *value, struct err *err)
{
	(void)err;
	r->out->user = value;
	return 0;
}

static int take_workdir(struct reader *r, const char *value, struct err *err)
{
	if (*value != '/')
		return wrong(r, value, "an absolute path", err);
	r->out->workdir = value;
	return 0;
}

static int take_stop_signal(struct reader *r, const char *value, struct err *err)
{
	(void)err;
	r->out->stop_signal = value;
	return 0;
}

static int take_tmpfs(struct reader *r, const char *value, struct err *err)
{
	struct arena *a = r->run->arena;
	struct container *c = r->out;

	if (*value != '/' || strlen(value) > LIMIT_VOLUME_PLACE)
		return wrong(r, value, "an absolute path", err);
	if (c->volume_count == LIMIT_VOLUMES)
		return wrong(r, value, "fewer volumes", err);
	c->volumes = arena_grow(a, c->volumes, c->volume_count, sizeof(*c->volumes));
	c->volumes[c->volume_count++] = (struct container_volume){
		.at = arena_strndup(a, value, strcspn(value, ":")), .writable = true};
	return 0;
}

/* ---- limits: what is asked for, and never more than the policy's ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return !a ? b : !b ? a : a < b ? a : b;
}

static int take_limit(struct reader *r, const char *limit, const char *value, uint64_t *of_wanted,
		      struct policy_limits *wanted, uint64_t *out, struct err *err)
{
	struct err why;

	if (policy_set_limit(wanted, arena_printf(r->run->arena, "%s=%s", limit, value), &why) < 0)
		return wrong(r, value, "a number as docker takes it", err);
	*out = least(*out, *of_wanted);
	return 0;
}

/* Docker writes 512m where the policy has 512MiB. */
static int take_memory(struct reader *r, const char *value, struct err *err)
{
	static const char *const units[][2] = {
		{"bB", ""}, {"kK", "KiB"}, {"mM", "MiB"}, {"gG", "GiB"}};
	struct policy_limits w = {0};
	const size_t len = strlen(value);
	const char *text = value;

	for (size_t i = 0; len && i < COUNT(units); i++)
		if (strchr(units[i][0], value[len - 1]))
			text = arena_printf(r->run->arena, "%.*s%s", (int)len - 1, value,
					    units[i][1]);
	return take_limit(r, "memory", text, &w.memory, &w, &r->out->limits.memory, err);
}

static int take_cpus(struct reader *r, const char *value, struct err *err)
{
	struct policy_limits w = {0};

	return take_limit(r, "cpus", value, &w.cpus_milli, &w, &r->out->limits.cpus_milli, err);
}

static int take_pids(struct reader *r, const char *value, struct err *err)
{
	struct policy_limits w = {0};

	return take_limit(r, "pids", value, &w.pids, &w, &r->out->limits.pids, err);
}

/* ---- the table ---- */

#define NOT_MORE  "a cell has what the policy gives it, and no option gives more"
#define NO_DOORS  "its namespaces are the cell's own"
#define BY_POLICY "say it with `volumes:`, which the policy judges"

static const struct option options[] = {
	{"health-cmd", NULL, take_health_cmd, false, NULL},
	{"health-interval", NULL, take_interval, false, NULL},
	{"health-timeout", NULL, take_timeout, false, NULL},
	{"health-retries", NULL, take_retries, false, NULL},
	{"health-start-period", NULL, take_start_period, false, NULL},
	{"health-start-interval", NULL, NULL, false, NULL}, /* it is asked more often than that */
	{"no-healthcheck", NULL, take_no_health, true, NULL},
	{"name", NULL, take_name, false, NULL},
	{"hostname", "h", take_name, false, NULL},
	{"network-alias", NULL, take_name, false, NULL},
	{"env", "e", take_env, false, NULL},
	{"entrypoint", NULL, take_entrypoint, false, NULL},
	{"user", "u", take_user, false, NULL},
	{"workdir", "w", take_workdir, false, NULL},
	{"stop-signal", NULL, take_stop_signal, false, NULL},
	{"tmpfs", NULL, take_tmpfs, false, NULL},
	{"memory", "m", take_memory, false, NULL},
	{"cpus", NULL, take_cpus, false, NULL},
	{"pids-limit", NULL, take_pids, false, NULL},

	/* what a cell does in any case, or what changes nothing here */
	{"init", NULL, NULL, true, NULL},
	{"rm", NULL, NULL, true, NULL},
	{"cap-drop", NULL, NULL, false, NULL},
	{"label", "l", NULL, false, NULL},
	{"memory-swap", NULL, NULL, false, NULL},
	{"shm-size", NULL, NULL, false, NULL},
	{"stop-timeout", NULL, NULL, false, NULL},
	{"log-driver", NULL, NULL, false, NULL},
	{"log-opt", NULL, NULL, false, NULL},

	{"privileged", NULL, NULL, true, NOT_MORE},
	{"cap-add", NULL, NULL, false, NOT_MORE},
	{"device", NULL, NULL, false, NOT_MORE},
	{"device-cgroup-rule", NULL, NULL, false, NOT_MORE},
	{"gpus", NULL, NULL, false, NOT_MORE},
	{"group-add", NULL, NULL, false, NOT_MORE},
	{"security-opt", NULL, NULL, false, NOT_MORE},
	{"sysctl", NULL, NULL, false, NOT_MORE},
	{"ulimit", NULL, NULL, false, NOT_MORE},
	{"cgroup-parent", NULL, NULL, false, NOT_MORE},
	{"oom-kill-disable", NULL, NULL, true, NOT_MORE},
	{"runtime", NULL, NULL, false, NOT_MORE},
	{"network", NULL, NULL, false, NO_DOORS},
	{"net", NULL, NULL, false, NO_DOORS},
	{"pid", NULL, NULL, false, NO_DOORS},
	{"ipc", NULL, NULL, false, NO_DOORS},
	{"uts", NULL, NULL, false, NO_DOORS},
	{"userns", NULL, NULL, false, NO_DOORS},
	{"cgroupns", NULL, NULL, false, NO_DOORS},
	{"add-host", NULL, NULL, false, NO_DOORS},
	{"dns", NULL, NULL, false, NO_DOORS},
	{"publish", "p", NULL, false, "say it with `ports:`"},
	{"volume", "v", NULL, false, BY_POLICY},
	{"volumes-from", NULL, NULL, false, BY_POLICY},
	{"mount", NULL, NULL, false, BY_POLICY},
};

/* Of the word "--name=value", "--name", "-n". */
static const struct option *find(const char *word)
{
	const bool dashes = strncmp(word, "--", 2) == 0;
	const char *name = word + (dashes ? 2 : 1);
	const size_t len = strcspn(name, "=");

	for (size_t i = 0; *word == '-' && i < COUNT(options); i++) {
		const char *known = dashes ? options[i].name : options[i].letter;

		if (known && strlen(known) == len && strncmp(known, name, len) == 0)
			return &options[i];
	}
	return NULL;
}

/* The value of an option, in its own word or in the next one; NULL: it has none. */
static const char *value_of(const struct option *o, const struct texts *words, size_t *at)
{
	const char *equals = strchr(words->list[*at], '=');

	if (o->flag)
		return "";
	if (equals)
		return equals + 1;
	return *at + 1 < words->count ? words->list[++*at] : NULL;
}

static int take(struct reader *r, const struct texts *words, size_t *at, struct err *err)
{
	const char *word = words->list[*at], *value;
	const struct option *o = find(word);

	if (!o)
		return err_fail(err, ERR_USAGE, "options: '%.100s' is not served", word);
	if (o->refused)
		return err_fail(err, ERR_POLICY, "options: --%s is refused: %s", o->name,
				o->refused);
	value = value_of(o, words, at);
	if (!value)
		return err_fail(err, ERR_USAGE, "options: --%s needs a value", o->name);
	r->option = o;
	return o->take && o->take(r, value, err) < 0 ? err_wrap(err, "options") : 0;
}

int container_options(const struct run *run, const char *text, struct container *out,
		      struct err *err)
{
	struct reader r = {.run = run, .out = out};
	const struct texts words = shell_words(run->arena, text);

	for (size_t i = 0; i < words.count; i++)
		if (take(&r, &words, &i, err) < 0)
			return -1;
	return 0;
}
