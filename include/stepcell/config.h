/* config: what the operator of this host, or its user, has set for all runs of stepcell. */
#pragma once

#include "stepcell/err.h"
#include "stepcell/node.h"

/*
 * A section of the configuration file, or NULL where it has none. The file is
 * $XDG_CONFIG_HOME/stepcell/config.yml (~/.config without it), and where that
 * is not there /etc/stepcell/config.yml; nothing in a checkout is ever read.
 * Returns -1 (ERR_USAGE) when there is one that cannot be read or is wrong.
 */
int config_section(struct arena *a, const char *name, const struct node **out, struct err *err);
