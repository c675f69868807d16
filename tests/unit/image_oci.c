/* Documents of the OCI image specification and of Docker: what is read from them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/oci.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

#define A64   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_A "\"sha256:" A64 "\""
#define ENTRY "{\"mediaType\":\"" OCI_MANIFEST_TYPE "\",\"digest\":" SHA_A ",\"size\":5}"
#define LAYER                                                                                      \
	"{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":" SHA_A ",\"size\":" \
	"5}"
#define CONFIG "\"config\":{\"mediaType\":\"" OCI_CONFIG_TYPE "\",\"digest\":" SHA_A ",\"size\":5}"
#define INDEX  "{\"schemaVersion\":2,\"manifests\":[" ENTRY "]}"

static const struct {
	const char *what, *type, *text, *error;
} refused[] = {
	{"no JSON", NULL, "{", "document:1"},
	{"a list", NULL, "[]", "expected a map"},
	{"schema 1", NULL, "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1"},
	{"no schema", NULL, "{\"manifests\":[]}", "missing 'schemaVersion'"},
	{"both kinds (CVE-2021-41190)", NULL,
	 "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]," CONFIG "}", "parts of both"},
	{"an index with a config", NULL, "{\"schemaVersion\":2,\"manifests\":[]," CONFIG "}",
	 "parts of both"},
	{"neither kind", NULL, "{\"schemaVersion\":2}", "parts of none"},
	{"a manifest without a config", NULL, "{\"schemaVersion\":2,\"layers\":[]}",
	 "without a config"},
	{"a key twice", NULL, "{\"schemaVersion\":2,\"manifests\":[],\"manifests\":[" ENTRY "]}",
	 "duplicate"},
	{"came as one type, says another", OCI_INDEX_TYPE,
	 "{\"schemaVersion\":2,\"mediaType\":\"" DOCKER_LIST_TYPE "\",\"manifests\":[]}",
	 "says of itself"},
	{"came as a manifest, is an index", OCI_MANIFEST_TYPE, INDEX, "and is none"},
	{"says manifest, is an index", NULL,
	 "{\"schemaVersion\":2,\"mediaType\":\"" OCI_MANIFEST_TYPE "\",\"manifests\":[]}",
	 "and is none"},
	{"a type of something else", "text/html", INDEX, "no type"},
	{"another hash", NULL,
	 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"sha512:" A64 A64
	 "\",\"size\":1}]}",
	 "sha256"},
	{"a hash in capitals", NULL,
	 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"sha256:"
	 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"size\":1}]}",
	 "sha256"},
	{"a hash that is a path (CVE-2024-3727)", NULL,
	 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"sha256:../../../"
	 "etc/passwd\",\"size\":1}]}",
	 "sha256"},
	{"no size", NULL,
	 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":" SHA_A "}]}",
	 "missing 'size'"},
	{"a size below nothing", NULL,
	 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":" SHA_A
	 ",\"size\":-1}]}",
	 "whole number"},
	{"a size of no number", NULL,
	 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":" SHA_A
	 ",\"size\":\"1\"}]}",
	 "whole number"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		auto_arena struct arena *a = arena_new();
		struct oci_document doc;
		struct err err = {0};

		if (oci_decode(a, refused[i].type, refused[i].text, strlen(refused[i].text), &doc,
			       &err) == 0)
			fail_msg("%s: was read", refused[i].what);
		if (!strstr(err.text, refused[i].error))
			fail_msg("%s: %s", refused[i].what, err.text);
	}
}

static void test_manifest(void **state)
{
	static const char text[] = "{\"schemaVersion\":2,\"layers\":[" LAYER "," LAYER "]," CONFIG
				   ",\"annotations\":{\"x\":\"y\"},\"subject\":null}";
	auto_arena struct arena *a = arena_new();
	struct oci_document doc;
	struct err err = {0};

	(void)state;
	assert_int_equal(oci_decode(a, NULL, text, sizeof(text) - 1, &doc, &err), 0);
	assert_int_equal(doc.kind, OCI_MANIFEST);
	assert_string_equal(doc.media_type, OCI_MANIFEST_TYPE);
	assert_int_equal(doc.count, 2);
	assert_int_equal(doc.entries[1].size, 5);
	assert_string_equal(doc.config.digest.hex, A64);
}

/* ---- platforms ---- */

static const struct {
	const char *platform, *entries, *picked, *error;
} picks[] = {
	{"linux/arm64", "amd64,arm64", "arm64", NULL},
	{"linux/arm64/v8", "amd64,arm64", "arm64", NULL},
	{"linux/arm64", "arm64/v8", "arm64/v8", NULL},
	{"linux/arm/v6", "arm/v5,arm/v7,arm/v6", "arm/v6", NULL},
	{"linux/arm", "arm/v5,arm/v7", "arm/v5", NULL},
	{"linux/amd64", "-", "-", NULL},
	{"linux/amd64", "-,-", NULL, "no image for linux/amd64; there are: ?/?, ?/?"},
	{"linux/s390x", "amd64,arm64/v8", NULL,
	 "no image for linux/s390x; there are: linux/amd64, linux/arm64/v8"},
	{"linux/s390x", "", NULL, "there are: none"},
	{"linux", "amd64", NULL, "no platform"},
	{"linux//", "amd64", NULL, "no platform"},
	{"linux/arm/v6/x", "amd64", NULL, "no platform"},
	{"", "amd64", NULL, "no platform"},
};

static void make_index(char *list, struct oci_descriptor *entries, struct oci_document *out)
{
	*out = (struct oci_document){.kind = OCI_INDEX, .entries = entries};
	for (char *word, *rest = list; (word = strtok_r(rest, ",", &rest));) {
		struct oci_descriptor *e = &entries[out->count++];

		*e = (struct oci_descriptor){.media_type = word};
		if (*word == '-')
			continue;
		e->os = "linux";
		e->architecture = strtok_r(word, "/", &word);
		e->variant = *word ? word : NULL;
	}
}

static void test_pick(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(picks); i++) {
		struct oci_descriptor entries[8];
		const struct oci_descriptor *picked;
		struct oci_document index;
		struct err err = {0};
		char list[64], found[64];

		(void)snprintf(list, sizeof(list), "%s", picks[i].entries);
		make_index(list, entries, &index);
		if (oci_pick(&index, picks[i].platform, &picked, &err) < 0) {
			if (!picks[i].error || !strstr(err.text, picks[i].error))
				fail_msg("%s of %s: %s", picks[i].platform, picks[i].entries,
					 err.text);
			continue;
		}
		(void)snprintf(found, sizeof(found), "%s%s%s",
			       picked->architecture ? picked->architecture : "-",
			       picked->variant ? "/" : "", picked->variant ? picked->variant : "");
		assert_non_null(picks[i].picked);
		assert_string_equal(found, picks[i].picked);
	}
}

/* ---- the config ---- */

#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" SHA_A "]}"
#define HEAD   "{\"os\":\"linux\",\"architecture\":\"amd64\"," ROOTFS

static const struct {
	const char *what, *text, *kept, *error;
} configs[] = {
	{"nothing to run", HEAD "}", "{}", NULL},
	{"null for nothing", HEAD ",\"config\":null}", "{}", NULL},
	{"everything",
	 HEAD ",\"config\":{\"Cmd\":[\"a\"],\"Entrypoint\":[\"/e\"],\"Env\":[\"A=b=c\",\"B=\"],"
	      "\"User\":\"1:2\",\"WorkingDir\":\"/w\",\"ExposedPorts\":{\"80/tcp\":{}},"
	      "\"Volumes\":{\"/v\":{}},\"StopSignal\":\"SIGINT\",\"Labels\":{\"l\":\"m\"},"
	      "\"Healthcheck\":{\"Test\":[\"CMD\",\"t\"],\"Interval\":30000000000,\"Retries\":3},"
	      "\"OnBuild\":null},\"history\":[{}]}",
	 "{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\"],\"Env\":[\"A=b=c\",\"B=\"],\"User\":\"1:2\","
	 "\"WorkingDir\":\"/w\",\"ExposedPorts\":{\"80/tcp\":{}},\"Volumes\":{\"/v\":{}},"
	 "\"Healthcheck\":{\"Test\":[\"CMD\",\"t\"],\"Interval\":30000000000,\"Retries\":3},"
	 "\"StopSignal\":\"SIGINT\"}",
	 NULL},
	{"nulls inside", HEAD ",\"config\":{\"Cmd\":null,\"Volumes\":null,\"Healthcheck\":null}}",
	 "{}", NULL},
	{"a command of one text", HEAD ",\"config\":{\"Cmd\":\"sh\"}}", NULL, "list of strings"},
	{"a command of numbers", HEAD ",\"config\":{\"Cmd\":[1]}}", NULL, "expected a string"},
	{"a variable without a value", HEAD ",\"config\":{\"Env\":[\"A\"]}}", NULL, "NAME=VALUE"},
	{"a variable without a name", HEAD ",\"config\":{\"Env\":[\"=b\"]}}", NULL, "NAME=VALUE"},
	{"a port of a number", HEAD ",\"config\":{\"ExposedPorts\":{\"80\":1}}}", NULL,
	 "empty map"},
	{"a time below nothing", HEAD ",\"config\":{\"Healthcheck\":{\"Interval\":-1}}}", NULL,
	 "whole number"},
	{"a text with a NUL", HEAD ",\"config\":{\"User\":\"a\\u0000b\"}}", NULL, "config:1"},
	{"no root", "{\"os\":\"linux\",\"architecture\":\"amd64\"}", NULL, "missing 'rootfs'"},
	{"no machine", "{\"os\":\"linux\"," ROOTFS "}", NULL, "missing 'architecture'"},
	{"another kind of root",
	 "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"x\",\"diff_ids\":[]}"
	 "}",
	 NULL, "layers"},
	{"a hash that is none",
	 "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
	 "\"diff_ids\":[\"sha256:x\"]}}",
	 NULL, "sha256"},
};

static void test_config(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(configs); i++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf kept = STRBUF(4096);
		struct oci_config config;
		struct err err = {0};

		if (oci_decode_config(a, configs[i].text, strlen(configs[i].text), &config, &err) <
		    0) {
			if (!configs[i].error || !strstr(err.text, configs[i].error))
				fail_msg("%s: %s", configs[i].what, err.text);
			continue;
		}
		if (configs[i].error)
			fail_msg("%s: was read", configs[i].what);
		json_write(&kept, config.run);
		assert_string_equal(kept.text, configs[i].kept);
		assert_int_equal(config.diff_count, 1);
	}
}

static void test_environment(void **state)
{
	static const char text[] =
		HEAD ",\"config\":{\"Env\":[\"PATH=/bin\",\"A=1\",\"A=2=3\",\"E=\"]}}";
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf env = STRBUF(4096);
	struct oci_config config;
	struct err err = {0};

	(void)state;
	assert_int_equal(oci_decode_config(a, text, sizeof(text) - 1, &config, &err), 0);
	json_write(&env, config.env);
	assert_string_equal(env.text, "{\"PATH\":\"/bin\",\"A\":\"2=3\",\"E\":\"\"}");
	assert_int_equal(oci_check_platform(&config, "linux/amd64", &err), 0);
	assert_int_equal(oci_check_platform(&config, "linux/riscv64", &err), -1);
	assert_non_null(strstr(err.text, "is for linux/amd64, not for linux/riscv64"));
}

static void test_too_many_variables(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf text = STRBUF(MIB);
		struct oci_config config;
		struct err err = {0};

		strbuf_adds(&text, HEAD ",\"config\":{\"Env\":[\"A=\"");
		for (unsigned i = 1; i < LIMIT_ENV_PAIRS + more; i++)
			strbuf_addf(&text, ",\"A%u=\"", i);
		strbuf_adds(&text, "]}}");
		assert_int_equal(oci_decode_config(a, text.text, text.len, &config, &err),
				 more ? -1 : 0);
		assert_true(!more || strstr(err.text, "fewer variables"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),     cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_pick),        cmocka_unit_test(test_config),
		cmocka_unit_test(test_environment), cmocka_unit_test(test_too_many_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
