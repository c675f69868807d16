/* oci_platform: which of an index's images is for which machine. */
#include <string.h>
#include <sys/utsname.h>

#include "image/oci.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

struct platform {
	char os[64], architecture[64], variant[64]; /* variant may be "" */
};

/* What the kernel calls a machine, and what images do (Go's names). */
static const struct {
	const char *machine, *architecture, *variant;
} machines[] = {
	{"x86_64", "amd64", ""},    {"aarch64", "arm64", "v8"}, {"armv7l", "arm", "v7"},
	{"armv6l", "arm", "v6"},    {"i686", "386", ""},        {"riscv64", "riscv64", ""},
	{"ppc64le", "ppc64le", ""}, {"s390x", "s390x", ""},     {"loongarch64", "loong64", ""},
	{"mips64", "mips64le", ""},
};

static int this_machine(struct platform *out, struct err *err)
{
	struct utsname names;

	if (uname(&names) < 0)
		return err_sys(err, "cannot ask for the machine's name");
	for (size_t i = 0; i < COUNT(machines); i++) {
		if (strcmp(machines[i].machine, names.machine) != 0)
			continue;
		(void)snprintf(out->os, sizeof(out->os), "linux");
		(void)snprintf(out->architecture, sizeof(out->architecture), "%s",
			       machines[i].architecture);
		(void)snprintf(out->variant, sizeof(out->variant), "%s", machines[i].variant);
		return 0;
	}
	return err_fail(err, ERR_SYSTEM,
			"this machine, '%s', has no name among platforms; name one with --platform",
			names.machine);
}

/* "linux/arm64" or "linux/arm64/v8" */
static int parse(const char *text, struct platform *out, struct err *err)
{
	char *const parts[] = {out->os, out->architecture, out->variant};
	const char *p = text;

	*out = (struct platform){0};
	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || len >= sizeof(out->os))
			break;
		(void)memcpy(parts[i], p, len);
		p += len;
		if (!*p && i > 0)
			return 0;
		p += *p == '/';
	}
	return err_fail(err, ERR_USAGE, "'%.100s' is no platform; write it as linux/arm64", text);
}

static int wanted(const char *text, struct platform *out, struct err *err)
{
	return text ? parse(text, out, err) : this_machine(out, err);
}

/* The first variant of its kind that there was is often not written down. */
static const char *variant_of(const char *architecture, const char *variant)
{
	if (variant && *variant)
		return variant;
	return strcmp(architecture, "arm64") == 0 ? "v8" : "";
}

static bool fits(const struct platform *p, const char *os, const char *architecture,
		 const char *variant)
{
	if (!os || !architecture || strcmp(os, p->os) != 0 ||
	    strcmp(architecture, p->architecture) != 0)
		return false;
	return !*p->variant || !variant || !*variant ||
	       strcmp(variant_of(architecture, variant), variant_of(p->architecture, p->variant)) ==
		       0;
}

static void write_platform(struct strbuf *out, const char *os, const char *architecture,
			   const char *variant)
{
	bool more = variant && *variant;

	strbuf_addf(out, "%s/%s%s%s", os ? os : "?", architecture ? architecture : "?",
		    more ? "/" : "", more ? variant : "");
}

static int no_entry(const struct oci_document *index, const struct platform *p, struct err *err)
{
	auto_strbuf struct strbuf have = STRBUF(512), want = STRBUF(256);

	write_platform(&want, p->os, p->architecture, p->variant);
	for (size_t i = 0; i < index->count; i++) {
		const struct oci_descriptor *e = &index->entries[i];

		strbuf_adds(&have, i ? ", " : "");
		write_platform(&have, e->os, e->architecture, e->variant);
	}
	return err_fail(err, ERR_SYSTEM, "no image for %s; there are: %s", want.text,
			index->count ? have.text : "none");
}

int oci_pick(const struct oci_document *index, const char *platform,
	     const struct oci_descriptor **out, struct err *err)
{
	struct platform p;

	if (wanted(platform, &p, err) < 0)
		return -1;
	for (size_t i = 0; i < index->count; i++) {
		const struct oci_descriptor *e = &index->entries[i];

		/* The only one, without a word about its platform: its config has it. */
		if (!fits(&p, e->os, e->architecture, e->variant) &&
		    (index->count != 1 || e->os || e->architecture))
			continue;
		*out = e;
		return 0;
	}
	return no_entry(index, &p, err);
}

int oci_check_platform(const struct oci_config *config, const char *platform, struct err *err)
{
	auto_strbuf struct strbuf is = STRBUF(256), want = STRBUF(256);
	struct platform p;

	if (wanted(platform, &p, err) < 0)
		return -1;
	if (fits(&p, config->os, config->architecture, config->variant))
		return 0;
	write_platform(&is, config->os, config->architecture, config->variant);
	write_platform(&want, p.os, p.architecture, p.variant);
	return err_fail(err, ERR_SYSTEM, "the image is for %s, not for %s; --platform %s takes it",
			is.text, want.text, is.text);
}
