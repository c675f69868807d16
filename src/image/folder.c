#include "image/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

bool folder_is_absent(const struct err *err)
{
	return err->sys == ENOENT || err->sys == ENOTDIR || err->sys == ELOOP;
}

int folder_list(int dir, struct strbuf *out, struct err *err)
{
	struct dirent **entries;
	int n = scandirat(dir, ".", &entries, no_dots, by_name);

	if (n < 0)
		return err_sys(err, "cannot list a directory");
	for (int i = 0; i < n; i++) {
		strbuf_add(out, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
		free(entries[i]);
	}
	free(entries);
	return out->full ? err_fail(err, ERR_SYSTEM, "too many entries in a directory") : 0;
}
