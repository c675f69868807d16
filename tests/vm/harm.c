/*
 * harm: what no machine that anybody needs should be asked, for real: an end
 * of the machine, another kernel, a module, a swap file, the program that
 * reads core dumps, another time. Each prints "held: ERROR" or "open: ...".
 *
 * It runs in the processor that qemu makes of programs, and nowhere else.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The hypervisor's name in the processor's own words: nothing in a cell can hide or lend it. */
static int in_qemu(void)
{
	unsigned a, words[4] = {0};

	__cpuid(0x40000000, a, words[0], words[1], words[2]);
	return strcmp((const char *)words, "TCGTCGTCGTCG") == 0;
}

static int do_reboot(void)
{
	sync();
	return reboot(RB_AUTOBOOT);
}

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	(void)close(fd);
	return n < 0 ? -1 : 0;
}

static int do_sysrq(void)
{
	return write_to("/proc/sysrq-trigger", "b");
}

static int do_core_pattern(void)
{
	return write_to("/proc/sys/kernel/core_pattern", "|/bin/false %p");
}

static int do_modprobe(void)
{
	return write_to("/proc/sys/kernel/modprobe", "/bin/false");
}

static int do_module(void)
{
	int fd = open("dummy.ko", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : (int)syscall(SYS_finit_module, fd, "", 0);
}

static int do_module_bytes(void)
{
	static char bytes[1 << 20];
	int fd = open("dummy.ko", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

	return n < 0 ? -1 : (int)syscall(SYS_init_module, bytes, (unsigned long)n, "");
}

static int do_unload(void)
{
	return (int)syscall(SYS_delete_module, "dummy", O_NONBLOCK);
}

static int do_kexec(void)
{
	static const char line[] = "quiet";
	int fd = open("kernel", O_RDONLY | O_CLOEXEC);
	const unsigned long no_initramfs = 4;

	return fd < 0 ? -1
		      : (int)syscall(SYS_kexec_file_load, fd, -1, sizeof(line), line, no_initramfs);
}

static int do_swapon(void)
{
	return swapon("swap", 0);
}

static int do_clock(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 3600;
	return clock_settime(CLOCK_REALTIME, &t);
}

static int do_hostname(void)
{
	return sethostname("taken", 5);
}

static const struct {
	const char *name;
	int (*fn)(void);
} harms[] = {
	{"reboot", do_reboot},     {"sysrq", do_sysrq},       {"core-pattern", do_core_pattern},
	{"modprobe", do_modprobe}, {"module", do_module},     {"module-bytes", do_module_bytes},
	{"unload", do_unload},     {"kexec", do_kexec},       {"swapon", do_swapon},
	{"clock", do_clock},       {"hostname", do_hostname},
};

int main(int argc, char **argv)
{
	if (!in_qemu()) {
		(void)puts("cannot: this is no machine of qemu's");
		return 77;
	}
	for (size_t i = 0; argc == 2 && i < COUNT(harms); i++) {
		if (strcmp(argv[1], harms[i].name) != 0)
			continue;
		if (harms[i].fn() == 0)
			(void)puts("open: it was done");
		else
			(void)printf("held: %s\n", strerrorname_np(errno));
		return 0;
	}
	return 2;
}
