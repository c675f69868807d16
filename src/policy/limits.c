/* limits: the numbers of a policy, one table for reading, setting and showing them. */
#include <inttypes.h>
#include <string.h>

#include "policy/names.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"

/* How the value of a limit is written. */
struct limit_kind {
	int (*parse)(const char *text, uint64_t *out);
	void (*show)(struct strbuf *out, uint64_t n);
	const char *expected;
};

static int parse_count(const char *text, uint64_t *out)
{
	return parse_u64(text, 0, UINT64_MAX, out);
}

/* Processors in thousandths: 2, 0.5, 1.25. */
static int parse_cpus(const char *text, uint64_t *out)
{
	size_t whole_len = strcspn(text, ".");
	char whole[8], part[4] = "000";
	uint64_t n, milli;

	if (whole_len == 0 || whole_len >= sizeof(whole))
		return -1;
	memcpy(whole, text, whole_len);
	whole[whole_len] = '\0';
	if (text[whole_len] == '.') {
		const char *digits = text + whole_len + 1;

		if (!*digits || strlen(digits) > 3)
			return -1;
		memcpy(part, digits, strlen(digits));
	}
	if (parse_u64(whole, 0, 100000, &n) < 0 || parse_u64(part, 0, 999, &milli) < 0)
		return -1;
	*out = n * 1000 + milli;
	return 0;
}

/* ---- a number as text ---- */

struct unit {
	uint64_t size;
	const char *name;
};

/* In the largest unit that divides it; units ascend. */
static void show_in_units(struct strbuf *out, uint64_t n, const struct unit *units, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count; i++)
		if (n % units[i].size == 0)
			best = i;
	strbuf_addf(out, "%" PRIu64 "%s", n / units[best].size, units[best].name);
}

static void show_size(struct strbuf *out, uint64_t n)
{
	static const struct unit units[] = {{1, ""}, {KIB, "KiB"}, {MIB, "MiB"}, {GIB, "GiB"}};

	show_in_units(out, n, units, COUNT(units));
}

static void show_time(struct strbuf *out, uint64_t n)
{
	static const struct unit units[] = {{1, "ms"}, {1000, "s"}, {60000, "m"}, {3600000, "h"}};

	show_in_units(out, n, units, COUNT(units));
}

static void show_count(struct strbuf *out, uint64_t n)
{
	strbuf_addf(out, "%" PRIu64, n);
}

static void show_cpus(struct strbuf *out, uint64_t milli)
{
	number_write(out, (double)milli / 1000);
}

/* ---- the kinds ---- */

static const struct limit_kind kind_size = {parse_size, show_size, "a size such as 64MiB or 2GiB"};
static const struct limit_kind kind_time = {parse_duration, show_time,
					    "a time such as 30m, 90s or 250ms"};
static const struct limit_kind kind_cpus = {parse_cpus, show_cpus, "processors such as 2 or 0.5"};
static const struct limit_kind kind_count = {parse_count, show_count, "a whole number"};

/*
 * One limit from text. None at all must be said in a word: a zero is more
 * often a slip than a wish.
 */
static bool limit_parse(const struct limit_kind *kind, const char *text, uint64_t *out)
{
	uint64_t n;

	if (strcmp(text, "none") == 0) {
		*out = 0;
		return true;
	}
	if (kind->parse(text, &n) < 0 || n == 0)
		return false;
	*out = n;
	return true;
}

static bool decode_limit(struct decode *d, const struct field *field, const struct node *value,
			 void *out)
{
	const struct limit_kind *kind = field->arg;
	const char *text = node_text(value);

	if (text && limit_parse(kind, text, out))
		return true;
	diag_error(d->diags, value->at, "policy", "'%s': expected %s, or none", field->key,
		   kind->expected);
	return false;
}

#define LIMIT(key, member, kind)                                                                   \
	{                                                                                          \
		key, decode_limit, offsetof(struct policy_limits, member), 0, kind                 \
	}
const struct field policy_limit_fields[] = {
	LIMIT("memory", memory, &kind_size),
	LIMIT("cpus", cpus_milli, &kind_cpus),
	LIMIT("io", io, &kind_size),
	LIMIT("pids", pids, &kind_count),
	LIMIT("disk", disk, &kind_size),
	LIMIT("files", files, &kind_count),
	LIMIT("open-files", open_files, &kind_count),
	LIMIT("log", log, &kind_size),
	LIMIT("artifacts", artifacts, &kind_size),
	LIMIT("services", services, &kind_count),
	LIMIT("step", step_ms, &kind_time),
	LIMIT("job", job_ms, &kind_time),
};
const size_t policy_limit_count = COUNT(policy_limit_fields);

const struct policy_limits policy_limits_default = {
	.memory = 2 * GIB,
	.cpus_milli = 2000,
	.pids = 512,
	.disk = 4 * GIB,
	.files = 200000,
	.open_files = 4096,
	.log = 16 * MIB,
	.artifacts = 512 * MIB,
	.services = 4,
	.step_ms = UINT64_C(30) * 60 * 1000,
	.job_ms = UINT64_C(60) * 60 * 1000,
};

bool policy_decode_limits(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	(void)field;
	return decode_map(d, policy_limit_fields, policy_limit_count, "limits", value, out);
}

static int unknown_limit(const char *name, size_t len, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(256);

	for (size_t i = 0; i < policy_limit_count; i++)
		strbuf_addf(&names, "%s%s", i ? ", " : "", policy_limit_fields[i].key);
	return err_fail(err, ERR_USAGE, "unknown limit '%.*s': the limits are %s", (int)len, name,
			names.text);
}

int policy_set_limit(struct policy_limits *limits, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=");

	if (text[len] != '=')
		return err_fail(err, ERR_USAGE, "limit '%s' has no value: write memory=64MiB",
				text);
	for (size_t i = 0; i < policy_limit_count; i++) {
		const struct field *f = &policy_limit_fields[i];
		const struct limit_kind *kind = f->arg;

		if (strlen(f->key) != len || memcmp(f->key, text, len) != 0)
			continue;
		if (!limit_parse(kind, text + len + 1, (void *)((char *)limits + f->offset)))
			return err_fail(err, ERR_USAGE, "limit '%s': expected %s, or none", text,
					kind->expected);
		return 0;
	}
	return unknown_limit(text, len, err);
}

void policy_limit_show(const struct policy_limits *limits, const struct field *row,
		       struct strbuf *out)
{
	const struct limit_kind *kind = row->arg;
	const char *at = (const char *)limits + row->offset;
	uint64_t n;

	memcpy(&n, at, sizeof(n));
	if (n)
		kind->show(out, n);
	else
		strbuf_adds(out, "none");
}
