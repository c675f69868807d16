/* The forwarder at work, without its cell: real sockets, and servers that echo, refuse, or hold on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loopback_fixture.h"
#include "proxy/forward.h"
#include "stepcell/fd.h"
#include "stepcell/proxy.h"
#include "stepcell/util.h"

enum { ECHO, CLOSED, COUNTED, WAYS };

static struct {
	uint16_t ways[WAYS];
	int counted; /* the listener whose clients nobody accepts but the test */
	pid_t pids[2];
} rig;

static int set_up(void **state)
{
	uint16_t to[WAYS];
	int listeners[WAYS];
	int server = listen_on(&to[ECHO]);

	(void)state;
	close(listen_on(&to[CLOSED]));
	rig.counted = listen_on(&to[COUNTED]);
	for (size_t i = 0; i < WAYS; i++)
		listeners[i] = listen_on(&rig.ways[i]);
	if ((rig.pids[0] = fork_bound()) == 0)
		echo(server, NULL);
	if ((rig.pids[1] = fork_bound()) == 0) {
		close(rig.counted);
		close(server);
		_exit(forward_serve(to, listeners, WAYS));
	}
	close(server);
	for (size_t i = 0; i < WAYS; i++)
		close(listeners[i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	end_all(rig.pids, COUNT(rig.pids));
	close(rig.counted);
	return 0;
}

/* The server speaks first; what it says after the client's end still comes. */
static void test_both_ways(void **state)
{
	char said[16] = {0};
	int fd = dial(rig.ways[ECHO]);

	(void)state;
	assert_int_equal(read_full(fd, said, 5), 0);
	assert_int_equal(write_full(fd, "what", 4), 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(read_full(fd, said + 5, 7), 0);
	assert_string_equal(said, "hellowhatbye");
	assert_int_equal(read(fd, said, 1), 0);
	close(fd);
}

#define MANY (8 * 1024 * 1024)

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 2654435761U >> 13);
}

/* More than all buffers on the way hold, written and read at the same time. */
static void test_much(void **state)
{
	static uint8_t bytes[MANY], back[MANY];
	int fd = dial(rig.ways[ECHO]);
	pid_t writer;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		bytes[i] = byte_at(i);
	assert_int_equal(read_full(fd, back, 5), 0);
	writer = fork();
	if (writer == 0) {
		int r = write_full(fd, bytes, MANY);

		(void)shutdown(fd, SHUT_WR);
		_exit(r < 0);
	}
	assert_int_equal(read_full(fd, back, MANY), 0);
	assert_memory_equal(bytes, back, MANY);
	assert_int_equal(read_full(fd, back, 3), 0);
	assert_memory_equal(back, "bye", 3);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	close(fd);
}

/* As much as all buffers on the way hold while nobody reads, but no more than `max`. */
static size_t fill(int fd, size_t max)
{
	static const char bytes[65536];
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	size_t total = 0;
	ssize_t n;

	while (total < max && poll(&ready, 1, 500) == 1) {
		n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		assert_true(n > 0);
		total += (size_t)n;
	}
	return total;
}

/* A server that says no more, and a client that is gone: what is on the way still arrives. */
static void test_server_ends_first(void **state)
{
	int client = dial(rig.ways[COUNTED]), server = accept(rig.counted, NULL, NULL);
	static char bytes[65536];
	size_t total, came = 0;
	ssize_t n;

	(void)state;
	assert_true(server >= 0);
	assert_int_equal(shutdown(server, SHUT_WR), 0);
	assert_int_equal(read(client, bytes, 1), 0);
	total = fill(client, 4 * (size_t)MANY);
	close(client);
	while ((n = read(server, bytes, sizeof(bytes))) > 0)
		came += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(came, total);
	close(server);
}

/* Where nobody listens there is no empty answer. */
static void test_nobody(void **state)
{
	char byte;
	int fd = dial(rig.ways[CLOSED]);

	(void)state;
	assert_int_equal(read(fd, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

/* ---- more than there are places ---- */

/* How many connections reach the server, until none has come for a while. */
static size_t accept_all(int *out, size_t max)
{
	struct pollfd wait = {.fd = rig.counted, .events = POLLIN};
	size_t n = 0;

	while (n < max && poll(&wait, 1, 1000) == 1)
		out[n++] = accept(rig.counted, NULL, NULL);
	return n;
}

/* Those above the number wait, without harm, and come when others go. */
static void test_flood(void **state)
{
	static int clients[FORWARD_CLIENTS + 40], servers[FORWARD_CLIENTS + 40];
	size_t n;

	(void)state;
	for (size_t i = 0; i < COUNT(clients); i++)
		clients[i] = dial(rig.ways[COUNTED]);
	n = accept_all(servers, COUNT(servers));
	assert_int_equal(n, FORWARD_CLIENTS);
	for (size_t i = 0; i < 30; i++) {
		close(clients[i]);
		close(servers[i]);
	}
	n += accept_all(servers + n, 30);
	assert_int_equal(n, FORWARD_CLIENTS + 30);
	for (size_t i = 30; i < COUNT(clients); i++)
		close(clients[i]);
	n += accept_all(servers + n, 10);
	for (size_t i = 30; i < n; i++)
		close(servers[i]);
	test_both_ways(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_much),
		cmocka_unit_test(test_server_ends_first),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
