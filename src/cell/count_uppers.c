/* What lies in the uppers, by walking them. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "count.h"
#include "stepcell/fd.h"

#define MAX_DEPTH 256 /* one descriptor each; no honest tree comes near */

struct walk {
	const struct count_order *order;
	struct count_use *use;
};

static void count_tree(const struct walk *w, int dir, unsigned depth);

static void count_entry(const struct walk *w, int dir, const char *name, unsigned depth)
{
	struct stat st;
	int sub;

	/* one that goes while we look has no name any more: whoever holds it is asked elsewhere */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !st.st_nlink)
		return;
	w->use->inodes++;
	/* a file of many names is counted once in the end */
	w->use->bytes += (uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) ? 1 : st.st_nlink);
	if (!S_ISDIR(st.st_mode))
		return;
	if (depth == MAX_DEPTH) {
		w->use->too_deep = 1;
		return;
	}
	sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub >= 0)
		count_tree(w, sub, depth + 1);
}

/* Takes `dir` over. */
static void count_tree(const struct walk *w, int dir, unsigned depth)
{
	DIR *list = fdopendir(dir);

	if (!list) {
		fd_close(&dir);
		return;
	}
	for (const struct dirent *entry;
	     !count_is_over(w->order, w->use) && (entry = readdir(list));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			count_entry(w, dir, entry->d_name, depth);
	closedir(list);
}

void count_uppers(const struct count_order *order, const int *dirs, struct count_use *use)
{
	const struct walk w = {order, use};

	for (size_t i = 0; i < order->upper_count; i++)
		if (dirs[i] >= 0)
			count_tree(&w, dirs[i], 0);
}
