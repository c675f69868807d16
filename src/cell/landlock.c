#include "cell/landlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/util.h"

/* The kernel's interface, carried here because the distribution's headers stop at ABI 2. */
enum right {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
};

#define FS_ABI_1 ((FS_MAKE_SYM << 1) - 1)
#define FS_NAMES                                                                                   \
	(FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK |               \
	 FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER)
#define SCOPE_ABSTRACT_UNIX 1
#define SCOPE_SIGNAL        2
#define CREATE_VERSION      1
#define RULE_PATH_BENEATH   1

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* What each ABI version added, in order. */
static const struct {
	int abi;
	uint64_t fs, scoped;
} additions[] = {
	{1, FS_ABI_1, 0},
	{2, FS_REFER, 0},
	{3, FS_TRUNCATE, 0},
	{5, FS_IOCTL_DEV, 0},
	{6, 0, SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL},
};

/* No row allows MAKE_CHAR or MAKE_BLOCK. Whiteouts are made by the kernel, not by the cell. */
static const struct {
	unsigned access;
	uint64_t fs;
} meanings[] = {
	{LANDLOCK_READ, FS_READ_FILE | FS_READ_DIR},
	{LANDLOCK_EXECUTE, FS_EXECUTE},
	{LANDLOCK_WRITE, FS_WRITE_FILE | FS_TRUNCATE},
	{LANDLOCK_MAKE, FS_NAMES},
	{LANDLOCK_DEVICE, FS_IOCTL_DEV},
};

/* The rights that mean something for a file; the kernel refuses a rule that grants it others. */
#define FS_OF_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static struct ruleset_attr handled_by(int abi)
{
	struct ruleset_attr attr = {0};

	for (size_t i = 0; i < COUNT(additions) && additions[i].abi <= abi; i++) {
		attr.fs |= additions[i].fs;
		attr.scoped |= additions[i].scoped;
	}
	return attr;
}

/* An older kernel takes a longer struct as long as what it does not know is zero. */
static int ruleset_open(const struct ruleset_attr *attr, struct err *err)
{
	long fd = syscall(SYS_landlock_create_ruleset, attr, sizeof(*attr), 0);

	return fd < 0 ? err_sys(err, "cannot make a Landlock ruleset") : (int)fd;
}

static uint64_t rights_of(unsigned access)
{
	uint64_t fs = 0;

	for (size_t i = 0; i < COUNT(meanings); i++)
		if (access & meanings[i].access)
			fs |= meanings[i].fs;
	return fs;
}

static int add_rule(int ruleset, const struct landlock_rule *rule, uint64_t handled,
		    struct err *err)
{
	struct path_beneath beneath = {.allowed = rights_of(rule->access) & handled,
				       .fd = rule->fd};
	struct stat st;

	if (fstat(rule->fd, &st) < 0)
		return err_sys(err, "cannot look at a Landlock rule's path");
	if (!S_ISDIR(st.st_mode))
		beneath.allowed &= FS_OF_FILE;
	if (beneath.allowed == 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &beneath, 0) < 0)
		return err_sys(err, "cannot add a Landlock rule");
	return 0;
}

int landlock_restrict(const struct landlock_rule *rules, size_t count, struct err *err)
{
	const struct ruleset_attr attr = handled_by(landlock_abi());

	if (!attr.fs)
		return err_fail(err, ERR_SYSTEM, "this kernel has no Landlock");

	auto_fd int ruleset = ruleset_open(&attr, err);

	if (ruleset < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (add_rule(ruleset, &rules[i], attr.fs, err) < 0)
			return -1;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(err, "cannot enter the Landlock domain");
	return 0;
}
