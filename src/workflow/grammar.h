/*
 * grammar: the language as tables. One row a key: its type, whether it must be
 * there, and which contexts an expression in it may use.
 */
#pragma once

#include "stepcell/node.h"

/* What an expression may name, by the place it stands at. */
enum offer {
	OFFER_GITHUB = 1 << 0,
	OFFER_INPUTS = 1 << 1,
	OFFER_VARS = 1 << 2,
	OFFER_NEEDS = 1 << 3,
	OFFER_STRATEGY = 1 << 4,
	OFFER_MATRIX = 1 << 5,
	OFFER_SECRETS = 1 << 6,
	OFFER_STEPS = 1 << 7,
	OFFER_JOB = 1 << 8,
	OFFER_RUNNER = 1 << 9,
	OFFER_ENV = 1 << 10,
	OFFER_JOBS = 1 << 11,
	OFFER_HASH_FILES = 1 << 12,
	OFFER_STATUS = 1 << 13,      /* success(), failure(), always(), cancelled() */
	OFFER_STATUS_ARGS = 1 << 14, /* the first two with ids of jobs */
};

#define OFFERS_WORKFLOW (OFFER_GITHUB | OFFER_INPUTS | OFFER_VARS)
#define OFFERS_JOB      (OFFERS_WORKFLOW | OFFER_NEEDS)
#define OFFERS_MATRIX   (OFFERS_JOB | OFFER_STRATEGY | OFFER_MATRIX)
#define OFFERS_OPEN     (OFFERS_MATRIX | OFFER_STEPS | OFFER_JOB | OFFER_RUNNER | OFFER_ENV)
#define OFFERS_RUNNER   (OFFERS_OPEN | OFFER_SECRETS)
#define OFFERS_STEP     (OFFERS_RUNNER | OFFER_HASH_FILES)

enum type_kind {
	TYPE_ANY,
	TYPE_NULL,
	TYPE_BOOL,
	TYPE_NUMBER,
	TYPE_STRING,
	TYPE_LIST,
	TYPE_MAP,
	TYPE_CHOICE
};

struct checker;
struct type;

/* What a table cannot say. */
typedef void check_fn(struct checker *c, const struct type *type, const struct node *value);

struct key {
	const char *name; /* NULL ends a table */
	const struct type *type;
	bool required;
};

struct type {
	enum type_kind kind;
	const char *what; /* "a step": of a map, for messages */
	unsigned offers;  /* besides those of the place around */
	bool filled;      /* a string that may not be empty, a list or map with at least one item */
	bool condition;   /* a string that is an expression without ${{ }} too */
	bool loose;       /* a map: GitHub passes over keys that it does not know */
	const char *const *words; /* a string: one of these, NULL-ended */
	const struct key *keys;   /* a map's own keys */
	const struct type *other; /* values of its free keys, if it has those; a list's items */
	const struct type *const *choices; /* NULL-ended */
	check_fn *check;
};

#define KEY(key, of)                                                                               \
	{                                                                                          \
		.name = (key), .type = &(of)                                                       \
	}
#define NEED(key, of)                                                                              \
	{                                                                                          \
		.name = (key), .type = &(of), .required = true                                     \
	}

extern const struct type type_workflow, type_action;

/* The scopes of `permissions`, each with the levels that it has. */
extern const struct key permission_keys[];

/* What the tables point to. */
check_fn check_on, check_uses, check_call_uses, check_cron, check_concurrency_group,
	check_concurrency, check_runner_group;

/* ---- events ---- */

enum filter {
	FILTER_TYPES = 1 << 0,
	FILTER_BRANCHES = 1 << 1,
	FILTER_TAGS = 1 << 2,
	FILTER_PATHS = 1 << 3,
	FILTER_WORKFLOWS = 1 << 4,
	FILTER_VERSIONS = 1 << 5,
	FILTER_DISPATCH = 1 << 6,
	FILTER_CALL = 1 << 7,
	FILTER_CRON = 1 << 8,
};

struct event_kind {
	const char *name;
	const char *const *types; /* activity types, NULL-ended; NULL: any (FILTER_TYPES) or none */
	unsigned filters;
};

/* The keys by which events are filtered; `events` ends with a NULL name, `filter_keys` with a NULL key. */
struct filter_key {
	const char *key;
	enum filter filter;
	const struct type *type;
};
extern const struct event_kind events[];
extern const struct filter_key filter_keys[];
extern const struct type type_schedules; /* of the event that has FILTER_CRON */

/* Activity types that start a run where `types` is not given; NULL: all of them. */
const char *const *event_default_types(const char *event);
const struct event_kind *event_find(const char *name);
