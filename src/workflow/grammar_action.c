/* The file of an action: action.yml. */
#include "workflow/grammar.h"

#define NAMES(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define CHOICES(...) ((const struct type *const[]){__VA_ARGS__, NULL})

#define OFFERS_ACTION                                                                              \
	(OFFER_GITHUB | OFFER_INPUTS | OFFER_STRATEGY | OFFER_MATRIX | OFFER_STEPS | OFFER_JOB |   \
	 OFFER_RUNNER | OFFER_ENV)
#define OFFERS_ACTION_STEP (OFFERS_ACTION | OFFER_HASH_FILES)

static const struct type any = {.kind = TYPE_ANY};
static const struct type flag = {.kind = TYPE_BOOL};
static const struct type text = {.kind = TYPE_STRING};
static const struct type filled = {.kind = TYPE_STRING, .filled = true};

static const struct type step_text = {.kind = TYPE_STRING, .offers = OFFERS_ACTION_STEP};
static const struct type step_flag = {.kind = TYPE_BOOL, .offers = OFFERS_ACTION_STEP};
static const struct type step_if = {
	.kind = TYPE_STRING, .offers = OFFERS_ACTION_STEP | OFFER_STATUS, .condition = true};
static const struct type step_map = {
	.kind = TYPE_MAP, .what = "a step", .offers = OFFERS_ACTION_STEP, .other = &text};
static const struct type uses = {.kind = TYPE_STRING, .filled = true, .check = check_uses};

#define STEP_KEYS                                                                                  \
	KEY("name", step_text), KEY("id", filled), KEY("if", step_if), KEY("env", step_map),       \
		KEY("continue-on-error", step_flag)

static const struct key run_keys[] = {
	NEED("run", step_text),
	NEED("shell", step_text),
	KEY("working-directory", step_text),
	STEP_KEYS,
	{0},
};
static const struct key uses_keys[] = {NEED("uses", uses), KEY("with", step_map), STEP_KEYS, {0}};
static const struct type run_step = {.kind = TYPE_MAP, .what = "a step", .keys = run_keys};
static const struct type uses_step = {.kind = TYPE_MAP, .what = "a step", .keys = uses_keys};
static const struct type step = {
	.kind = TYPE_CHOICE, .what = "a step", .choices = CHOICES(&run_step, &uses_step)};
static const struct type steps = {.kind = TYPE_LIST, .other = &step};

static const struct type using_composite = {.kind = TYPE_STRING, .words = NAMES("composite")};
static const struct type using_docker = {.kind = TYPE_STRING, .words = NAMES("docker")};
static const struct type using_node = {.kind = TYPE_STRING,
				       .words = NAMES("node12", "node16", "node20", "node24")};

static const struct type runs_if = {
	.kind = TYPE_STRING,
	.offers = (OFFERS_ACTION_STEP & ~OFFER_STEPS) | OFFER_STATUS,
	.condition = true,
};
static const struct type inputs_text = {.kind = TYPE_STRING, .offers = OFFER_INPUTS};
static const struct type docker_args = {.kind = TYPE_LIST, .other = &inputs_text};
static const struct type docker_env = {
	.kind = TYPE_MAP, .what = "env", .offers = OFFER_INPUTS, .other = &text};

static const struct key composite_keys[] = {
	NEED("using", using_composite), NEED("steps", steps), {0}};
static const struct key docker_keys[] = {
	NEED("using", using_docker), NEED("image", filled),
	KEY("entrypoint", filled),   KEY("args", docker_args),
	KEY("env", docker_env),      KEY("pre-entrypoint", filled),
	KEY("pre-if", runs_if),      KEY("post-entrypoint", filled),
	KEY("post-if", runs_if),     {0},
};
static const struct key node_keys[] = {
	NEED("using", using_node),
	NEED("main", filled),
	KEY("pre", filled),
	KEY("pre-if", runs_if),
	KEY("post", filled),
	KEY("post-if", runs_if),
	{0},
};
static const struct type composite = {.kind = TYPE_MAP, .what = "runs", .keys = composite_keys};
static const struct type docker = {.kind = TYPE_MAP, .what = "runs", .keys = docker_keys};
static const struct type node = {.kind = TYPE_MAP, .what = "runs", .keys = node_keys};
static const struct type runs = {
	.kind = TYPE_CHOICE, .what = "runs", .choices = CHOICES(&composite, &docker, &node)};

static const struct type input_default = {
	.kind = TYPE_STRING,
	.offers = OFFER_GITHUB | OFFER_STRATEGY | OFFER_MATRIX | OFFER_JOB | OFFER_RUNNER |
		  OFFER_HASH_FILES,
};
static const struct key input_keys[] = {
	KEY("description", text),
	KEY("required", flag),
	KEY("default", input_default),
	KEY("deprecationMessage", text),
	{0},
};
static const struct type input = {
	.kind = TYPE_MAP, .what = "an input", .keys = input_keys, .other = &any};
static const struct type inputs = {.kind = TYPE_MAP, .what = "inputs", .other = &input};
static const struct type output_value = {.kind = TYPE_STRING, .offers = OFFERS_ACTION};
static const struct key output_keys[] = {KEY("description", text), KEY("value", output_value), {0}};
static const struct type output = {.kind = TYPE_MAP, .what = "an output", .keys = output_keys};
static const struct type outputs = {.kind = TYPE_MAP, .what = "outputs", .other = &output};

static const struct type color = {
	.kind = TYPE_STRING,
	.words = NAMES("white", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"),
};
static const struct key branding_keys[] = {KEY("icon", text), KEY("color", color), {0}};
static const struct type branding = {.kind = TYPE_MAP, .what = "branding", .keys = branding_keys};

/* The description is asked for by the schema, and for composite actions by nobody. */
static const struct key action_keys[] = {
	KEY("name", filled),       KEY("description", text),
	KEY("author", text),       KEY("inputs", inputs),
	KEY("outputs", outputs),   NEED("runs", runs),
	KEY("branding", branding), {0},
};
const struct type type_action = {.kind = TYPE_MAP, .what = "an action", .keys = action_keys};
