/* What a spec may not ask for, and the words for it. */
#include "cell_fixture.h"

#include "cell/spec.h"

static const struct cell_layer layer = {.path = "/layer"};
static const struct cell_layer relative = {.path = "layer"};
static const char *const argv[] = {"true", NULL};
static const char *const env[] = {"A=b", NULL};
static const char *const bad_env[] = {"A", NULL};
static const char *const nameless_env[] = {"=b", NULL};

static int fn(void *arg, const int *fds, size_t count)
{
	(void)arg, (void)fds, (void)count;
	return 0;
}

/* A spec that is fine, to spoil in one place. */
struct sample {
	struct cell_overlay overlays[2];
	struct cell_bind bind;
	struct cell_spec spec;
};

static void sample_make(struct sample *s)
{
	*s = (struct sample){
		.overlays = {{.at = "/", .layers = &layer, .layer_count = 1},
			     {.at = "/usr", .layers = &layer, .layer_count = 1}},
		.bind = {.from = "/host", .at = "/etc/x"},
		.spec = {.name = "job-1",
			 .owner = (struct cell_owner *)s,
			 .state = "/state",
			 .overlay_count = 2,
			 .bind_count = 1,
			 .argv = argv,
			 .env = env,
			 .seccomp = "/policies/default.yml"},
	};
	s->spec.overlays = s->overlays;
	s->spec.binds = &s->bind;
}

#define SPOIL(name, change)                                                                        \
	static void name(struct sample *s)                                                         \
	{                                                                                          \
		change;                                                                            \
	}
SPOIL(nothing, (void)s)
SPOIL(no_name, s->spec.name = "")
SPOIL(bad_name, s->spec.name = "../x")
SPOIL(no_owner, s->spec.owner = NULL)
SPOIL(no_filter, s->spec.seccomp = NULL)
SPOIL(relative_filter, s->spec.seccomp = "default.yml")
SPOIL(no_root, s->spec.overlay_count = 0)
SPOIL(root_second, s->overlays[0].at = "/usr")
SPOIL(root_twice, s->overlays[1].at = "/")
SPOIL(no_layers, s->overlays[1].layer_count = 0)
SPOIL(relative_layer, s->overlays[1].layers = &relative)
SPOIL(relative_upper, s->overlays[1].upper = "upper")
SPOIL(dots, s->overlays[1].at = "/a/../b")
SPOIL(slashes, s->overlays[1].at = "/a//b")
SPOIL(trailing, s->overlays[1].at = "/a/")
SPOIL(over_proc, s->overlays[1].at = "/proc/sys")
SPOIL(over_dev, s->bind.at = "/dev/null")
SPOIL(bind_root, s->bind.at = "/")
SPOIL(bind_from, s->bind.from = "host")
SPOIL(no_command, s->spec.argv = NULL)
SPOIL(both, s->spec.fn = fn)
SPOIL(no_env, s->spec.env = NULL)
SPOIL(variable, s->spec.env = bad_env)
SPOIL(nameless, s->spec.env = nameless_env)
SPOIL(start_in_proc, s->spec.workdir = "/proc/self/fd/7")
SPOIL(start_relative, s->spec.workdir = "work")

static const struct {
	void (*spoil)(struct sample *s);
	const char *error; /* NULL: none */
} rows[] = {
	{nothing, NULL},
	{no_name, "a cell's name is 1 to 63 of a-z, 0-9 and '-': ''"},
	{bad_name, "a cell's name is 1 to 63 of a-z, 0-9 and '-': '../x'"},
	{no_owner, "a cell needs an owner, a state home and a filter"},
	{no_filter, "a cell needs an owner, a state home and a filter"},
	{relative_filter, "a filter's path must be absolute: 'default.yml'"},
	{no_root, "a cell without a root"},
	{root_second, "the first overlay is the one at '/', and no other is: '/usr'"},
	{root_twice, "the first overlay is the one at '/', and no other is: '/'"},
	{no_layers, "an overlay without layers: '/usr'"},
	{relative_layer, "a layer's path must be absolute: 'layer'"},
	{relative_upper, "an upper's path must be absolute: 'upper'"},
	{dots, "cannot mount an overlay there: '/a/../b'"},
	{slashes, "cannot mount an overlay there: '/a//b'"},
	{trailing, "cannot mount an overlay there: '/a/'"},
	{over_proc, "cannot mount an overlay there: '/proc/sys'"},
	{over_dev, "cannot bind there: '/dev/null'"},
	{bind_root, "cannot bind there: '/'"},
	{bind_from, "the path of what is bound must be absolute: 'host'"},
	{no_command, "a cell runs one command, or one function"},
	{both, "a cell runs one command, or one function"},
	{no_env, "a cell without an environment"},
	{variable, "not NAME=VALUE: 'A'"},
	{nameless, "not NAME=VALUE: '=b'"},
	{start_in_proc, "cannot start there: '/proc/self/fd/7'"},
	{start_relative, "cannot start there: 'work'"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sample s;
		struct err err = {0};

		sample_make(&s);
		rows[i].spoil(&s);
		assert_int_equal(spec_check(&s.spec, &err), rows[i].error ? -1 : 0);
		assert_string_equal(err.text, rows[i].error ? rows[i].error : "");
		assert_int_equal(err.kind, rows[i].error ? ERR_USAGE : ERR_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
