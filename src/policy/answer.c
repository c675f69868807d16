/* answer: what a policy says to a request, and which policy is asked. */
#include "stepcell/policy.h"

#include <string.h>
#include <strings.h>

#include "policy/names.h"
#include "stepcell/util.h"

const char *policy_choose(const char *event, bool fork, bool base_tree)
{
	if (!base_tree || !event)
		return "untrusted";
	/* of the events that tell of a pull request, the one whose code is the base's */
	return fork && strcmp(event, "pull_request_target") != 0 ? "untrusted" : "default";
}

/* Something that a workflow asks for by name. */
struct request {
	const char *key;  /* in the policy file */
	const char *what; /* in a message */
	const char *name;
};

/* What the shipped policies beyond `default` grant, for the advice in a refusal. */
static const struct {
	const char *key, *name, *policy;
} shipped_grants[] = {
	{"environments", "production", "deploy"},
	{"secrets", "AWS_ACCESS_KEY_ID", "deploy"},
	{"secrets", "AWS_SECRET_ACCESS_KEY", "deploy"},
};

static const char *granting_policy(const struct policy *p, const struct request *r)
{
	for (size_t i = 0; i < COUNT(shipped_grants); i++)
		if (strcmp(shipped_grants[i].key, r->key) == 0 &&
		    strcasecmp(shipped_grants[i].name, r->name) == 0 &&
		    strcmp(shipped_grants[i].policy, p->name) != 0)
			return shipped_grants[i].policy;
	return NULL;
}

static int refuse(const struct policy *p, const struct policy_names *names, const struct request *r,
		  struct err *err)
{
	const char *other = granting_policy(p, r);
	auto_strbuf struct strbuf line = STRBUF(400);
	auto_strbuf struct strbuf advice = STRBUF(200);

	policy_names_show(names, &line);
	if (other)
		strbuf_addf(&advice, "run with --policy %s, or ", other);
	return err_fail(err, ERR_POLICY,
			"%s:%u: %s: %s: %s '%.100s' is refused; %sadd '%.100s' to %s", p->path,
			names->at.line, r->key, line.text, r->what, r->name, advice.text, r->name,
			r->key);
}

/* GitHub compares the names of secrets and of environments without case. */
static int allow(const struct policy *p, const struct policy_names *names, const struct request *r,
		 struct err *err)
{
	if (names->all)
		return 0;
	for (size_t i = 0; i < names->names.count; i++)
		if (strcasecmp(names->names.list[i], r->name) == 0)
			return 0;
	return refuse(p, names, r, err);
}

int policy_allow_environment(const struct policy *p, const char *environment, struct err *err)
{
	const struct request r = {"environments", "environment", environment};

	return allow(p, &p->environments, &r, err);
}

int policy_allow_secret(const struct policy *p, const char *secret, struct err *err)
{
	const struct request r = {"secrets", "secret", secret};

	return allow(p, &p->secrets, &r, err);
}

/* Tags have case, and a digest is an image whatever it is called. */
int policy_allow_image(const struct policy *p, const char *ref, const char *hex, struct err *err)
{
	const struct request r = {"images", "image", ref};

	if (p->images.all)
		return 0;
	for (size_t i = 0; i < p->images.names.count; i++) {
		const char *name = p->images.names.list[i];

		if (strcmp(name, ref) == 0 ||
		    (strncmp(name, "sha256:", 7) == 0 && strcmp(name + 7, hex) == 0))
			return 0;
	}
	return refuse(p, &p->images, &r, err);
}

int policy_allow_volume(const struct policy *p, const char *path, bool writable, struct err *err)
{
	const size_t len = strlen(path);
	auto_strbuf struct strbuf wanted = STRBUF(8192);
	struct request r = {"volumes", "volume", NULL};

	for (size_t i = 0; i < p->volumes.names.count; i++) {
		const char *place = p->volumes.names.list[i];

		if (strncmp(place, path, len) == 0 &&
		    (strcmp(place + len, ":rw") == 0 || (!writable && !place[len])))
			return 0;
	}
	strbuf_addf(&wanted, "%s%s", path, writable ? ":rw" : "");
	r.name = wanted.text;
	return refuse(p, &p->volumes, &r, err);
}

int policy_allow_audit(const struct policy *p, struct err *err)
{
	if (p->audit == POLICY_AUDIT_ALLOWED)
		return 0;
	return err_fail(err, ERR_POLICY,
			"%s:%u: audit: refused: --audit is refused; run with --policy default, or "
			"say 'audit: allowed'",
			p->path, p->audit_at.line);
}
