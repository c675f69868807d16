/*
 * rules: hosts are compared as text, addresses by network.
 *
 * A host that is spelled otherwise (decimal, octal, with a dot at its end, as
 * IPv6) is another host. Which addresses are not public: RFC 6890 and the IANA
 * registries of special-purpose addresses that grew out of it.
 */
#include "proxy/rules.h"

#include <arpa/inet.h>
#include <string.h>

#include "stepcell/util.h"

bool rules_allow(const struct proxy_rules *rules, const struct endpoint *to)
{
	struct endpoint rule;

	for (size_t i = 0; i < rules->allow_count; i++)
		if (endpoint_parse(rules->allow[i], strlen(rules->allow[i]), 0, &rule) &&
		    rule.port == to->port && strcmp(rule.host, to->host) == 0)
			return true;
	return false;
}

bool endpoint_is_address(const struct endpoint *to)
{
	struct in_addr ignored;

	return inet_pton(AF_INET, to->host, &ignored) == 1;
}

/* ---- addresses ---- */

static const char *const special[] = {
	"0.0.0.0/8",       /* this host */
	"10.0.0.0/8",      /* private */
	"100.64.0.0/10",   /* carriers' */
	"127.0.0.0/8",     /* loopback */
	"169.254.0.0/16",  /* link-local; a cloud's metadata */
	"172.16.0.0/12",   /* private */
	"192.0.0.0/24",    /* protocol assignments */
	"192.0.2.0/24",    /* documentation */
	"192.88.99.0/24",  /* 6to4 relays */
	"192.168.0.0/16",  /* private */
	"198.18.0.0/15",   /* benchmarks */
	"198.51.100.0/24", /* documentation */
	"203.0.113.0/24",  /* documentation */
	"224.0.0.0/4",     /* multicast */
	"240.0.0.0/4",     /* reserved; broadcast */
	"2001::/23",       /* protocol assignments, Teredo among them */
	"2001:db8::/32",   /* documentation */
	"2002::/16",       /* 6to4: any IPv4 address inside */
	"3fff::/20",       /* documentation */
};

/* What is neither IPv4 nor in there is no public address. */
#define ALL_IPV4       "0.0.0.0/0"
#define GLOBAL_UNICAST "2000::/3"

static bool is_inside(const struct network *address, const char *text)
{
	struct network network;

	return network_parse(text, &network) && network_has(&network, address);
}

static bool is_public(const struct network *address)
{
	if (!is_inside(address, ALL_IPV4) && !is_inside(address, GLOBAL_UNICAST))
		return false;
	for (size_t i = 0; i < COUNT(special); i++)
		if (is_inside(address, special[i]))
			return false;
	return true;
}

bool rules_allow_address(const struct proxy_rules *rules, const struct sockaddr *address)
{
	struct network one;

	if (!network_of(address, &one))
		return false;
	for (size_t i = 0; i < rules->internal_count; i++)
		if (is_inside(&one, rules->internal[i]))
			return true;
	return is_public(&one);
}
