/*
 * The filters, attacked from inside. Each row calls with arguments that cannot
 * succeed for anybody, once under the filter and once without: the first gives
 * the policy's answer, the second anything else (the positive control).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/filter.h>

#include "../escape/calls.h"
#include "cell/caps.h"
#include "cell/seccomp.h"
#include "cell/seccomp_policy.h"
#include "stepcell/digest.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* What a build needs: the filter must not be seen. */
static const struct call allowed[] = {
	{"openat", {NO, BAD, 0}, 0},
	{"fchmodat2", {NO, BAD, 0, 0}, 0},
	{"setxattr", {BAD, BAD, BAD, 0, 0}, 0},
	{"mknod", {BAD, S_IFIFO | 0600, 0}, 0},
	{"mknodat", {NO, BAD, S_IFREG | 0600, 0}, 0},
	{"ioctl", {NO, 0x5401}, 0},
	{"unshare", {CLONE_FILES}, 0},
	{"personality", {0xffffffff}, 0},
	{"socket", {AF_UNIX, SOCK_STREAM, 99}, 0},
	{"socket", {AF_INET, SOCK_STREAM, 17}, 0},
	{"socketpair", {AF_UNIX, SOCK_STREAM, 0, BAD}, 0},
	{"ptrace", {9999, 0x7fffffff}, 0},
	{"prctl", {9999}, 0},
	{"pidfd_open", {0x7fffffff, 0}, 0},
	{"landlock_create_ruleset", {BAD, 1, NO}, 0},
	{"seccomp", {9999, 0, 0}, 0},
	{"mseal", {BAD, BAD, NO}, 0},
	{"copy_file_range", {NO, 0, NO, 0, 0, 0}, 0},
	{"setuid", {NO}, 0},
	{"futex_waitv", {BAD, 0, NO, 0, 0}, 0},
};

/* ---- a child under a filter ---- */

/* The source tree's own policies: this program is build/VARIANT/unit/NAME. */
static void policy_path(const char *name, char *out, size_t size)
{
	char exe[3000];
	const ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	assert_true(n > 0);
	exe[n] = '\0';
	for (int i = 0; i < 4; i++)
		*strrchr(exe, '/') = '\0';
	(void)snprintf(out, size, "%s/policies/seccomp/%s.yml", exe, name);
}

static struct seccomp_filter load(const char *name)
{
	struct seccomp_filter filter;
	char path[4096];
	struct err err;

	policy_path(name, path, sizeof(path));
	if (seccomp_filter_load(path, NULL, &filter, &err) < 0)
		fail_msg("%s", err.text);
	return filter;
}

typedef void child_fn(void *arg);

/* The status of a child that runs `fn`, under `filter` unless that is NULL. */
static int in_child(const struct seccomp_filter *filter, child_fn *fn, void *arg)
{
	struct err err;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* cmocka's handlers would go on with the next test, here */
		for (int s = SIGILL; s <= SIGSYS; s++)
			(void)signal(s, SIG_DFL);
		(void)setsid();
		if (filter &&
		    (no_new_privs_set(&err) < 0 || seccomp_filter_install(filter, &err) < 0))
			_exit(99);
		fn(arg);
		/* a sanitizer does more at _exit() than the smallest filters allow */
		(void)syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

struct batch {
	const struct call *calls;
	size_t count;
	int *errors; /* shared with the child */
};

static int make_call(const struct call *c)
{
	const unsigned long *a = c->args;

	errno = 0;
	return syscall(seccomp_call_number(SCMP_ARCH_NATIVE, c->name), a[0], a[1], a[2], a[3], a[4],
		       a[5]) == -1
		       ? errno
		       : 0;
}

static void make_calls(void *arg)
{
	struct batch *b = arg;

	for (size_t i = 0; i < b->count; i++)
		b->errors[i] = make_call(&b->calls[i]);
}

static int *run_batch(const struct seccomp_filter *filter, const struct call *calls, size_t count)
{
	struct batch b = {calls, count,
			  mmap(NULL, count * sizeof(int), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0)};

	assert_ptr_not_equal(b.errors, MAP_FAILED);
	assert_int_equal(in_child(filter, make_calls, &b), 0);
	return b.errors;
}

static void compare(const struct call *calls, size_t count, bool controls)
{
	struct seccomp_filter filter = load("default");
	int *inside = run_batch(&filter, calls, count);
	int *outside = run_batch(NULL, calls, count);
	unsigned wrong = 0;

	for (size_t i = 0; i < count; i++) {
		const int want = calls[i].answer ? calls[i].answer : outside[i];

		if (seccomp_call_number(SCMP_ARCH_NATIVE, calls[i].name) < 0)
			continue; /* another machine's call */
		if (inside[i] != want && ++wrong)
			print_error("%s(%lx, %lx): %s inside, want %s\n", calls[i].name,
				    calls[i].args[0], calls[i].args[1], strerrorname_np(inside[i]),
				    strerrorname_np(want));
		if (outside[i] == ENOSYS && want == ENOSYS)
			continue; /* an older kernel, which has no such call */
		if (controls && outside[i] == want && ++wrong)
			print_error("%s(%lx, %lx): %s without the filter too\n", calls[i].name,
				    calls[i].args[0], calls[i].args[1],
				    strerrorname_np(outside[i]));
	}
	(void)munmap(inside, count * sizeof(int));
	(void)munmap(outside, count * sizeof(int));
	seccomp_filter_release(&filter);
	assert_int_equal(wrong, 0);
}

static void refuses_the_attack_table(void **state)
{
	(void)state;
	/* without root the kernel itself says EPERM to most: no control */
	if (geteuid() != 0)
		print_message("no controls: not root\n");
	compare(refused, COUNT(refused), geteuid() == 0);
}

static void leaves_builds_alone(void **state)
{
	(void)state;
	compare(allowed, COUNT(allowed), false);
}

/* ---- the shape of the answers ---- */

static void unknown_numbers_do_not_exist(void *arg)
{
	static const long numbers[] = {1000, 511, 600, 2000, 100000};

	(void)arg;
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (syscall(numbers[i], 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			_exit(1);
}

static void unknown_calls_get_enosys(void **state)
{
	struct seccomp_filter filter = load("default");

	(void)state;
	assert_int_equal(in_child(&filter, unknown_numbers_do_not_exist, NULL), 0);
	seccomp_filter_release(&filter);
}

static int family_error(int family, int type)
{
	const int fd = socket(family, type, 0);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static void try_families(void *arg)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};

	(void)arg;
	for (int f = 0; f <= 50; f++)
		for (size_t t = 0; t < COUNT(types); t++) {
			const int e = family_error(f, types[t] | SOCK_CLOEXEC);
			const bool inet = f == AF_INET || f == AF_INET6;

			if (f == AF_UNIX || f == AF_NETLINK)
				continue; /* the kernel's answers */
			if (inet ? (types[t] >= SOCK_RAW && e != EPERM) : e != EAFNOSUPPORT)
				_exit(f);
		}
	/* the kernel cuts a family to 32 bits; above them the filter must see the same */
	if (syscall(SYS_socket, 0x100000000UL | AF_PACKET, SOCK_RAW, 0) != -1 ||
	    errno != EAFNOSUPPORT)
		_exit(100);
	if (family_error(AF_UNIX, SOCK_STREAM) || family_error(AF_INET, SOCK_STREAM) ||
	    family_error(AF_NETLINK, SOCK_RAW))
		_exit(101);
}

static void socket_families(void **state)
{
	struct seccomp_filter filter = load("default");

	(void)state;
	assert_int_equal(in_child(&filter, try_families, NULL), 0);
	seccomp_filter_release(&filter);
}

#ifdef __x86_64__
static void call_32_bit(void *arg)
{
	int result;

	(void)arg;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); /* getpid */
}

static void call_x32(void *arg)
{
	(void)arg;
	(void)syscall(0x40000000 | SYS_getpid);
}
#endif

static void foreign_abis_die(void **state)
{
	(void)state;
#ifdef __x86_64__
	struct seccomp_filter filter = load("default");
	int status = in_child(&filter, call_32_bit, NULL);

	assert_true(WIFSIGNALED(status));
	if (in_child(NULL, call_32_bit, NULL) == 0)
		assert_int_equal(WTERMSIG(status), SIGSYS);
	status = in_child(&filter, call_x32, NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	assert_int_equal(in_child(NULL, call_x32, NULL), 0);
	seccomp_filter_release(&filter);
#else
	skip();
#endif
}

/* ---- what must work ---- */

static void *thread_body(void *arg)
{
	*(int *)arg = 42;
	return NULL;
}

static void start_thread(void *arg)
{
	pthread_t thread;
	int answer = 0;

	(void)arg;
	if (pthread_create(&thread, NULL, thread_body, &answer) != 0 ||
	    pthread_join(thread, NULL) != 0 || answer != 42)
		_exit(1);
}

static void threads_start_without_clone3(void **state)
{
	static const char *const policies[] = {"default", "worker"};

	(void)state;
	for (size_t i = 0; i < COUNT(policies); i++) {
		struct seccomp_filter filter = load(policies[i]);

		assert_int_equal(in_child(&filter, start_thread, NULL), 0);
		seccomp_filter_release(&filter);
	}
}

static const struct {
	const char *policy;
	struct call call;
} others[] = {
	{"worker", {"execve", {BAD, BAD, BAD}, EPERM}},
	{"worker", {"socket", {AF_UNIX, SOCK_STREAM}, EPERM}},
	{"worker", {"fork", {0}, EPERM}},
	{"worker", {"ptrace", {9999}, EPERM}},
	{"worker", {"ioctl", {NO, 0x5412}, EPERM}},
	{"worker", {"ioctl", {NO, 0x5401}, EBADF}},
	{"worker", {"kill", {0x7fffffff, 0}, EPERM}},
	{"worker", {"clone3", {BAD, 0}, ENOSYS}},
	{"init", {"openat", {NO, BAD, 0}, EPERM}},
	{"init", {"clone", {CLONE_NEWUSER | CLONE_THREAD}, EPERM}},
	{"init", {"kill", {0x7fffffff, 0}, ESRCH}},
};

static void other_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(others); i++) {
		struct seccomp_filter filter = load(others[i].policy);
		int *got = run_batch(&filter, &others[i].call, 1);

		if (*got != others[i].call.answer)
			fail_msg("%s: %s gives %s, want %s", others[i].policy, others[i].call.name,
				 strerrorname_np(*got), strerrorname_np(others[i].call.answer));
		(void)munmap(got, sizeof(int));
		seccomp_filter_release(&filter);
	}
}

/* ---- reading policies ---- */

static const struct {
	const char *text, *error;
} bad_policies[] = {
	{"rules: 3\n", "p.yml:1:8: expected a list"},
	{"unknown: maybe\nrules: []\n", "p.yml:1:10: expected allow, success, kill"},
	{"unknown: allow\nrules: []\n", "p.yml:1:1: 'unknown' must refuse"},
	{"rules:\n  - calls: [read]\n", "missing 'why'"},
	{"rules:\n  - {why: x, calls: [reed]}\n", "p.yml:2:5: there is no system call 'reed'"},
	{"rules:\n  - {why: x, call: [read]}\n", "unknown key 'call'"},
	{"rules:\n  - {why: x, calls: [read]}\n  - {why: y, calls: [read]}\n",
	 "p.yml:3:5: 'read' is already answered without conditions in line 2"},
	{"rules:\n  - {why: x, calls: [read], when: []}\n", "expected 1 to 6 conditions"},
	{"rules:\n  - {why: x, calls: [read], when: [{arg: 6, in: [0]}]}\n",
	 "expected an argument from 0 to 5"},
	{"rules:\n  - {why: x, calls: [read], when: [{arg: 0, in: []}]}\n",
	 "expected 1 to 64 values"},
	{"rules:\n  - {why: x, calls: [read], when: [{arg: 0, in: [-1]}]}\n",
	 "expected a number of 32 bits"},
	{"rules:\n  - {why: x, calls: [read], when: [{arg: 0, in: [0x100000000]}]}\n",
	 "expected a number of 32 bits"},
	{"rules:\n  - {why: x, calls: [read], when: [{arg: 0, mask: 1, in: [2]}]}\n",
	 "expected a value within the mask"},
	{"include: ../x.yml\nrules: []\n", "'../x.yml' is not the name of a file"},
	{"include: absent.yml\nrules: []\n", "absent.yml"},
	{"{include: p.yml, rules: []}\n", "'include: NAME' must begin a line"},
	{"include: p.yml\nrules: []\n", "what is included cannot include"},
};

struct home {
	char path[64], policy[96], cache[96];
};

static int setup(void **state)
{
	struct home *h = calloc(1, sizeof(*h));

	(void)snprintf(h->path, sizeof(h->path), "/tmp/cell_seccomp.XXXXXX");
	*state = h;
	if (!mkdtemp(h->path))
		return -1;
	(void)snprintf(h->policy, sizeof(h->policy), "%s/p.yml", h->path);
	(void)snprintf(h->cache, sizeof(h->cache), "%s/cache", h->path);
	return 0;
}

static int teardown(void **state)
{
	struct home *h = *state;
	struct err err;
	const int r = remove_tree(AT_FDCWD, h->path, &err);

	free(h);
	return r;
}

static void put(const char *path, const char *text)
{
	struct err err;

	if (file_write(AT_FDCWD, path, text, strlen(text), 0600, &err) < 0)
		fail_msg("%s", err.text);
}

static void bad_policies_say_where(void **state)
{
	const struct home *h = *state;

	for (size_t i = 0; i < COUNT(bad_policies); i++) {
		struct seccomp_filter filter;
		struct err err = {0};

		put(h->policy, bad_policies[i].text);
		assert_int_equal(seccomp_filter_load(h->policy, NULL, &filter, &err), -1);
		if (!strstr(err.text, bad_policies[i].error))
			fail_msg("%s\ngives: %s\nwant: %s", bad_policies[i].text, err.text,
				 bad_policies[i].error);
	}
}

/* ---- the cache ---- */

#define MINIMAL(answer)                                                                            \
	"unknown: EPERM\n"                                                                         \
	"rules:\n"                                                                                 \
	"  - {why: enough to end, calls: [exit_group]}\n"                                          \
	"  - {why: to tell apart, calls: [getpgrp], answer: " answer "}\n"

static void ask_getpgrp(void *arg)
{
	errno = 0;
	*(int *)arg = syscall(SYS_getpgrp) == -1 ? errno : 0;
}

/* What getpgrp answers under the policy, which was compiled or came from the cache. */
static int answer_of(const struct home *h)
{
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct seccomp_filter filter;
	struct err err;
	int answer;

	if (seccomp_filter_load(h->policy, h->cache, &filter, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(in_child(&filter, ask_getpgrp, shared), 0);
	seccomp_filter_release(&filter);
	answer = *shared;
	(void)munmap(shared, 4096);
	return answer;
}

/* The only file of the cache; its name is freed by the caller. */
static char *cached(const struct home *h)
{
	struct dirent *entry;
	char *path = NULL;
	DIR *dir = opendir(h->cache);

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			assert_null(path);
			assert_true(asprintf(&path, "%s/%s", h->cache, entry->d_name) > 0);
		}
	(void)closedir(dir);
	assert_non_null(path);
	return path;
}

static void cache_follows_the_text(void **state)
{
	const struct home *h = *state;

	put(h->policy, MINIMAL("ENOSYS"));
	assert_int_equal(answer_of(h), ENOSYS);
	free(cached(h));
	assert_int_equal(answer_of(h), ENOSYS);
	free(cached(h));
	put(h->policy, MINIMAL("success"));
	assert_int_equal(answer_of(h), 0);
}

static void cache_follows_what_is_included(void **state)
{
	const struct home *h = *state;
	char other[128];

	(void)snprintf(other, sizeof(other), "%s/other.yml", h->path);
	put(h->policy, "include: other.yml\nrules: []\n");
	put(other, MINIMAL("ENOSYS"));
	assert_int_equal(answer_of(h), ENOSYS);
	put(other, MINIMAL("success"));
	assert_int_equal(answer_of(h), 0);
}

/* A filter that lets everything through, put where ours is. */
static void bad_caches_are_made_again(void **state)
{
	static const struct sock_filter open_gate = BPF_STMT(BPF_RET | BPF_K, 0x7fff0000);
	const struct home *h = *state;
	auto_free char *path = NULL;
	auto_strbuf struct strbuf good = STRBUF(MIB), now = STRBUF(MIB);
	struct err err;

	put(h->policy, MINIMAL("ENOSYS"));
	assert_int_equal(answer_of(h), ENOSYS);
	path = cached(h);
	assert_int_equal(file_read(AT_FDCWD, path, &good, &err), 0);

	for (size_t cut = 0; cut < good.len; cut += good.len / 3) {
		assert_int_equal(file_write(AT_FDCWD, path, good.text, cut, 0600, &err), 0);
		assert_int_equal(answer_of(h), ENOSYS);
	}
	assert_int_equal(file_write(AT_FDCWD, path, &open_gate, sizeof(open_gate), 0600, &err), 0);
	assert_int_equal(answer_of(h), ENOSYS);
	good.text[0] ^= 1;
	assert_int_equal(file_write(AT_FDCWD, path, good.text, good.len, 0600, &err), 0);
	assert_int_equal(answer_of(h), ENOSYS);
	good.text[0] ^= 1;
	assert_int_equal(file_read(AT_FDCWD, path, &now, &err), 0);
	assert_int_equal(now.len, good.len);
	assert_memory_equal(now.text, good.text, good.len);

	/* others may write it: then others may have written it */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(answer_of(h), ENOSYS);

	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* a link is not followed, and a directory is not a reason to fail */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(answer_of(h), ENOSYS);
}

/* A whole file of ours, but of another policy, under this one's name. */
static void a_cache_of_another_policy_is_made_again(void **state)
{
	const struct home *h = *state;
	auto_free char *kept = NULL, *path = NULL;

	put(h->policy, MINIMAL("success"));
	assert_int_equal(answer_of(h), 0);
	path = cached(h);
	assert_true(asprintf(&kept, "%s/kept", h->path) > 0);
	assert_int_equal(rename(path, kept), 0);
	put(h->policy, MINIMAL("ENOSYS"));
	assert_int_equal(answer_of(h), ENOSYS);
	free(path);
	path = cached(h);
	assert_int_equal(rename(kept, path), 0);
	assert_int_equal(answer_of(h), ENOSYS);
}

/* A file that is whole, of this policy, and lets every call through: its digest is no secret. */
static void forge(const char *path)
{
	static const struct sock_filter open_gate = BPF_STMT(BPF_RET | BPF_K, 0x7fff0000);
	struct digest_stream *d = digest_new();
	char file[sizeof(open_gate) + DIGEST_HEX];
	struct digest digest;
	struct err err;

	digest_add(d, strrchr(path, '/') + 1, DIGEST_HEX);
	digest_add(d, &open_gate, sizeof(open_gate));
	digest_end(&d, &digest);
	memcpy(file, &open_gate, sizeof(open_gate));
	memcpy(file + sizeof(open_gate), digest.hex, DIGEST_HEX);
	(void)unlink(path);
	assert_int_equal(file_write(AT_FDCWD, path, file, sizeof(file), 0600, &err), 0);
}

static void planted_caches_are_not_loaded(void **state)
{
	static const mode_t modes[] = {0620, 0602, 0666};
	const struct home *h = *state;
	auto_free char *path = NULL, *elsewhere = NULL;

	put(h->policy, MINIMAL("ENOSYS"));
	assert_int_equal(answer_of(h), ENOSYS);
	path = cached(h);
	forge(path);
	assert_int_equal(answer_of(h), 0); /* the control: in our own hand it would do */

	for (size_t i = 0; i < COUNT(modes); i++) {
		forge(path);
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(answer_of(h), ENOSYS);
	}
	/* through a link, though what it leads to is ours */
	forge(path);
	assert_true(asprintf(&elsewhere, "%s/elsewhere", h->path) > 0);
	assert_int_equal(rename(path, elsewhere), 0);
	assert_int_equal(symlink(elsewhere, path), 0);
	assert_int_equal(answer_of(h), ENOSYS);
	if (geteuid() != 0)
		return; /* giving a file away takes root */
	forge(path);
	assert_int_equal(chown(path, 54321, 54321), 0);
	assert_int_equal(answer_of(h), ENOSYS);
}

static void a_cache_that_cannot_be_written_is_no_error(void **state)
{
	struct home *h = *state;

	put(h->policy, MINIMAL("ENOSYS"));
	(void)snprintf(h->cache, sizeof(h->cache), "/proc/nowhere/cache");
	assert_int_equal(answer_of(h), ENOSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_the_attack_table),
		cmocka_unit_test(leaves_builds_alone),
		cmocka_unit_test(unknown_calls_get_enosys),
		cmocka_unit_test(socket_families),
		cmocka_unit_test(foreign_abis_die),
		cmocka_unit_test(threads_start_without_clone3),
		cmocka_unit_test(other_policies),
		cmocka_unit_test_setup_teardown(bad_policies_say_where, setup, teardown),
		cmocka_unit_test_setup_teardown(cache_follows_the_text, setup, teardown),
		cmocka_unit_test_setup_teardown(cache_follows_what_is_included, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_caches_are_made_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cache_of_another_policy_is_made_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(planted_caches_are_not_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cache_that_cannot_be_written_is_no_error, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
