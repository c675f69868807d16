/*
 * The calls that the default policy refuses, with its answers. Arguments are
 * such that the call cannot succeed for anybody, root included: so each may be
 * made without the filter too, and then gives another answer.
 *
 * The unit test installs the filter and makes them; the escape test makes them
 * in a cell.
 */
#pragma once

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define BAD 1UL /* an address that is never mapped */
#define NO  ((unsigned long)-1)

/* A call as it is made, and the policy's answer; 0: allowed, so the kernel's own answer. */
struct call {
	const char *name;
	unsigned long args[6];
	int answer;
};

static const struct call refused[] = {
	{"mount", {BAD, BAD, BAD}, EPERM},
	{"umount2", {BAD, NO}, EPERM},
	{"pivot_root", {BAD, BAD}, EPERM},
	{"chroot", {BAD}, EPERM},
	{"setns", {NO, 0}, EPERM},
	{"swapon", {BAD, NO}, EPERM},
	{"swapoff", {BAD}, EPERM},
	{"quotactl", {NO, BAD}, EPERM},
	{"quotactl_fd", {NO, NO}, EPERM},
	{"reboot", {0, 0, 0, 0}, EPERM},
	{"kexec_load", {0, 0, 0, NO}, EPERM},
	{"kexec_file_load", {NO, NO, 0, 0, NO}, EPERM},
	{"init_module", {BAD, 0, BAD}, EPERM},
	{"finit_module", {NO, BAD, NO}, EPERM},
	{"delete_module", {BAD, 0}, EPERM},
	{"acct", {BAD}, EPERM},
	{"syslog", {100, 0, 0}, EPERM},
	{"nfsservctl", {0}, EPERM},
	{"uselib", {BAD}, EPERM},
	{"_sysctl", {BAD}, EPERM},
	{"sysfs", {99}, EPERM},
	{"ustat", {NO, BAD}, EPERM},
	{"lookup_dcookie", {0}, EPERM},
	{"vhangup", {0}, EPERM}, /* these children have no terminal */
	{"sethostname", {BAD, NO}, EPERM},
	{"setdomainname", {BAD, NO}, EPERM},
	{"settimeofday", {BAD, 0}, EPERM},
	{"clock_settime", {99, BAD}, EPERM},
	{"clock_adjtime", {99, BAD}, EPERM},
	{"adjtimex", {BAD}, EPERM},
	{"iopl", {4}, EPERM},
	{"ioperm", {NO, NO, 1}, EPERM},
	{"modify_ldt", {99}, EPERM},
	{"bpf", {999, 0, 0}, EPERM},
	{"perf_event_open", {BAD, 0, 0, NO, NO}, EPERM},
	{"userfaultfd", {0xffff}, EPERM},
	{"fanotify_init", {NO, 0}, EPERM},
	{"fanotify_mark", {NO, 0}, EPERM},
	{"keyctl", {9999}, EPERM},
	{"add_key", {BAD, BAD, BAD, 1, 0}, EPERM},
	{"request_key", {BAD, BAD, BAD, 0}, EPERM},
	{"open_by_handle_at", {NO, BAD, 0}, EPERM},
	{"name_to_handle_at", {NO, BAD, BAD, BAD, NO}, EPERM},
	{"process_vm_readv", {0x7fffffff, 0, 0, 0, 0, 1}, EPERM},
	{"process_vm_writev", {0x7fffffff, 0, 0, 0, 0, 1}, EPERM},
	{"process_madvise", {NO, 0, 0, 0, NO}, EPERM},
	{"process_mrelease", {NO, NO}, EPERM},
	{"kcmp", {0x7fffffff, 0x7fffffff, 0, 0, 0}, EPERM},
	{"pidfd_getfd", {NO, NO, 0}, EPERM},
	{"mbind", {BAD, 0, 99}, EPERM},
	{"set_mempolicy", {99}, EPERM},
	{"set_mempolicy_home_node", {BAD, BAD, NO, NO}, EPERM},
	{"move_pages", {0, 1, BAD, 0, BAD, NO}, EPERM},
	{"migrate_pages", {0x7fffffff, 0, 0, 0}, EPERM},
	{"remap_file_pages", {BAD, BAD, BAD}, EPERM},
	{"lsm_get_self_attr", {NO, BAD, BAD, NO}, EPERM},
	{"lsm_set_self_attr", {NO, BAD, BAD, NO}, EPERM},
	{"lsm_list_modules", {BAD, BAD, NO}, EPERM},
	{"personality", {0x0400000}, EPERM},
	{"personality", {0x0100000}, EPERM},
	/* devices: mode in the low 32 bits, whatever is above them */
	{"mknod", {BAD, S_IFCHR | 0600, 0x103}, EPERM},
	{"mknod", {BAD, S_IFBLK | 0600, 0x800}, EPERM},
	{"mknod", {BAD, S_IFCHR, 0}, EPERM},
	{"mknodat", {NO, BAD, S_IFCHR | 0600, 0x103}, EPERM},
	{"mknodat", {NO, BAD, 0x100000000UL | S_IFBLK, 0}, EPERM},
	/* terminals; a descriptor that is not open */
	{"ioctl", {NO, 0x5412}, EPERM},
	{"ioctl", {NO, 0x541c}, EPERM},
	{"ioctl", {NO, 0x541d}, EPERM},
	{"ioctl", {NO, 0x5423}, EPERM},
	{"ioctl", {NO, 0x100005412UL}, EPERM},
	{"ioctl", {NO, 0xffffffff00005412UL}, EPERM},
	{"ioctl", {NO, 0x401c5820}, EPERM},
	/* space without writing it */
	{"fallocate", {NO, 0, 0, 1}, EOPNOTSUPP},
	{"fallocate", {NO, 1, 0, 1}, EOPNOTSUPP},
	{"fallocate", {NO, 0x10, 0, 1}, EOPNOTSUPP},
	{"fallocate", {NO, 0x100000000UL, 0, 1}, EOPNOTSUPP},
	/* namespaces, one flag at a time; 1 is no flag of unshare, and a thread needs SIGHAND */
	{"unshare", {CLONE_NEWUSER | 1}, EPERM},
	{"unshare", {CLONE_NEWNS | 1}, EPERM},
	{"unshare", {CLONE_NEWPID | 1}, EPERM},
	{"unshare", {CLONE_NEWNET | 1}, EPERM},
	{"unshare", {CLONE_NEWIPC | 1}, EPERM},
	{"unshare", {CLONE_NEWUTS | 1}, EPERM},
	{"unshare", {CLONE_NEWCGROUP | 1}, EPERM},
	{"unshare", {0x80 | 1}, EPERM},
	{"clone", {CLONE_NEWUSER | CLONE_THREAD}, EPERM},
	{"clone", {CLONE_NEWNS | CLONE_THREAD}, EPERM},
	{"clone", {CLONE_NEWPID | CLONE_THREAD}, EPERM},
	{"clone", {CLONE_NEWNET | CLONE_THREAD}, EPERM},
	{"clone", {CLONE_NEWIPC | CLONE_THREAD}, EPERM},
	{"clone", {CLONE_NEWUTS | CLONE_THREAD}, EPERM},
	{"clone", {CLONE_NEWCGROUP | CLONE_THREAD}, EPERM},
	{"clone3", {BAD, 0}, ENOSYS},
	{"open_tree", {NO, BAD, NO}, ENOSYS},
	{"open_tree_attr", {NO, BAD, NO, BAD, 0}, ENOSYS},
	{"move_mount", {NO, BAD, NO, BAD, NO}, ENOSYS},
	{"fsopen", {BAD, NO}, ENOSYS},
	{"fsconfig", {NO, NO, 0, 0, 0}, ENOSYS},
	{"fsmount", {NO, NO, NO}, ENOSYS},
	{"fspick", {NO, BAD, NO}, ENOSYS},
	{"mount_setattr", {NO, BAD, NO, BAD, 0}, ENOSYS},
	{"statmount", {BAD, BAD, 0, NO}, ENOSYS},
	{"listmount", {BAD, BAD, 0, NO}, ENOSYS},
	{"io_uring_setup", {0, BAD}, ENOSYS},
	{"io_uring_enter", {NO, 0, 0, NO}, ENOSYS},
	{"io_uring_register", {NO, NO, 0, 0}, ENOSYS},
	{"io_setup", {0, BAD}, ENOSYS},
	{"io_destroy", {BAD}, ENOSYS},
	{"io_submit", {BAD, 1, BAD}, ENOSYS},
	{"vmsplice", {NO, BAD, 1, NO}, ENOSYS},
	{"memfd_secret", {NO}, ENOSYS},
	{"cachestat", {NO, BAD, BAD, NO}, ENOSYS},
	{"socket", {AF_PACKET, SOCK_RAW, 0}, EAFNOSUPPORT},
	{"socket", {AF_NETLINK, SOCK_RAW, 15}, EAFNOSUPPORT}, /* uevents */
	{"socket", {AF_INET, SOCK_RAW, 255}, EPERM},
	{"socket", {AF_INET, SOCK_DGRAM, 1}, EPROTONOSUPPORT}, /* ping */
	{"socketpair", {AF_INET, SOCK_STREAM, 0, BAD}, EAFNOSUPPORT},
};
