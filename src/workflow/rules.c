/* The rules of lint, each with what it means and how it is mended: what messages, help and reports say of them. */
#include <string.h>

#include "stepcell/util.h"
#include "stepcell/workflow.h"

/* Level, and whether it is of security. */
#define ERROR      DIAG_ERROR, false
#define WARNING    DIAG_WARNING, false
#define LETS_IN    DIAG_ERROR, true
#define MAY_LET_IN DIAG_WARNING, true

static const struct lint_rule rules[] = {
	/* what GitHub refuses, or what cannot work */
	{"syntax-check", ERROR, "the file is no workflow or action as the grammar has it",
	 "write what is expected there"},
	{"expression", ERROR,
	 "an expression that cannot be read, is not offered what it names, or cannot do what it "
	 "looks like",
	 "change the expression, or move it to a key that offers what it names"},
	{"undefined-name", ERROR,
	 "a step, job, output, input, secret or matrix key that is not there, and so gives nothing "
	 "(a warning where an empty value may be meant)",
	 "name one that is there, or declare it"},
	{"events", ERROR, "an event, activity type, filter or input that GitHub does not know",
	 "use one of those that the event has"},
	{"glob", ERROR, "a pattern that is malformed, or that no ref or path can match",
	 "write it as it is matched: * within a name, ** across names, ! in front to take away"},
	{"job-needs", ERROR, "needs that name no job, or that make a cycle",
	 "name jobs of this workflow, and break the cycle"},
	{"matrix", ERROR, "a matrix that has no combinations, too many, or keys that do not fit",
	 "give each key a list, and exclude only keys that are there"},
	{"id", ERROR, "an id of a job or step that is malformed or taken",
	 "use letters, digits, _ and -, first a letter or _, once each"},
	{"if-cond", ERROR, "a condition that is a text, and so always true",
	 "put the whole condition into one ${{ }}, or leave ${{ }} out"},
	{"workflow-call", ERROR, "a call of a workflow that cannot be called like this",
	 "give what on.workflow_call of the called workflow declares"},
	{"permissions", ERROR, "a called workflow asks for more than its caller allows",
	 "add the scopes to permissions of the calling job"},
	{"action", ERROR, "uses that names no action",
	 "write owner/repo@ref, owner/repo/path@ref, ./path or docker://image"},
	{"env-var", ERROR, "a name that no variable can have", "use letters, digits and _"},
	{"shell-name", ERROR, "a shell that the system of the job has not",
	 "name one that is there, or a command with {0} for the script"},
	{"untrusted-input", LETS_IN, "what strangers write becomes part of a script",
	 "pass it through env and use the variable in quotes: \"$NAME\""},

	/* what works, and had better not be done */
	{"untrusted-checkout", MAY_LET_IN,
	 "code of strangers is checked out where the token and secrets of the repository are",
	 "build it in a pull_request workflow, and let this one only use its results"},
	{"unpinned-uses", MAY_LET_IN,
	 "an action or workflow whose owner can put other code in its place",
	 "pin the full commit and keep the tag in a comment: owner/repo@COMMIT # v1"},
	{"excessive-permissions", MAY_LET_IN, "a token that may do more than the workflow needs",
	 "name the scopes that are needed, and no other"},
	{"plain-credentials", MAY_LET_IN, "a password or token stands in the file for all to read",
	 "keep it as a secret: ${{ secrets.NAME }}, and change it, for it is "
	 "known"},
	{"deprecated-commands", WARNING, "a command in a script's output that a file has replaced",
	 "append to the file that the message names"},
	{"deprecated-runtime", WARNING, "an action for a node that runners no longer have",
	 "say node24 in runs.using, and try the action with it"},
	{"outdated-action", WARNING,
	 "a release of an action that GitHub no longer runs, or not as it was",
	 "use the release that the message names, or a later one"},
	{"action-inputs", WARNING, "inputs that do not fit what the action declares",
	 "give the inputs that the action declares"},
	{"runner-label", WARNING,
	 "a label that no runner of GitHub has, or that no runner can have with the others",
	 "use a label that is there, add self-hosted, or name your own in the configuration "
	 "(lint: labels)"},
	{"unreachable", WARNING, "a job or step that never runs",
	 "change the condition, or remove what never runs"},
	{"constant-condition", WARNING, "a condition that is always true", "remove the condition"},
	{"unused-output", WARNING, "an output of a job that nothing reads",
	 "remove it, or read it through needs"},
	{"number-version", WARNING, "a version without quotes is a number, and loses its last zero",
	 "write it in quotes: '3.10'"},
	{"no-effect", WARNING, "what is written has no effect",
	 "remove it, or write what was meant"},
	{"ignore-comment", WARNING, "a comment that silences nothing",
	 "remove it, or name the rule that is meant"},
};

const struct lint_rule *lint_rules(size_t *count)
{
	*count = COUNT(rules);
	return rules;
}

const struct lint_rule *lint_rule_find(const char *id)
{
	for (size_t i = 0; i < COUNT(rules); i++)
		if (strcmp(rules[i].id, id) == 0)
			return &rules[i];
	return NULL;
}
