#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/home.h"
#include "stepcell/path.h"

static const char *variable(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

static int state_path(char *out, size_t size, struct err *err)
{
	const char *home;

	if ((home = variable("STEPCELL_HOME"))) {
		if (home[0] != '/')
			return err_fail(err, ERR_USAGE,
					"STEPCELL_HOME must be an absolute path, not '%s'", home);
		(void)snprintf(out, size, "%s", home);
		return 0;
	}
	if (geteuid() == 0)
		return path_join(out, size, "/var/lib", "stepcell", err);
	if ((home = variable("XDG_DATA_HOME")) && home[0] == '/')
		return path_join(out, size, home, "stepcell", err);
	if ((home = variable("HOME")))
		return path_join(out, size, home, ".local/share/stepcell", err);
	return err_fail(err, ERR_USAGE, "no HOME; set STEPCELL_HOME to a directory for the state");
}

/* What others put here before it was private would be theirs to change for good. Root may anyway. */
static int check_entries(const char *home, struct err *err)
{
	DIR *dir = opendir(home);
	struct dirent *e;
	struct stat st;
	int r = 0;

	if (!dir)
		return err_sys(err, "cannot read state home '%s'", home);
	while (r == 0 && (e = readdir(dir))) {
		if (strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_uid == geteuid() || st.st_uid == 0)
			continue;
		r = err_fail(err, ERR_SYSTEM,
			     "'%s/%s' belongs to uid %u, and a state home holds nothing of others; "
			     "move it away",
			     home, e->d_name, st.st_uid);
	}
	(void)closedir(dir);
	return r;
}

int state_home(char *out, size_t size, struct err *err)
{
	char real[PATH_MAX];
	struct stat st;

	if (state_path(out, size, err) < 0 || mkdir_all(out, 0700, err) < 0)
		return err_wrap(err, "state home");
	/* links end here: none is followed below it */
	if (!realpath(out, real) || strlen(real) >= size)
		return err_sys(err, "state home '%s'", out);
	(void)snprintf(out, size, "%s", real);
	if (stat(out, &st) < 0)
		return err_sys(err, "state home '%s'", out);
	if (st.st_uid != geteuid())
		return err_fail(
			err, ERR_SYSTEM,
			"state home '%s' belongs to uid %u; set STEPCELL_HOME to a directory of "
			"your own",
			out, st.st_uid);
	if ((st.st_mode & 077) && chmod(out, st.st_mode & 0700) < 0)
		return err_sys(err, "cannot make state home '%s' private", out);
	return check_entries(out, err);
}

static bool holds_data(const char *dir)
{
	char probe[PATH_MAX];
	struct err ignored;

	return path_join(probe, sizeof(probe), dir, "policies/default.yml", &ignored) == 0 &&
	       access(probe, R_OK) == 0;
}

#ifdef DATA_HOME
/* In the library: programs of others lie anywhere, and what is beside them is nobody's policy. */
static int find_data(char *out, size_t size, struct err *err)
{
	(void)err;
	(void)snprintf(out, size, "%s", DATA_HOME);
	return holds_data(out);
}
#else
/* From build/VARIANT/stepcell to the source tree, from bin/stepcell to share. */
static int find_data(char *out, size_t size, struct err *err)
{
	static const char *const beside[] = {"../..", "../share/stepcell"};
	char exe[PATH_MAX], dir[PATH_MAX], real[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return err_sys(err, "cannot read /proc/self/exe");
	exe[n] = '\0';
	*strrchr(exe, '/') = '\0';
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		if (path_join(dir, sizeof(dir), exe, beside[i], err) < 0)
			return -1;
		if (holds_data(dir) && realpath(dir, real)) {
			(void)snprintf(out, size, "%s", real);
			return 1;
		}
	}
	return 0;
}
#endif

int data_home(char *out, size_t size, struct err *err)
{
	const char *set = variable("STEPCELL_DATA");
	int found;

	if (set) {
		(void)snprintf(out, size, "%s", set);
		return holds_data(out)
			       ? 0
			       : err_fail(err, ERR_USAGE,
					  "STEPCELL_DATA '%s' holds no policies/default.yml", set);
	}
	found = find_data(out, size, err);
	if (found)
		return found < 0 ? -1 : 0;
	return err_fail(
		err, ERR_SYSTEM,
		"cannot find policies/default.yml; set STEPCELL_DATA to the folder that holds "
		"policies/ and rootfs/");
}
