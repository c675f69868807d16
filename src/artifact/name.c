#include <string.h>

#include "stepcell/artifact.h"
#include "stepcell/limits.h"

int artifact_check_name(const char *name, struct err *err)
{
	static const char refused[] = "\"<>|*?:\r\n\\/";
	size_t len = strcspn(name, refused);

	if (!*name)
		return err_fail(err, ERR_USAGE, "the name of an artifact is empty");
	if (strnlen(name, LIMIT_ARTIFACT_NAME + 1) > LIMIT_ARTIFACT_NAME)
		return err_fail(err, ERR_USAGE, "the name of an artifact has more than %d bytes",
				LIMIT_ARTIFACT_NAME);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_fail(err, ERR_USAGE, "'%s' cannot be the name of an artifact", name);
	if (name[len] == '\r' || name[len] == '\n')
		return err_fail(err, ERR_USAGE, "the name of an artifact holds a line break");
	if (name[len])
		return err_fail(err, ERR_USAGE, "the name of artifact '%.100s' holds '%c'", name,
				name[len]);
	return 0;
}
