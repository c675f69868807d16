/*
 * How often a cell tried to reach a network: the kernel counts, for each network
 * namespace, what it had no route for. Who it was and where it went is not in
 * these numbers, and nobody has to look into the step for them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "stepcell/fd.h"
#include "stepcell/parse.h"

/* The whole text, or as much of it as there is room for; it is the kernel's. */
static bool read_text(int proc, const char *path, char *text, size_t size)
{
	auto_fd int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	while (fd >= 0 && len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return fd >= 0 && n >= 0;
}

static const char *next_word(const char *at, size_t *len)
{
	at += strspn(at, " \t");
	*len = strcspn(at, " \t\n");
	return at;
}

static uint64_t number_of(const char *word, size_t len)
{
	char digits[24];
	uint64_t number;

	(void)snprintf(digits, sizeof(digits), "%.*s", (int)len, word);
	return parse_u64(digits, 0, UINT64_MAX, &number) == 0 ? number : 0;
}

/* "Ip: Forwarding DefaultTTL ...", and below it the numbers in the same order. */
uint64_t audit_column(const char *text, const char *line, const char *name)
{
	const char *names = strstr(text, line);
	const char *values = names ? strstr(names + 1, line) : NULL;
	size_t name_len, len;

	while (values) {
		names = next_word(names, &name_len);
		values = next_word(values, &len);
		if (!name_len || !len)
			return 0;
		if (name_len == strlen(name) && memcmp(names, name, name_len) == 0)
			return number_of(values, len);
		names += name_len;
		values += len;
	}
	return 0;
}

/* "Ip6OutNoRoutes   3": a name and its number on each line. */
static uint64_t value_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	size_t len;

	if (!at)
		return 0;
	at = next_word(at + strlen(name), &len);
	return number_of(at, len);
}

uint64_t audit_routes(int proc)
{
	char text[16 << 10];
	uint64_t count = 0;

	if (read_text(proc, "self/net/snmp", text, sizeof(text)))
		count += audit_column(text, "Ip: ", "OutNoRoutes");
	if (read_text(proc, "self/net/snmp6", text, sizeof(text)))
		count += value_of(text, "Ip6OutNoRoutes");
	return count;
}
