/* limits: every external input has its maximum here, with where the number comes from. */
#pragma once

#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* YAML and JSON documents. GitHub's parser: depth 50, 1 MiB, a million events (actions/runner,
 * ParseOptions.cs). */
#define LIMIT_YAML_BYTES  (1 * MIB)
#define LIMIT_YAML_DEPTH  50
#define LIMIT_YAML_EVENTS 1000000
#define LIMIT_YAML_RESULT (10 * MIB) /* of nodes, aliases expanded */
#define LIMIT_JSON_BYTES  (32 * MIB)
#define LIMIT_JSON_DEPTH  100

#define LIMIT_DIAGS     10 /* GitHub stops after ten errors of 500 characters */
#define LIMIT_DIAG_TEXT 500

#define LIMIT_EXPR_TEXT   21000 /* ExpressionConstants.cs */
#define LIMIT_EXPR_DEPTH  50
#define LIMIT_EXPR_RESULT (10 * MIB)

#define LIMIT_MATRIX_JOBS 256
#define LIMIT_JOBS        10000
#define LIMIT_ID          100

/* What a step says. */
#define LIMIT_FILE_COMMAND    (10 * MIB) /* GITHUB_ENV and its like, each */
#define LIMIT_ENV_PAIRS       4096       /* in one of them: more do not fit an execve() */
#define LIMIT_MASK_BYTES      (4 * MIB)  /* of values to mask, with their encoded forms */
#define LIMIT_SUMMARY         (1 * MIB)
#define LIMIT_OUTPUTS_JOB     (1 * MIB) /* GitHub's, in UTF-16 */
#define LIMIT_OUTPUTS_RUN     (50 * MIB)
#define LIMIT_ENVIRONMENT_URL 2048
#define LIMIT_LOG_LINE        (64 * KIB) /* longer lines are cut into pieces */
#define LIMIT_ANNOTATIONS     1000 /* of a step; GitHub shows ten of a level, and 50 of a job */

/* Problem matchers: their expressions come from strangers, and so do the lines. */
#define LIMIT_REGEXP        (4 * KIB)
#define LIMIT_REGEXP_DEPTH  50
#define LIMIT_REGEXP_REPEAT 1000 /* {n,m} */
#define LIMIT_REGEXP_GROUPS 100
#define LIMIT_REGEXP_STEPS  2000000 /* back and forth, from one place of a line */
#define LIMIT_REGEXP_HEAP   (16 * MIB)
#define LIMIT_REGEXP_MS     250 /* of processor time for one line; GitHub gives a second, three times */
#define LIMIT_PROBLEM_MS    (5 * 1000)  /* for all lines of a job */
#define LIMIT_PROBLEM_LINE  (4 * KIB)   /* a longer line is no problem */
#define LIMIT_PROBLEM_FILE  (256 * KIB) /* of ::add-matcher */
#define LIMIT_PROBLEM_READS 100         /* of such files by one job */
#define LIMIT_PROBLEMS      50          /* matchers at a time */
#define LIMIT_PROBLEM_LINES 10          /* patterns of one */

/* Of answers about the workspace in one job, hashFiles() above all: they are waited for. */
#define LIMIT_VIEW_MS (300 * 1000)

/* Volumes of a container: a place that its image lacks is made by stepcell, where no count sees it. */
#define LIMIT_VOLUMES      100
#define LIMIT_VOLUME_PLACE 512
#define LIMIT_PORTS        100 /* of a container */

/* Services of a job that have a network each; a cell leads to each of them. */
#define LIMIT_SERVICES_APART 16

/* Archives and images. */
#define LIMIT_IMAGE_BYTES    (20 * GIB)
#define LIMIT_IMAGE_ENTRIES  2000000
#define LIMIT_IMAGE_RATIO    1000
#define LIMIT_RATIO_FROM     (64 * MIB) /* below this even a small archive may unpack */
#define LIMIT_PATH           4095
#define LIMIT_PACKAGES_BYTES (64 * MIB) /* a database of packages; Debian's of 3,000 are 4 MiB */

/* Documents of images. 4 MiB is what registries and their clients agree on; Docker stops at 127 layers. */
#define LIMIT_OCI_DOCUMENT (4 * MIB)
#define LIMIT_OCI_DEPTH    4 /* of indexes in each other */
#define LIMIT_OCI_ENTRIES  2048
#define LIMIT_OCI_LAYERS   256
#define LIMIT_OCI_CONFIG   (256 * KIB) /* of what an image says about how to run it */

/* What a registry answers beside those; the token's maximum is other clients' (containers/image,
 * internal/iolimits). */
#define LIMIT_HTTP_FIELDS  (64 * KIB)
#define LIMIT_HTTP_PROBLEM (16 * KIB) /* of a refusal's body */
#define LIMIT_TOKEN_BYTES  (1 * MIB)
#define LIMIT_AUTH_BYTES   (1 * MIB) /* a file of logins, the answer of a credential helper */

/* Actions. GitHub lets them be ten deep; the largest public ones are some tens of MiB. */
#define LIMIT_ACTION_BYTES   (1 * GIB)
#define LIMIT_ACTION_ENTRIES 200000
#define LIMIT_ACTION_DEPTH   10
#define LIMIT_ACTION_USES    10000 /* of one job, those inside of composite actions counted */

#define LIMIT_POLICY_BYTES (256 * KIB)
#define LIMIT_CONFIG_BYTES (256 * KIB)
#define LIMIT_RECIPE_BYTES (256 * KIB)
#define LIMIT_RECIPE_FILE  (16 * MIB) /* that a recipe puts into its image */
#define LIMIT_EVENT_BYTES  (32 * MIB)

/* A line of a journal: the longest text of an event (LIMIT_SUMMARY), every byte escaped. */
#define LIMIT_JOURNAL_LINE (8 * MIB)
#define LIMIT_RUNS         100000

/* Of an artifact, where a download makes a folder of the name; and what chooses among them by name. */
#define LIMIT_ARTIFACT_NAME    255
#define LIMIT_ARTIFACT_PATTERN 1024

#define LIMIT_PYTHON_VERSIONS 64 /* that one setup-python asks for */
#define LIMIT_POETRY_PROJECTS 64 /* that one setup-python asks poetry about */

/* Caches, as GitHub keeps them: ten keys of 512 characters, ten GB a repository, seven days. */
#define LIMIT_CACHE_KEY     512
#define LIMIT_CACHE_KEYS    10
#define LIMIT_CACHE_BYTES   UINT64_C(10000000000)
#define LIMIT_CACHE_ENTRIES 10000 /* of one repository */
#define LIMIT_CACHE_DAYS    7
