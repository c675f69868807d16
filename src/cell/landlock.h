/*
 * landlock: which files a cell may reach, whatever its mounts say; and no
 * abstract socket or signal leaves it.
 *
 * TCP is not restricted here: rules name ports, not addresses, so they would
 * close the cell's own loopback too. Its network namespace is that wall.
 */
#pragma once

#include <stddef.h>

#include "stepcell/err.h"

enum landlock_access {
	LANDLOCK_READ = 1 << 0,    /* read files, list directories */
	LANDLOCK_EXECUTE = 1 << 1, /* execute files */
	LANDLOCK_WRITE = 1 << 2,   /* write and truncate files */
	LANDLOCK_MAKE = 1 << 3,    /* make, remove, rename and link; never devices */
	LANDLOCK_DEVICE = 1 << 4,  /* ioctl on character devices: terminals */
};
#define LANDLOCK_ALL (LANDLOCK_READ | LANDLOCK_EXECUTE | LANDLOCK_WRITE | LANDLOCK_MAKE)

/* Everything below `fd` (O_PATH will do; a file or a directory). */
struct landlock_rule {
	int fd;
	unsigned access; /* enum landlock_access */
};

/* The kernel's ABI version; 0 when it has no Landlock, or it is switched off. */
int landlock_abi(void);

/*
 * Deny everything but the rules, for this process and all that it starts. The
 * whole of what the kernel's ABI can restrict is restricted. After all mounts:
 * a restricted process cannot mount. Needs no_new_privs. Without Landlock this
 * is an error: ask landlock_abi() first.
 */
int landlock_restrict(const struct landlock_rule *rules, size_t count, struct err *err);
