#include <errno.h>
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
	const char *value = getenv(name);

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
	return 0;
}

static bool holds_data(const char *dir)
{
	char probe[PATH_MAX];
	struct err ignored;

	return path_join(probe, sizeof(probe), dir, "policies/default.yml", &ignored) == 0 &&
	       access(probe, R_OK) == 0;
}

int data_home(char *out, size_t size, struct err *err)
{
	/* from build/VARIANT/stepcell to the source tree, from bin/stepcell to share */
	static const char *const beside[] = {"../..", "../share/stepcell"};
	const char *set = variable("STEPCELL_DATA");
	char exe[PATH_MAX];
	char *slash;
	ssize_t n;

	if (set) {
		(void)snprintf(out, size, "%s", set);
		return holds_data(out)
			       ? 0
			       : err_fail(err, ERR_USAGE,
					  "STEPCELL_DATA '%s' holds no policies/default.yml", set);
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n < 0)
		return err_sys(err, "cannot read /proc/self/exe");
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	*slash = '\0';
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		char dir[PATH_MAX];

		if (path_join(dir, sizeof(dir), exe, beside[i], err) < 0)
			return -1;
		if (holds_data(dir) && realpath(dir, exe)) {
			(void)snprintf(out, size, "%s", exe);
			return 0;
		}
	}
	return err_fail(
		err, ERR_SYSTEM,
		"cannot find policies/default.yml; set STEPCELL_DATA to the folder that holds "
		"policies/ and rootfs/");
}
