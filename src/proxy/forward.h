/* forward: what runs in the cell of forward_start(). Private. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A cell_fn: `arg` is a uint16_t for each of `fds`, the port that its clients want. */
int forward_serve(void *arg, const int *fds, size_t fd_count);
