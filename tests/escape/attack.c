#include "attack.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	attack_fn *fn;
} attacks[] = {
	{"setid", attack_setid},
	{"namespaces", attack_namespaces},
	{"threads", attack_threads},
	{"mount-api", attack_mount_api},
	{"mount", attack_mount},
	{"chroot", attack_chroot},
	{"remount", attack_remount},
	{"mknod", attack_mknod},
	{"caps", attack_caps},
	{"calls", attack_calls},
	{"unknown", attack_unknown},
	{"io-uring", attack_io_uring},
	{"foreign-abi", attack_foreign_abi},
	{"families", attack_families},
	{"netlink", attack_netlink},
	{"terminal", attack_terminal},
	{"tty", attack_tty},
	{"meddle", attack_meddle},
	{"devices", attack_devices},
	{"shared-node", attack_shared_node},
	{"open-write", attack_open_write},
	{"open-read", attack_open_read},
	{"cgroup-mount", attack_cgroup_mount},
	{"cgroup", attack_cgroup},
	{"processes", attack_processes},
	{"connect", attack_connect},
	{"filters", attack_filters},
	{"listener", attack_listener},
	{"responder", attack_responder},
	{"storm", attack_storm},
	{"flood", attack_flood},
	{"forks", attack_forks},
	{"pthreads", attack_pthreads},
	{"memory", attack_memory},
	{"fill", attack_fill},
	{"fill-thread", attack_fill_thread},
	{"names", attack_names},
	{"unmapped", attack_unmapped},
	{"fds", attack_fds},
	{"under-way", attack_under_way},
	{"ptys", attack_ptys},
	{"priorities", attack_priorities},
	{"burn", attack_burn},
	{"flush", attack_flush},
	{"stubborn", attack_stubborn},
	{"daemon", attack_daemon},
	{"outlive", attack_outlive},
	{"orphans", attack_orphans},
	{"answers", attack_answers},
	{"dump", attack_dump},
	{"share", attack_share},
	{"programs", attack_programs},
	{"reopen", attack_reopen},
	{"nap", attack_nap},
	{"exec", attack_exec},
	{"descriptors", attack_descriptors},
	{"newcomers", attack_newcomers},
	{"forge", attack_forge},
	{"environment", attack_environment},
	{"title", attack_title},
	{"core", attack_core},
	{"egress", attack_egress},
	{"spellings", attack_spellings},
	{"resolve", attack_resolve},
	{"abstract", attack_abstract},
	{"poison", attack_poison},
};

static int say(const char *word, const char *fmt, va_list args)
{
	(void)printf("%s: ", word);
	(void)vprintf(fmt, args);
	(void)puts("");
	(void)fflush(stdout);
	return 0;
}

int held(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)say("held", fmt, args);
	va_end(args);
	return 0;
}

int open_way(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)say("open", fmt, args);
	va_end(args);
	return 1;
}

int cannot(const char *why)
{
	(void)printf("cannot: %s\n", why);
	return 77;
}

int in_child(int (*fn)(void *), void *arg)
{
	int status = 0;
	const pid_t pid = fork();

	if (pid == 0)
		_exit(fn(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 99;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return error == 0 ? "success" : name ? name : "?";
}

double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < COUNT(attacks); i++)
		if (strcmp(argv[1], attacks[i].name) == 0)
			return attacks[i].fn(argc - 1, argv + 1);
	(void)fprintf(stderr, "usage: attack NAME [ARGUMENT]...\n");
	return 2;
}
