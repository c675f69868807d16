/* show: a policy as a file again, with everything that its own left to the defaults. */
#include "policy/names.h"

static void show_list(struct strbuf *out, const struct texts *list)
{
	if (!list->count) {
		strbuf_adds(out, "none");
		return;
	}
	strbuf_addc(out, '[');
	for (size_t i = 0; i < list->count; i++)
		strbuf_addf(out, "%s%s", i ? ", " : "", list->list[i]);
	strbuf_addc(out, ']');
}

void policy_names_show(const struct policy_names *names, struct strbuf *out)
{
	if (names->all)
		strbuf_adds(out, "all");
	else
		show_list(out, &names->names);
}

static void show_network(const struct policy *p, struct strbuf *out)
{
	strbuf_addf(out, "network: { mode: %s", policy_network_names[p->network]);
	if (p->network_allow.count) {
		strbuf_adds(out, ", allow: ");
		show_list(out, &p->network_allow);
	}
	if (p->network_internal.count) {
		strbuf_adds(out, ", internal: ");
		show_list(out, &p->network_internal);
	}
	strbuf_adds(out, " }\n");
}

static void show_limits(const struct policy *p, struct strbuf *out)
{
	strbuf_adds(out, "limits:\n");
	for (size_t i = 0; i < policy_limit_count; i++) {
		strbuf_addf(out, "  %s: ", policy_limit_fields[i].key);
		policy_limit_show(&p->limits, &policy_limit_fields[i], out);
		strbuf_addc(out, '\n');
	}
}

void policy_show(const struct policy *p, struct strbuf *out)
{
	strbuf_addf(out, "name: %s\ncheckout: %s\nproc: %s\n", p->name,
		    policy_checkout_names[p->checkout], policy_proc_names[p->proc]);
	show_network(p, out);
	strbuf_adds(out, "secrets: ");
	policy_names_show(&p->secrets, out);
	strbuf_adds(out, "\nenvironments: ");
	policy_names_show(&p->environments, out);
	strbuf_adds(out, "\nimages: ");
	policy_names_show(&p->images, out);
	strbuf_adds(out, "\nvolumes: ");
	policy_names_show(&p->volumes, out);
	strbuf_addc(out, '\n');
	show_limits(p, out);
	strbuf_addf(out, "seccomp: %s\naudit: %s\ncaches: %s\nenv-file: %s\nrequire: ", p->seccomp,
		    policy_audit_names[p->audit], policy_caches_names[p->caches],
		    policy_env_file_names[p->env_file]);
	show_list(out, &p->require);
	strbuf_addc(out, '\n');
}
