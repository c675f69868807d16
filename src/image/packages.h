/* packages: what the package databases of a tree say. In a worker: they are bytes of others. Private. */
#pragma once

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

/*
 * "debian NAME VERSION" a line for dpkg's database (var/lib/dpkg/status, or
 * status.d as images without dpkg have it), "python NAME VERSION" for what lies
 * in site-packages and dist-packages, by the tree's list. `tree` is the folder
 * of a tree. The version may be empty.
 */
int packages_of_tree(int tree, struct strbuf *out, struct err *err);

/* The same of a text alone, which is written to: a database of dpkg's, a tree's list. */
void packages_of_status(char *text, struct strbuf *out);
void packages_of_list(char *text, struct strbuf *out);
