/* The workflow file, from its leaves up to its root. `on` is in events.c. */
#include "workflow/grammar.h"

#define NAMES(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define CHOICES(...) ((const struct type *const[]){__VA_ARGS__, NULL})

/* ---- leaves ---- */

static const struct type any = {.kind = TYPE_ANY};
static const struct type null = {.kind = TYPE_NULL};
static const struct type flag = {.kind = TYPE_BOOL};
static const struct type number = {.kind = TYPE_NUMBER};
static const struct type text = {.kind = TYPE_STRING};
static const struct type filled = {.kind = TYPE_STRING, .filled = true};
static const struct type texts = {.kind = TYPE_LIST, .other = &filled};
static const struct type text_or_texts = {.kind = TYPE_CHOICE, .choices = CHOICES(&filled, &texts)};
static const struct type scalar = {.kind = TYPE_CHOICE, .choices = CHOICES(&text, &flag, &number)};

static const struct type matrix_text = {.kind = TYPE_STRING, .offers = OFFERS_MATRIX};
static const struct type matrix_flag = {.kind = TYPE_BOOL, .offers = OFFERS_MATRIX};
static const struct type matrix_number = {.kind = TYPE_NUMBER, .offers = OFFERS_MATRIX};
static const struct type runner_text = {.kind = TYPE_STRING, .offers = OFFERS_RUNNER};
static const struct type step_text = {.kind = TYPE_STRING, .offers = OFFERS_STEP};
static const struct type step_flag = {.kind = TYPE_BOOL, .offers = OFFERS_STEP};
static const struct type step_number = {.kind = TYPE_NUMBER, .offers = OFFERS_STEP};

/* ---- shared maps ---- */

static const struct type level_any = {.kind = TYPE_STRING, .words = NAMES("read", "write", "none")};
static const struct type level_read = {.kind = TYPE_STRING, .words = NAMES("read", "none")};
static const struct type level_write = {.kind = TYPE_STRING, .words = NAMES("write", "none")};
const struct key permission_keys[] = {
	KEY("actions", level_any),
	KEY("artifact-metadata", level_any),
	KEY("attestations", level_any),
	KEY("checks", level_any),
	KEY("code-quality", level_any),
	KEY("contents", level_any),
	KEY("copilot-requests", level_write),
	KEY("deployments", level_any),
	KEY("discussions", level_any),
	KEY("drives", level_any),
	KEY("id-token", level_write),
	KEY("issues", level_any),
	KEY("models", level_read),
	KEY("packages", level_any),
	KEY("pages", level_any),
	KEY("pull-requests", level_any),
	KEY("repository-projects", level_any),
	KEY("security-events", level_any),
	KEY("statuses", level_any),
	KEY("vulnerability-alerts", level_read),
	{0},
};
static const struct type permission_map = {
	.kind = TYPE_MAP, .what = "permissions", .keys = permission_keys};
static const struct type permission_word = {.kind = TYPE_STRING,
					    .words = NAMES("read-all", "write-all")};
static const struct type permissions = {.kind = TYPE_CHOICE,
					.choices = CHOICES(&permission_map, &permission_word)};

static const struct type queue = {.kind = TYPE_STRING, .words = NAMES("single", "max")};
static const struct type group = {
	.kind = TYPE_STRING, .filled = true, .check = check_concurrency_group};
static const struct key concurrency_keys[] = {
	NEED("group", group),
	KEY("cancel-in-progress", flag),
	KEY("queue", queue),
	{0},
};
static const struct type concurrency_map = {
	.kind = TYPE_MAP,
	.what = "concurrency",
	.keys = concurrency_keys,
	.check = check_concurrency,
};
static const struct type workflow_concurrency = {.kind = TYPE_CHOICE,
						 .offers = OFFERS_WORKFLOW,
						 .choices = CHOICES(&group, &concurrency_map)};
static const struct type job_concurrency = {
	.kind = TYPE_CHOICE, .offers = OFFERS_MATRIX, .choices = CHOICES(&group, &concurrency_map)};

static const struct key default_run_keys[] = {
	KEY("shell", filled),
	KEY("working-directory", filled),
	{0},
};
static const struct type workflow_default_run = {
	.kind = TYPE_MAP, .what = "defaults.run", .keys = default_run_keys};
static const struct type job_default_run = {.kind = TYPE_MAP,
					    .what = "defaults.run",
					    .offers = OFFERS_MATRIX | OFFER_ENV,
					    .keys = default_run_keys};
static const struct key workflow_default_keys[] = {KEY("run", workflow_default_run), {0}};
static const struct key job_default_keys[] = {KEY("run", job_default_run), {0}};
static const struct type workflow_defaults = {
	.kind = TYPE_MAP, .what = "defaults", .keys = workflow_default_keys};
static const struct type job_defaults = {
	.kind = TYPE_MAP, .what = "defaults", .keys = job_default_keys};

static const struct type workflow_env = {
	.kind = TYPE_MAP, .what = "env", .offers = OFFERS_WORKFLOW | OFFER_SECRETS, .other = &text};
static const struct type job_env = {
	.kind = TYPE_MAP, .what = "env", .offers = OFFERS_MATRIX | OFFER_SECRETS, .other = &text};
static const struct type step_env = {
	.kind = TYPE_MAP, .what = "env", .offers = OFFERS_STEP, .other = &text};

/* ---- steps ---- */

static const struct type step_if = {
	.kind = TYPE_STRING,
	.offers = (OFFERS_STEP & ~OFFER_SECRETS) | OFFER_STATUS,
	.condition = true,
};
static const struct type step_with = {
	.kind = TYPE_MAP, .what = "with", .offers = OFFERS_STEP, .other = &text};
static const struct type uses = {.kind = TYPE_STRING, .filled = true, .check = check_uses};
static const struct type steps;

#define STEP_KEYS KEY("name", step_text), KEY("id", filled), KEY("continue-on-error", step_flag)
#define ACTIVE_KEYS                                                                                \
	KEY("if", step_if), KEY("timeout-minutes", step_number), KEY("env", step_env),             \
		KEY("background", flag)

static const struct key run_keys[] = {
	NEED("run", step_text),
	KEY("shell", filled),
	KEY("working-directory", step_text),
	STEP_KEYS,
	ACTIVE_KEYS,
	{0},
};
static const struct key uses_keys[] = {
	NEED("uses", uses), KEY("with", step_with), STEP_KEYS, ACTIVE_KEYS, {0},
};
static const struct type wait_all_value = {.kind = TYPE_CHOICE, .choices = CHOICES(&null, &flag)};
static const struct key wait_keys[] = {NEED("wait", text_or_texts), STEP_KEYS, {0}};
static const struct key wait_all_keys[] = {NEED("wait-all", wait_all_value), STEP_KEYS, {0}};
static const struct key cancel_keys[] = {NEED("cancel", filled), STEP_KEYS, {0}};
static const struct key parallel_keys[] = {NEED("parallel", steps), {0}};

static const struct type run_step = {.kind = TYPE_MAP, .what = "a step", .keys = run_keys};
static const struct type uses_step = {.kind = TYPE_MAP, .what = "a step", .keys = uses_keys};
static const struct type wait_step = {.kind = TYPE_MAP, .what = "a step", .keys = wait_keys};
static const struct type wait_all_step = {
	.kind = TYPE_MAP, .what = "a step", .keys = wait_all_keys};
static const struct type cancel_step = {.kind = TYPE_MAP, .what = "a step", .keys = cancel_keys};
static const struct type parallel_step = {
	.kind = TYPE_MAP, .what = "a step", .keys = parallel_keys};
static const struct type step = {
	.kind = TYPE_CHOICE,
	.what = "a step",
	.choices = CHOICES(&run_step, &uses_step, &wait_step, &wait_all_step, &cancel_step,
			   &parallel_step),
};
static const struct type steps = {.kind = TYPE_LIST, .other = &step};

/* ---- containers ---- */

static const struct type container_env = {
	.kind = TYPE_MAP, .what = "env", .offers = OFFERS_RUNNER, .other = &text};
static const struct key credential_keys[] = {KEY("username", filled), KEY("password", filled), {0}};
static const struct type credentials = {
	.kind = TYPE_MAP,
	.what = "credentials",
	.offers = OFFERS_WORKFLOW | OFFER_SECRETS | OFFER_ENV,
	.keys = credential_keys,
};
#define CONTAINER_KEYS                                                                             \
	NEED("image", filled), KEY("options", text), KEY("env", container_env),                    \
		KEY("ports", texts), KEY("volumes", texts), KEY("credentials", credentials)
static const struct key container_keys[] = {CONTAINER_KEYS, {0}};
static const struct key service_keys[] = {
	CONTAINER_KEYS, KEY("entrypoint", text), KEY("command", text), {0}};
static const struct type container_map = {
	.kind = TYPE_MAP, .what = "a container", .keys = container_keys};
static const struct type container = {
	.kind = TYPE_CHOICE, .offers = OFFERS_MATRIX, .choices = CHOICES(&text, &container_map)};
static const struct type service_map = {
	.kind = TYPE_MAP, .what = "a service", .keys = service_keys};
static const struct type service = {.kind = TYPE_CHOICE, .choices = CHOICES(&filled, &service_map)};
static const struct type services = {
	.kind = TYPE_MAP, .what = "services", .offers = OFFERS_MATRIX, .other = &service};

/* ---- jobs ---- */

static const struct type matrix_row = {
	.kind = TYPE_MAP, .what = "an entry of include or exclude", .other = &any};
static const struct type matrix_rows = {.kind = TYPE_LIST, .other = &matrix_row};
static const struct type vector = {.kind = TYPE_LIST, .other = &any};
static const struct key matrix_keys[] = {
	KEY("include", matrix_rows), KEY("exclude", matrix_rows), {0}};
static const struct type matrix = {
	.kind = TYPE_MAP, .what = "a matrix", .keys = matrix_keys, .other = &vector};
static const struct key strategy_keys[] = {
	KEY("matrix", matrix),
	KEY("fail-fast", flag),
	KEY("max-parallel", number),
	{0},
};
static const struct type strategy = {
	.kind = TYPE_MAP, .what = "a strategy", .offers = OFFERS_JOB, .keys = strategy_keys};

static const struct type job_if = {
	.kind = TYPE_STRING,
	.offers = OFFERS_JOB | OFFER_STATUS | OFFER_STATUS_ARGS,
	.condition = true,
};
static const struct type runner_group = {
	.kind = TYPE_STRING, .filled = true, .check = check_runner_group};
static const struct key runs_on_keys[] = {
	KEY("group", runner_group), KEY("labels", text_or_texts), {0}};
static const struct type runs_on_map = {.kind = TYPE_MAP, .what = "runs-on", .keys = runs_on_keys};
static const struct type runs_on = {.kind = TYPE_CHOICE,
				    .offers = OFFERS_MATRIX,
				    .choices = CHOICES(&filled, &texts, &runs_on_map)};

static const struct type environment_url = {.kind = TYPE_STRING, .offers = OFFERS_OPEN};
static const struct key environment_keys[] = {
	NEED("name", text),
	KEY("url", environment_url),
	KEY("deployment", flag),
	{0},
};
static const struct type environment_map = {
	.kind = TYPE_MAP, .what = "an environment", .keys = environment_keys};
static const struct type environment = {
	.kind = TYPE_CHOICE, .offers = OFFERS_MATRIX, .choices = CHOICES(&text, &environment_map)};

static const struct type snapshot_if = {
	.kind = TYPE_STRING, .offers = OFFERS_MATRIX, .condition = true};
static const struct key snapshot_keys[] = {
	NEED("image-name", filled),
	KEY("if", snapshot_if),
	KEY("version", filled),
	{0},
};
static const struct type snapshot_map = {
	.kind = TYPE_MAP, .what = "a snapshot", .keys = snapshot_keys};
static const struct type snapshot = {.kind = TYPE_CHOICE,
				     .choices = CHOICES(&filled, &snapshot_map)};

static const struct type outputs = {.kind = TYPE_MAP, .what = "outputs", .other = &runner_text};

#define JOB_KEYS                                                                                   \
	KEY("name", matrix_text), KEY("needs", text_or_texts), KEY("if", job_if),                  \
		KEY("strategy", strategy), KEY("permissions", permissions),                        \
		KEY("concurrency", job_concurrency)

static const struct key job_keys[] = {
	JOB_KEYS,
	NEED("runs-on", runs_on),
	KEY("environment", environment),
	KEY("env", job_env),
	KEY("defaults", job_defaults),
	KEY("outputs", outputs),
	KEY("container", container),
	KEY("services", services),
	KEY("timeout-minutes", matrix_number),
	KEY("cancel-timeout-minutes", matrix_number),
	KEY("continue-on-error", matrix_flag),
	KEY("snapshot", snapshot),
	KEY("steps", steps),
	{0},
};

static const struct type call_with = {
	.kind = TYPE_MAP, .what = "with", .offers = OFFERS_MATRIX, .other = &scalar};
static const struct type call_secret_map = {.kind = TYPE_MAP,
					    .what = "secrets",
					    .offers = OFFERS_MATRIX | OFFER_SECRETS,
					    .other = &scalar};
static const struct type call_inherit = {.kind = TYPE_STRING, .words = NAMES("inherit")};
static const struct type call_secrets = {.kind = TYPE_CHOICE,
					 .choices = CHOICES(&call_secret_map, &call_inherit)};
static const struct type call_uses = {
	.kind = TYPE_STRING, .filled = true, .check = check_call_uses};
static const struct key call_keys[] = {
	JOB_KEYS, NEED("uses", call_uses), KEY("with", call_with), KEY("secrets", call_secrets),
	{0},
};

static const struct type own_job = {.kind = TYPE_MAP, .what = "a job", .keys = job_keys};
static const struct type call_job = {.kind = TYPE_MAP, .what = "a job", .keys = call_keys};
static const struct type job = {
	.kind = TYPE_CHOICE, .what = "a job", .choices = CHOICES(&own_job, &call_job)};
static const struct type jobs = {.kind = TYPE_MAP, .what = "jobs", .filled = true, .other = &job};

/* ---- the root ---- */

static const struct type run_name = {.kind = TYPE_STRING, .offers = OFFERS_WORKFLOW};
static const struct type on = {.kind = TYPE_ANY, .check = check_on};
static const struct key workflow_keys[] = {
	NEED("on", on),
	KEY("name", text),
	KEY("description", text),
	KEY("run-name", run_name),
	KEY("defaults", workflow_defaults),
	KEY("env", workflow_env),
	KEY("permissions", permissions),
	KEY("concurrency", workflow_concurrency),
	NEED("jobs", jobs),
	{0},
};
const struct type type_workflow = {.kind = TYPE_MAP, .what = "a workflow", .keys = workflow_keys};
