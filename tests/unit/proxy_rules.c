/* Which hosts and addresses may be reached, and which server a TLS client asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "proxy/hello.h"
#include "proxy/rules.h"
#include "stepcell/util.h"

static const char *const allow[] = {"a.example.com:443", "B.example.com:80", "127.0.0.1:8080"};
static const char *const internal[] = {"10.1.0.0/16", "fd00:1::/32"};
static const struct proxy_rules rules = {allow, COUNT(allow), internal, COUNT(internal)};

static const struct {
	const char *to;
	bool allowed;
} hosts[] = {
	{"a.example.com:443", true},   {"A.EXAMPLE.com:443", true},
	{"b.example.com:80", true},    {"127.0.0.1:8080", true},
	{"a.example.com:80", false},   {"a.example.com.:443", false},
	{"xa.example.com:443", false}, {"a.example.com.x:443", false},
	{"127.1:8080", false},         {"2130706433:8080", false},
	{"0177.0.0.1:8080", false},    {"0x7f000001:8080", false},
	{"127.0.0.1:80", false},       {"127.000.000.001:8080", false},
	{"localhost:8080", false},
};

static void test_hosts(void **state)
{
	struct endpoint to;

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		assert_true(endpoint_parse(hosts[i].to, strlen(hosts[i].to), 0, &to));
		if (rules_allow(&rules, &to) != hosts[i].allowed)
			fail_msg("%s", hosts[i].to);
	}
}

static const struct {
	const char *address;
	bool allowed;
} addresses[] = {
	{"93.184.216.34", true},
	{"1.1.1.1", true},
	{"2606:2800::1", true},
	{"10.1.2.3", true}, /* named as internal */
	{"fd00:1::5", true},
	{"10.2.0.1", false},
	{"fd00:2::5", false},
	{"127.0.0.1", false},
	{"0.0.0.0", false},
	{"169.254.169.254", false},
	{"172.31.255.255", false},
	{"172.32.0.0", true},
	{"192.168.1.1", false},
	{"100.64.0.1", false},
	{"224.0.0.1", false},
	{"255.255.255.255", false},
	{"::", false},
	{"::1", false},
	{"fe80::1", false},
	{"fd00:ec2::254", false},
	{"ff02::1", false},
	{"::ffff:127.0.0.1", false},
	{"::ffff:93.184.216.34", true},
	{"::ffff:10.1.2.3", true},
	{"64:ff9b::7f00:1", false}, /* NAT64 */
	{"2002:7f00:1::", false},   /* 6to4 */
	{"2001:0:7f00:1::", false}, /* Teredo */
	{"2001:db8::1", false},
};

static void test_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct sockaddr_in four = {.sin_family = AF_INET};
		struct sockaddr_in6 six = {.sin6_family = AF_INET6};
		const bool is_four = inet_pton(AF_INET, addresses[i].address, &four.sin_addr) == 1;

		if (!is_four)
			assert_int_equal(inet_pton(AF_INET6, addresses[i].address, &six.sin6_addr),
					 1);
		if (rules_allow_address(&rules, is_four ? (struct sockaddr *)&four
							: (struct sockaddr *)&six) !=
		    addresses[i].allowed)
			fail_msg("%s", addresses[i].address);
	}
}

static void test_networks(void **state)
{
	static const char *const wrong[] = {"10.0.0.0",  "10.0.0.0/33", "10.0.0.1/8",  "::/129",
					    "10.0.0.0/", "x/8",         "10.0.0.0/08x"};
	struct network ignored;

	(void)state;
	assert_true(network_parse("0.0.0.0/0", &ignored));
	assert_true(network_parse("::/0", &ignored));
	assert_true(network_parse("127.0.0.1/32", &ignored));
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (network_parse(wrong[i], &ignored))
			fail_msg("%s", wrong[i]);
}

/* ---- hellos ---- */

/* A ClientHello with one extension, in records of `piece` bytes. Returns its length. */
static size_t hello_make(uint8_t *out, unsigned type, const void *ext, size_t ext_len, size_t piece)
{
	uint8_t m[1024] = {1, 0, 0, 0, 3, 3};
	size_t len = 6 + 32, done = 0, n = 0;

	m[len++] = 0;                                         /* session */
	memcpy(m + len, (uint8_t[]){0, 2, 0x13, 1, 1, 0}, 6); /* suites, compressions */
	len += 6;
	memcpy(m + len,
	       (uint8_t[]){(uint8_t)((ext_len + 4) >> 8), (uint8_t)(ext_len + 4),
			   (uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(ext_len >> 8),
			   (uint8_t)ext_len},
	       6);
	len += 6;
	memcpy(m + len, ext, ext_len);
	len += ext_len;
	m[2] = (uint8_t)((len - 4) >> 8);
	m[3] = (uint8_t)(len - 4);
	for (; done < len; done += piece) {
		size_t part = len - done < piece ? len - done : piece;

		memcpy(out + n, (uint8_t[]){22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part}, 5);
		memcpy(out + n + 5, m + done, part);
		n += 5 + part;
	}
	return n;
}

static const uint8_t sni[] = "\0\x10\0\0\x0d"
			     "a.Example.com";
static const uint8_t two[] = "\0\x08\0\0\x01"
			     "a\0\0\x01"
			     "b";

static void test_hello(void **state)
{
	uint8_t bytes[2048];
	char name[256];
	size_t len = hello_make(bytes, 0, sni, sizeof(sni) - 1, 4096);

	(void)state;
	for (size_t part = 0; part < len; part++)
		assert_int_equal(hello_parse(bytes, part, name), HELLO_MORE);
	assert_int_equal(hello_parse(bytes, len, name), HELLO_TLS);
	assert_string_equal(name, "a.example.com");

	/* in records of one byte; and early data behind it */
	len = hello_make(bytes, 0, sni, sizeof(sni) - 1, 1);
	memcpy(bytes + len, "\x17\3\3\0\1x", 6);
	assert_int_equal(hello_parse(bytes, len + 6, name), HELLO_TLS);
	assert_string_equal(name, "a.example.com");

	len = hello_make(bytes, 16, "\0\3\2h2", 5, 4096);
	assert_int_equal(hello_parse(bytes, len, name), HELLO_TLS);
	assert_string_equal(name, "");
}

static void test_hello_wrong(void **state)
{
	uint8_t bytes[2048];
	char name[256];
	size_t len = hello_make(bytes, 0xfe0d, "", 0, 4096);

	(void)state;
	assert_int_equal(hello_parse(bytes, len, name), HELLO_HIDES);
	len = hello_make(bytes, 0, two, sizeof(two) - 1, 4096);
	assert_int_equal(hello_parse(bytes, len, name), HELLO_WRONG);
	len = hello_make(bytes, 0, sni, sizeof(sni) - 2, 4096);
	assert_int_equal(hello_parse(bytes, len, name), HELLO_WRONG);
	assert_int_equal(hello_parse((const uint8_t *)"GET /", 5, name), HELLO_OTHER);
	assert_int_equal(hello_parse((const uint8_t *)"\x16\x02\1\0\1\1", 6, name), HELLO_WRONG);
	assert_int_equal(hello_parse((const uint8_t *)"\x16\3\1\0\0", 5, name), HELLO_WRONG);
	assert_int_equal(hello_parse((const uint8_t *)"\x16\3\1\0\4\2\0\0\0", 9, name),
			 HELLO_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),       cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_networks),    cmocka_unit_test(test_hello),
		cmocka_unit_test(test_hello_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
