#include "runner/shell.h"

#include <stddef.h>
#include <string.h>

#include "stepcell/strbuf.h"
#include "stepcell/util.h"

/* Longer than any command line that a workflow can hold. */
#define ARGUMENT_MAX (1024 * 1024)

static const struct known {
	const char *name;
	const char *args; /* when the workflow gives none; NULL: not for Linux */
	const char *extension;
	const char *before, *after;
} shells[] = {
	{"bash", "--noprofile --norc -e -o pipefail {0}", ".sh", "", ""},
	{"sh", "-e {0}", ".sh", "", ""},
	{"python", "{0}", ".py", "", ""},
	{"pwsh", "-command \". '{0}'\"", ".ps1", "$ErrorActionPreference = 'stop'\n",
	 "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }\n"},
	{"powershell", NULL, ".ps1", "", ""},
	{"cmd", NULL, ".cmd", "", ""},
};

/* The row of a command's first word, or NULL. */
static const struct known *find(const char *command, size_t len)
{
	for (size_t i = 0; i < COUNT(shells); i++) {
		if (strlen(shells[i].name) == len && !strncmp(shells[i].name, command, len))
			return &shells[i];
	}
	return NULL;
}

const char *shell_extension(const char *shell)
{
	const struct known *known = shell ? find(shell, strcspn(shell, " ")) : &shells[0];

	return known ? known->extension : "";
}

/*
 * One argument off `*text` into `out`, by the rules of .NET's command lines,
 * which are what GitHub splits a shell's arguments by: double quotes group, a
 * backslash is itself but before a quote. False at the end.
 */
static bool take_argument(const char **text, struct strbuf *out)
{
	const char *p = *text + strspn(*text, " \t");
	bool quoted = false;

	strbuf_clear(out);
	if (!*p)
		return false;
	for (; *p && (quoted || (*p != ' ' && *p != '\t')); p++) {
		size_t slashes = strspn(p, "\\");

		if (slashes && p[slashes] == '"') {
			for (size_t i = 0; i < slashes / 2; i++)
				strbuf_addc(out, '\\');
			p += slashes - (slashes % 2 == 0);
			if (slashes % 2)
				strbuf_addc(out, '"');
		} else if (quoted && p[0] == '"' && p[1] == '"') {
			strbuf_addc(out, *p++);
		} else if (*p == '"') {
			quoted = !quoted;
		} else {
			strbuf_addc(out, *p);
		}
	}
	*text = p;
	return true;
}

struct texts shell_words(struct arena *a, const char *text)
{
	auto_strbuf struct strbuf word = STRBUF(ARGUMENT_MAX);
	struct texts words = {0};

	while (take_argument(&text, &word)) {
		texts_add(a, &words, arena_strndup(a, word.text, word.len));
	}
	return words;
}

/* The argument with the script's path for each {0}: after the split, so a path may hold blanks. */
static const char *fill(struct arena *a, const char *argument, const char *script)
{
	auto_strbuf struct strbuf text = STRBUF(ARGUMENT_MAX);
	const char *mark;

	while ((mark = strstr(argument, "{0}"))) {
		strbuf_add(&text, argument, (size_t)(mark - argument));
		strbuf_adds(&text, script);
		argument = mark + strlen("{0}");
	}
	strbuf_adds(&text, argument);
	return arena_strndup(a, text.text, text.len);
}

static const char *const *make_argv(struct arena *a, const char *command, const char *args,
				    const char *script)
{
	const struct texts words = shell_words(a, args);
	const char **argv = arena_array(a, words.count + 2, sizeof(*argv));

	argv[0] = command;
	for (size_t i = 0; i < words.count; i++)
		argv[i + 1] = fill(a, words.list[i], script);
	return argv;
}

static int resolve_default(struct arena *a, bool have_bash, const char *script, struct shell *out)
{
	*out = (struct shell){
		.argv = make_argv(a, have_bash ? "bash" : "sh", "-e {0}", script),
		.extension = ".sh",
		.before = "",
		.after = "",
	};
	return 0;
}

int shell_resolve(struct arena *a, const char *shell, bool have_bash, const char *script,
		  struct shell *out, struct err *err)
{
	const struct known *known;
	const char *args;
	size_t name;

	if (!shell || !*shell)
		return resolve_default(a, have_bash, script, out);
	name = strcspn(shell, " ");
	known = find(shell, name);
	if (known && !known->args)
		return err_fail(err, ERR_USAGE, "shell '%.100s' is for Windows only", shell);
	args = shell + name + strspn(shell + name, " ");
	if (!*args && known)
		args = known->args;
	if (!name || !strstr(args, "{0}"))
		return err_fail(err, ERR_USAGE,
				"invalid shell '%.200s': expected bash, sh, python, pwsh, or a "
				"command that contains {0}",
				shell);
	*out = (struct shell){
		.argv = make_argv(a, arena_strndup(a, shell, name), args, script),
		.extension = known ? known->extension : "",
		.before = known ? known->before : "",
		.after = known ? known->after : "",
	};
	return 0;
}
