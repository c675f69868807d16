/* ownership: for building a system without being able to own it. Private. */
#pragma once

/*
 * From here on, through every exec: calls that change an owner or an identity
 * do nothing and succeed, as does making a device. This is a convenience, not a
 * wall: packages insist on owners that an ordinary user cannot give, and a tree
 * loses them in the store anyway. 0, or -1 with errno.
 */
int ownership_pretend(void);

/* As ownership_pretend(), and who asks who it is hears that it is root, as packages' scripts want it. */
int ownership_pretend_root(void);
