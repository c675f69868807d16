/* The network that cells of one owner share: CELL_NET_SHARED. */
#include "cell/owner.h"
#include "cell/supervise.h"
#include "cell_fixture.h"
#include "unprivileged.h"

/* A server in a cell, and the pipe that it speaks through. */
struct server {
	struct cell *cell;
	int from;
};

/* Listens at 127.0.0.1:80, answers each who comes with a word; an abstract socket beside it. */
static const char serve[] =
	"import socket, os\n"
	"s = socket.create_server(('127.0.0.1', 80))\n"
	"u = socket.socket(socket.AF_UNIX); u.bind('\\0neighbour'); u.listen()\n"
	"print(os.readlink('/proc/self/ns/net'), flush=True)\n"
	"while True:\n"
	"    c, _ = s.accept(); c.sendall(b'served'); c.close()\n";

static void server_start(struct world *w, struct server *server, char *name, size_t size)
{
	const char *argv[] = {"python3", "-c", serve, NULL};
	struct err err = {0};
	int ends[2];
	ssize_t n;

	MUST(pipe_open(ends, &err));
	w->spec.argv = argv;
	w->spec.stdout_fd = w->spec.stderr_fd = ends[1];
	MUST(cell_start(&w->spec, &server->cell, NULL, &err));
	(void)close(ends[1]);
	server->from = ends[0];
	n = read(server->from, name, size - 1);
	assert_true(n > 0);
	name[n] = '\0';
	w->spec.stdout_fd = w->spec.stderr_fd = 0;
	world_upper(w);
}

static void server_stop(struct server *server)
{
	cell_release(&server->cell);
	(void)close(server->from);
}

#define CLIENT                                                                                     \
	"python3 -c \"import socket\n"                                                             \
	"s = socket.create_connection(('127.0.0.1', 80), 5); print(s.recv(100).decode())\""

/* Two cells of one owner meet, with and without a first half that was made ahead. */
static void check_meet(void)
{
	char name[128], said[256];
	struct server server;
	struct err err = {0};
	struct world w;

	world_make(&w);
	w.spec.network = CELL_NET_SHARED;
	server_start(&w, &server, name, sizeof(name));
	world_say(&w, CLIENT, said, sizeof(said));
	assert_string_equal(said, "served\n");
	w.spec.argv = (const char *[]){"true", NULL}; /* any command: the next will be another */
	MUST(cell_prepare(&w.spec, &err));
	assert_non_null(*owner_ahead(w.owner));
	world_say(&w, CLIENT "; readlink /proc/self/ns/net", said, sizeof(said));
	assert_null(*owner_ahead(w.owner));
	assert_string_equal(strchr(said, '\n') + 1, name);
	server_stop(&server);
	world_drop(&w);
}

/* Who does not ask for it, and who belongs to another owner, is somewhere else. */
static void check_others_do_not(void)
{
	char name[128], said[256];
	struct server server;
	struct world w, other;

	world_make(&w);
	w.spec.network = CELL_NET_SHARED;
	server_start(&w, &server, name, sizeof(name));
	w.spec.network = CELL_NET_NONE;
	world_say(&w, CLIENT " 2>&1 | tail -1; readlink /proc/self/ns/net", said, sizeof(said));
	assert_non_null(strstr(said, "Connection refused"));
	assert_null(strstr(said, name));
	world_make(&other);
	other.spec.network = CELL_NET_SHARED;
	world_say(&other, CLIENT " 2>&1 | tail -1; readlink /proc/self/ns/net", said, sizeof(said));
	assert_non_null(strstr(said, "Connection refused"));
	assert_null(strstr(said, name));
	server_stop(&server);
	world_drop(&w);
	world_drop(&other);
}

/* What capabilities would let a cell do there: none of it works; loopback is all there is. */
#define CHANGES                                                                                    \
	"python3 - 2>&1 <<'E'\n"                                                                   \
	"import fcntl, os, socket, struct\n"                                                       \
	"def tried(what, fn):\n"                                                                   \
	"    try: fn(); print(what, 'OPEN')\n"                                                     \
	"    except OSError as e: print(what, e.errno)\n"                                          \
	"s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"                                   \
	"tried('down', lambda: fcntl.ioctl(s, 0x8914, struct.pack('16sh22x', b'lo', 0)))\n"        \
	"tried('address', lambda: fcntl.ioctl(s, 0x8916, struct.pack('16sHH4s16x', b'lo', 2, 0,"   \
	" bytes([10, 0, 0, 1]))))\n"                                                               \
	"tried('setting', lambda: open('/proc/self/net/../../sys/net/ipv4/ip_forward', 'w'))\n"    \
	"n = socket.socket(16, socket.SOCK_RAW, 0)\n"                                              \
	"def link():\n"                                                                            \
	"    n.sendall(struct.pack('IHHIIBxHiII', 32, 16, 0x605, 1, 0, 0, 0, 0, 0, 0))\n"          \
	"    e = -struct.unpack('i', n.recv(100)[16:20])[0]\n"                                     \
	"    if e: raise OSError(e, 'netlink')\n"                                                  \
	"tried('link', link)\n"                                                                    \
	"tried('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))\n"                \
	"tried('out', lambda: socket.socket(socket.AF_INET, "                                      \
	"socket.SOCK_DGRAM).connect(('192.0.2.1', 9)))\n"                                          \
	"E\n"

static void check_unchangeable(void)
{
	static const char *const held[] = {"down 1\n", "address 1\n", "link 1\n", "raw 1\n",
					   "out 101\n"};
	char said[1024];
	struct world w;

	world_make(&w);
	w.spec.network = CELL_NET_SHARED;
	world_say(&w, CHANGES "tail -n +3 /proc/self/net/dev | cut -d: -f1", said, sizeof(said));
	for (size_t i = 0; i < COUNT(held); i++)
		assert_non_null(strstr(said, held[i]));
	assert_null(strstr(said, "OPEN"));
	assert_non_null(strstr(said, "    lo\n"));
	assert_null(strstr(strstr(said, "    lo\n") + 7, "\n"));
	world_drop(&w);
}

/* Cells of one network are strangers in all else. */
static void check_apart(void)
{
	char name[128], said[1024];
	struct server server;
	struct world w;

	world_make(&w);
	w.spec.network = CELL_NET_SHARED;
	server_start(&w, &server, name, sizeof(name));
	world_say(&w,
		  "ls -d /proc/[0-9]* | wc -l; python3 -c \"import socket\n"
		  "s = socket.socket(socket.AF_UNIX); s.connect('\\0neighbour')\" 2>&1 | tail -1",
		  said, sizeof(said));
	assert_true(said[0] >= '1' && said[0] <= '5' && said[1] == '\n');
	assert_null(strstr(said, "served"));
	if (!strstr(said, "PermissionError"))
		print_message("an abstract socket is seen across cells: no Landlock scopes here\n");
	server_stop(&server);
	world_drop(&w);
}

/* What waits in the queues of its sockets is memory too, whoever counts it. */
static void check_queues(void)
{
	struct world w;

	world_make(&w);
	w.spec.network = CELL_NET_SHARED;
	w.spec.limits.memory = UINT64_C(48) << 20;
	assert_int_equal(
		world_run(&w,
			  "exec python3 -c 'import socket, time\n"
			  "keep = []\n"
			  "for i in range(100):\n" /* few open files: a user may have 256 of them */
			  "    keep += socket.socketpair()\n"
			  "    for end in keep[-2:]:\n"
			  "        end.setblocking(False)\n"
			  "        end.setsockopt(1, socket.SO_SNDBUF, 212992)\n"
			  "        try:\n"
			  "            while True: end.send(bytes(65536))\n"
			  "        except BlockingIOError: pass\n"
			  "time.sleep(20)'",
			  NULL)
			.verdict,
		CELL_OUT_OF_MEMORY);
	world_drop(&w);
}

/* It has gone when its owner and its cells have; stepcell's own network was never left. */
static void check_nothing_left(void)
{
	const unsigned fds = count_fds();
	char before[64] = {0}, after[64] = {0};
	struct err err = {0};
	struct world w;

	assert_true(readlink("/proc/self/ns/net", before, sizeof(before) - 1) > 0);
	world_make(&w);
	w.spec.network = CELL_NET_SHARED;
	w.spec.argv = (const char *[]){"true", NULL};
	MUST(cell_prepare(&w.spec, &err));
	world_drop(&w);
	assert_true(readlink("/proc/self/ns/net", after, sizeof(after) - 1) > 0);
	assert_string_equal(before, after);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}

/* A stepcell that is killed takes the cells of its job along, wherever their network is. */
static pid_t start_server(struct world *w)
{
	struct server server;
	char name[128];

	server_start(w, &server, name, sizeof(name));
	return server.cell->pid;
}

static void check_death_of_stepcell(void)
{
	struct world w;

	world_make(&w);
	w.spec.network = CELL_NET_SHARED;
	world_kill_stepcell(&w, start_server);
	world_drop(&w);
}

TEST_BOTH(meet)
TEST_BOTH(others_do_not)
TEST_BOTH(unchangeable)
TEST_BOTH(apart)
TEST_BOTH(queues)
TEST_BOTH(nothing_left)
TEST_BOTH(death_of_stepcell)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meet),
		cmocka_unit_test(test_meet_as_user),
		cmocka_unit_test(test_others_do_not),
		cmocka_unit_test(test_others_do_not_as_user),
		cmocka_unit_test(test_unchangeable),
		cmocka_unit_test(test_unchangeable_as_user),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_apart_as_user),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_queues_as_user),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_nothing_left_as_user),
		cmocka_unit_test(test_death_of_stepcell),
		cmocka_unit_test(test_death_of_stepcell_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
