/* serve: the proxy's own side, inside its cell. Private. */
#pragma once

#include <stddef.h>

#include "proxy/rules.h"

#define CLIENTS_MAX 128 /* at once; more wait until one has ended */
#define NEWS_LINE                                                                                  \
	512 /* the longest, less than PIPE_BUF: "HOST:PORT WHY\n", WHY empty when allowed */

/* A cell_fn: `arg` is a struct proxy_rules; fds are the listening socket and the news' pipe. */
int proxy_serve(void *arg, const int *fds, size_t fd_count);
