/* home: where stepcell keeps its state and finds its own data files. */
#pragma once

#include <stddef.h>

#include "stepcell/err.h"

/* STEPCELL_HOME, else /var/lib/stepcell for root, else $XDG_DATA_HOME/stepcell or
 * ~/.local/share/stepcell. Made with mode 0700. ERR_SYSTEM
 * where it, or an entry of it, is another user's but root's. */
int state_home(char *out, size_t size, struct err *err);

/*
 * The folder that holds policies/ and rootfs/: STEPCELL_DATA, else the source
 * tree the binary was built in (found from /proc/self/exe), else
 * ../share/stepcell beside the binary's folder. In libstepcell: STEPCELL_DATA,
 * else share/stepcell below the prefix it was built for.
 */
int data_home(char *out, size_t size, struct err *err);
