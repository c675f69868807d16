/* owner: the host's side of a step's identity. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "network.h"
#include "seccomp.h"
#include "stepcell/cell.h"

/* The cell that was made ahead for it (cell_prepare); the owner's until it is taken. */
struct cell **owner_ahead(struct cell_owner *owner);

/* Are we root over the whole host, so that a job can have an id of its own? */
bool owner_is_root(const struct cell_owner *owner);
uint32_t owner_gid(const struct cell_owner *owner);

/*
 * Give the layers of its overlays to the kernel as one string, whatever this
 * kernel can: for the tests, which so try what older ones get.
 */
void owner_set_layers_as_string(struct cell_owner *owner);
bool owner_layers_as_string(const struct cell_owner *owner);

/*
 * A user namespace for MOUNT_ATTR_IDMAP that shows files of uid:gid as the
 * step's. The owner keeps it; -1 with the reason.
 */
int owner_idmap(struct cell_owner *owner, uint32_t uid, uint32_t gid, struct err *err);

/*
 * The detached mount, mapped by owner_idmap(), that was kept for the folder `st`; -1 if there is none.
 * Taking one anew for each cell would cost a wait for every CPU when it goes. It stays the owner's,
 * and detached: an overlay takes a copy.
 */
int owner_tree(const struct cell_owner *owner, const struct stat *st);

/* True: the owner closes `tree`. False when it keeps as many as it wants to. */
bool owner_keep_tree(struct cell_owner *owner, const struct stat *st, int tree);

/* The network that its cells share, made for the first of them. The owner's; NULL with the reason. */
const struct network *owner_network(struct cell_owner *owner, struct err *err);

/* Map one id of a user namespace, that of `pid` (0: our own), to one outside. */
struct id_pair {
	uint32_t inside, outside;
};
int ids_map(pid_t pid, struct id_pair uid, struct id_pair gid, bool deny_setgroups,
	    struct err *err);

/*
 * The compiled filter of a policy file. The owner keeps it: all cells of a job
 * have the same ones. NULL with the reason.
 */
const struct seccomp_filter *owner_filter(struct cell_owner *owner, const char *policy,
					  const char *cache, struct err *err);
