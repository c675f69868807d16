/* find: a policy by the name of one that ships, or by the path of a file. */
#include "stepcell/policy.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "policy/names.h"
#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/limits.h"

/* The file of a reference, and what messages call it. */
static int policy_locate(const char *ref, char path[PATH_MAX], char shown[PATH_MAX],
			 struct err *err)
{
	char data[PATH_MAX];
	int len;

	if (!policy_name_ok(ref)) {
		len = snprintf(path, PATH_MAX, "%s", ref);
		(void)snprintf(shown, PATH_MAX, "%s", ref);
	} else {
		if (data_home(data, sizeof(data), err) < 0)
			return err_wrap(err, "policy '%s'", ref);
		len = snprintf(path, PATH_MAX, "%s/policies/%s.yml", data, ref);
		(void)snprintf(shown, PATH_MAX, "policies/%s.yml", ref);
	}
	if (len < 0 || len >= PATH_MAX)
		return err_fail(err, ERR_USAGE, "the path of policy '%.100s...' is too long", ref);
	return 0;
}

const struct policy *policy_find(struct arena *a, const char *ref, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_POLICY_BYTES);
	struct diags diags = {.arena = a};
	char path[PATH_MAX], shown[PATH_MAX];
	struct policy *p;

	if (policy_locate(ref, path, shown, err) < 0)
		return NULL;
	if (file_read(AT_FDCWD, path, &text, err) < 0) {
		(void)err_wrap(err, "policy '%s'", ref);
		err->kind = ERR_USAGE;
		return NULL;
	}
	p = policy_load(a, shown, text.text, text.len, &diags);
	if (!p)
		(void)diags_fail(&diags, err);
	return p;
}
