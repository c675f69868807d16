/*
 * A policy becomes a filter: the numbers of calls by libseccomp, their
 * arguments by seccomp_judge.c, the result kept in a file.
 */
#include "cell/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cell/seccomp_policy.h"
#include "stepcell/digest.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

/* ---- compiling ---- */

struct compiler {
	struct arena *arena;
	scmp_filter_ctx ctx;
	uint32_t arch; /* of the machine that is compiled for: SCMP_ARCH_* */
	struct seccomp_rest rest;
	struct err *err;
};

static struct seccomp_judged rules_of(struct compiler *c, const struct seccomp_policy *p,
				      const char *call)
{
	struct seccomp_judged found = {arena_array(c->arena, p->count, sizeof(*found.rules)), 0};

	for (size_t i = 0; i < p->count; i++)
		if (seccomp_rule_names(&p->rules[i], call))
			found.rules[found.count++] = &p->rules[i];
	return found;
}

/* The answer, or a mark that stands for rules with conditions. */
static uint32_t action_of(struct compiler *c, const struct seccomp_judged *found)
{
	struct seccomp_rest *rest = &c->rest;

	if (!found->rules[0]->condition_count)
		return found->rules[0]->action;
	rest->judged = arena_grow(c->arena, rest->judged, rest->judged_count, sizeof(*found));
	rest->judged[rest->judged_count] = *found;
	return seccomp_judge_mark(rest->judged_count++);
}

static void add_young(struct compiler *c, int number, uint32_t action)
{
	struct seccomp_rest *rest = &c->rest;

	rest->young = arena_grow(c->arena, rest->young, rest->young_count, sizeof(*rest->young));
	rest->young[rest->young_count++] = (struct seccomp_young){number, action};
}

static int add_call(struct compiler *c, const struct seccomp_policy *p, const char *call)
{
	const struct seccomp_judged found = rules_of(c, p, call);
	const int number = seccomp_call_number(c->arch, call);
	uint32_t action;
	int r;

	if (number < 0)
		return 0; /* other machines have it */
	action = action_of(c, &found);
	if (action == c->rest.unknown)
		return 0;
	if (seccomp_syscall_resolve_name_arch(c->arch, call) < 0) {
		add_young(c, number, action);
		return 0;
	}
	/* by this machine's number, whatever it is compiled for: libseccomp translates */
	r = seccomp_rule_add_exact(c->ctx, action, seccomp_syscall_resolve_name(call), 0);
	errno = -r;
	return r < 0 ? err_sys(c->err, "cannot add a rule for '%s'", call) : 0;
}

/* Is this the first mention of the call, and has `over` none? */
static bool is_due(const struct seccomp_policy *p, size_t rule, const char *call,
		   const struct seccomp_policy *over)
{
	for (size_t i = 0; i < rule; i++)
		if (seccomp_rule_names(&p->rules[i], call))
			return false;
	for (size_t i = 0; over && i < over->count; i++)
		if (seccomp_rule_names(&over->rules[i], call))
			return false;
	return true;
}

static int add_rules(struct compiler *c, const struct seccomp_policy *p,
		     const struct seccomp_policy *over)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = 0; j < p->rules[i].calls.count; j++) {
			const char *call = p->rules[i].calls.list[j];

			if (is_due(p, i, call, over) && add_call(c, p, call) < 0)
				return -1;
		}
	return 0;
}

static int choose_machine(struct compiler *c)
{
	if (c->arch == seccomp_arch_native())
		return 0;
	if (seccomp_arch_remove(c->ctx, seccomp_arch_native()) < 0 ||
	    seccomp_arch_add(c->ctx, c->arch) < 0)
		return err_fail(c->err, ERR_USAGE, "libseccomp knows no machine %#x", c->arch);
	return 0;
}

static int set_attributes(struct compiler *c)
{
	static const struct {
		enum scmp_filter_attr attr;
		uint32_t value;
	} attributes[] = {
		/* another ABI (32 bits, x32) has other numbers: none of these rules is about it */
		{SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
		{SCMP_FLTATR_CTL_OPTIMIZE, 2},
	};

	for (size_t i = 0; i < COUNT(attributes); i++)
		if (seccomp_attr_set(c->ctx, attributes[i].attr, attributes[i].value) < 0)
			return err_fail(c->err, ERR_SYSTEM, "cannot set up libseccomp");
	return 0;
}

static int export(scmp_filter_ctx ctx, struct strbuf *out, struct err *err)
{
	auto_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);

	errno = -r;
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "cannot export the filter");
	return read_capped(fd, out, err);
}

static int compile(struct arena *a, uint32_t arch, const struct seccomp_policy *policy,
		   const struct seccomp_policy *included, struct strbuf *out, struct err *err)
{
	struct compiler c = {.arena = a,
			     .ctx = seccomp_init(SECCOMP_MARK_UNKNOWN),
			     .arch = arch,
			     .rest = {.unknown = policy->unknown},
			     .err = err};
	int r;

	if (!c.ctx)
		return err_fail(err, ERR_SYSTEM, "cannot start libseccomp");
	r = choose_machine(&c);
	if (r == 0)
		r = set_attributes(&c);
	if (r == 0)
		r = add_rules(&c, policy, NULL);
	if (r == 0 && included)
		r = add_rules(&c, included, policy);
	if (r == 0)
		r = export(c.ctx, out, err);
	seccomp_release(c.ctx);
	return r < 0 ? -1 : seccomp_judge(out, &c.rest, err);
}

/* ---- reading ---- */

#define MAX_POLICY LIMIT_POLICY_BYTES
#define MAX_FILTER (BPF_MAXINSNS * sizeof(struct sock_filter))

/* A policy and the one that it includes: all that a filter is made from. */
struct source {
	const char *path[2];
	struct strbuf text[2];
	size_t count;
};

static void source_release(struct source *s)
{
	for (size_t i = 0; i < COUNT(s->text); i++)
		strbuf_release(&s->text[i]);
}

/*
 * The included file has to be known before the policy is parsed, so that a
 * cached filter costs no parsing: "include: NAME" must begin a line.
 */
static const char *find_include(struct arena *a, const char *text)
{
	static const char key[] = "include: ";
	const char *line = text;

	while (strncmp(line, key, sizeof(key) - 1) != 0) {
		line = strchr(line, '\n');
		if (!line++)
			return NULL;
	}
	line += sizeof(key) - 1;
	return arena_strndup(a, line, strcspn(line, " \t\r\n#"));
}

static const char *beside(struct arena *a, const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return arena_printf(a, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, name);
}

static int source_read(struct arena *a, const char *path, struct source *out, struct err *err)
{
	const char *include;

	out->path[0] = path;
	out->count = 1;
	if (file_read(AT_FDCWD, path, &out->text[0], err) < 0)
		return -1;
	include = find_include(a, out->text[0].text);
	if (!include)
		return 0;
	if (!name_is_safe(include))
		return err_fail(err, ERR_USAGE, "%s: '%s' is not the name of a file beside it",
				path, include);
	out->path[1] = beside(a, path, include);
	out->count = 2;
	return file_read(AT_FDCWD, out->path[1], &out->text[1], err);
}

/* What the decoder found must be what find_include() saw, or a cached filter could be stale. */
static int check_include(const struct source *s, const struct seccomp_policy *policy,
			 struct err *err)
{
	const bool agree =
		s->count == 2 ? policy[0].include && !policy[1].include : !policy[0].include;

	return agree ? 0
		     : err_fail(err, ERR_USAGE,
				"%s: 'include: NAME' must begin a line, and what is included "
				"cannot include",
				s->path[0]);
}

static int source_compile(struct arena *a, const struct source *s, uint32_t arch,
			  struct strbuf *out, struct err *err)
{
	struct seccomp_policy policy[2] = {0};
	struct diags diags = {.arena = a};

	for (size_t i = 0; i < s->count; i++) {
		const struct node *root =
			yaml_parse(a, s->path[i], s->text[i].text, s->text[i].len, &diags);

		if (!root || !seccomp_policy_decode(a, root, &policy[i], &diags))
			return diags_fail(&diags, err);
	}
	if (check_include(s, policy, err) < 0)
		return -1;
	if (compile(a, arch, &policy[0], s->count == 2 ? &policy[1] : NULL, out, err) < 0)
		return -1;
	if (out->len == 0 || out->len > MAX_FILTER)
		return err_fail(err, ERR_USAGE, "the filter is too large for the kernel");
	return 0;
}

/* ---- the cache ---- */

#define FORMAT "stepcell seccomp 2"

static struct digest source_key(const struct source *s)
{
	const struct scmp_version *lib = seccomp_version();
	struct digest_stream *d = digest_new();
	struct digest key;
	char head[128];
	int n;

	n = snprintf(head, sizeof(head), FORMAT " %x %u.%u.%u %zu", seccomp_arch_native(),
		     lib->major, lib->minor, lib->micro, s->text[0].len);
	digest_add(d, head, (size_t)n);
	for (size_t i = 0; i < s->count; i++)
		digest_add(d, s->text[i].text, s->text[i].len);
	digest_end(&d, &key);
	return key;
}

/* Of the code and of what it was made from: a file of another policy is no better than a broken one. */
static struct digest cache_digest(const struct digest *key, const char *code, size_t len)
{
	struct digest_stream *d = digest_new();
	struct digest digest;

	digest_add(d, key->hex, DIGEST_HEX);
	digest_add(d, code, len);
	digest_end(&d, &digest);
	return digest;
}

/* Ours, of a size that a filter can have, and with its digest behind it. */
static bool cache_read(const char *path, const struct digest *key, struct strbuf *out)
{
	auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct digest digest;
	struct err ignored;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022) || read_capped(fd, out, &ignored) < 0 || out->len <= DIGEST_HEX ||
	    (out->len - DIGEST_HEX) % sizeof(struct sock_filter) != 0)
		return false;
	digest = cache_digest(key, out->text, out->len - DIGEST_HEX);
	if (memcmp(digest.hex, out->text + out->len - DIGEST_HEX, DIGEST_HEX) != 0)
		return false;
	strbuf_cut(out, out->len - DIGEST_HEX);
	return true;
}

/* A cache that cannot be written costs time, nothing else. */
static void cache_write(const char *dir, const char *path, const struct digest *key,
			const struct strbuf *code)
{
	auto_strbuf struct strbuf file = STRBUF(MAX_FILTER + DIGEST_HEX);
	const struct digest digest = cache_digest(key, code->text, code->len);
	struct err ignored;

	strbuf_add(&file, code->text, code->len);
	strbuf_adds(&file, digest.hex);
	if (mkdir_all(dir, 0700, &ignored) == 0)
		(void)file_write(AT_FDCWD, path, file.text, file.len, 0600, &ignored);
}

static int load(const struct source *s, struct arena *a, const char *cache_dir, struct strbuf *code,
		struct err *err)
{
	const struct digest key = source_key(s);
	const char *path = cache_dir ? arena_printf(a, "%s/%s.bpf", cache_dir, key.hex) : NULL;

	if (path && cache_read(path, &key, code))
		return 0;
	strbuf_clear(code);
	if (source_compile(a, s, seccomp_arch_native(), code, err) < 0)
		return -1;
	if (path)
		cache_write(cache_dir, path, &key, code);
	return 0;
}

/* ---- the interface ---- */

/* How a source becomes instructions: by the cache, or for a machine that is not this one. */
struct making {
	bool cached;
	const char *cache_dir;
	uint32_t arch;
};

static int make(const char *policy_path, const struct making *how, struct seccomp_filter *out,
		struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf code = STRBUF(MAX_FILTER + DIGEST_HEX);
	struct source source = {.text = {STRBUF(MAX_POLICY), STRBUF(MAX_POLICY)}};
	int r;

	r = source_read(a, policy_path, &source, err);
	if (r == 0)
		r = how->cached ? load(&source, a, how->cache_dir, &code, err)
				: source_compile(a, &source, how->arch, &code, err);
	source_release(&source);
	if (r < 0)
		return err_wrap(err, "seccomp policy");
	out->count = code.len / sizeof(struct sock_filter);
	out->code = (struct sock_filter *)(void *)strbuf_detach(&code);
	return 0;
}

int seccomp_filter_load(const char *policy_path, const char *cache_dir, struct seccomp_filter *out,
			struct err *err)
{
	const struct making how = {.cached = true, .cache_dir = cache_dir};

	return make(policy_path, &how, out, err);
}

int seccomp_filter_compile(const char *policy_path, uint32_t arch, struct seccomp_filter *out,
			   struct err *err)
{
	const struct making how = {.arch = arch};

	return make(policy_path, &how, out, err);
}

static long install(const struct seccomp_filter *filter, unsigned flags)
{
	const struct sock_fprog program = {.len = (unsigned short)filter->count,
					   .filter = filter->code};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int seccomp_filter_install(const struct seccomp_filter *filter, struct err *err)
{
	if (install(filter, 0) < 0)
		return err_sys(err, "cannot install the seccomp filter");
	return 0;
}

int seccomp_filter_install_asking(const struct seccomp_filter *filter, struct err *err)
{
	/* once a question has been taken, no signal breaks into its answer but one that kills */
	const long fd = install(filter, SECCOMP_FILTER_FLAG_NEW_LISTENER |
						SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

	if (fd < 0 && errno == EBUSY)
		return err_fail(err, ERR_SYSTEM,
				"stepcell is itself under a filter that somebody listens to, and "
				"the kernel gives no second listener: run it without --audit");
	return fd < 0 ? err_sys(err, "cannot install the seccomp filter") : (int)fd;
}

void seccomp_filter_release(struct seccomp_filter *filter)
{
	free(filter->code);
	*filter = (struct seccomp_filter){0};
}
