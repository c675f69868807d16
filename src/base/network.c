/* network: text to hosts and networks, strictly. */
#include "stepcell/network.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include "stepcell/parse.h"

bool endpoint_parse(const char *text, size_t len, uint16_t port, struct endpoint *out)
{
	const char *colon = memchr(text, ':', len);
	size_t host = colon ? (size_t)(colon - text) : len;
	uint64_t number = port;
	char digits[8] = {0};

	if (host == 0 || host > HOST_MAX || !isalnum((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < host; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '.')
			return false;
	if (colon) {
		if (len - host - 1 >= sizeof(digits))
			return false;
		memcpy(digits, colon + 1, len - host - 1);
		if (parse_u64(digits, 1, UINT16_MAX, &number) < 0)
			return false;
	}
	if (!number)
		return false;
	for (size_t i = 0; i < host; i++)
		out->host[i] = (char)tolower((unsigned char)text[i]);
	out->host[host] = '\0';
	out->port = (uint16_t)number;
	return true;
}

/* ---- networks ---- */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool bit_of(const uint8_t *address, unsigned bit)
{
	return address[bit / 8] >> (7 - bit % 8) & 1;
}

static bool parse_address(const char *text, struct network *out, unsigned *before)
{
	memcpy(out->address, mapped, sizeof(mapped));
	*before = 96;
	if (inet_pton(AF_INET, text, out->address + sizeof(mapped)) == 1)
		return true;
	*before = 0;
	return inet_pton(AF_INET6, text, out->address) == 1;
}

bool network_parse(const char *text, struct network *out)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN] = {0};
	unsigned before;
	uint64_t bits;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	if (!parse_address(address, out, &before) ||
	    parse_u64(slash + 1, 0, 128 - before, &bits) < 0)
		return false;
	out->bits = before + (unsigned)bits;
	for (unsigned bit = out->bits; bit < 128; bit++)
		if (bit_of(out->address, bit))
			return false;
	return true;
}

bool network_of(const struct sockaddr *address, struct network *out)
{
	*out = (struct network){.bits = 128};
	memcpy(out->address, mapped, sizeof(mapped));
	if (address->sa_family == AF_INET)
		memcpy(out->address + sizeof(mapped),
		       &((const struct sockaddr_in *)address)->sin_addr, 4);
	else if (address->sa_family == AF_INET6)
		memcpy(out->address, &((const struct sockaddr_in6 *)address)->sin6_addr,
		       sizeof(out->address));
	else
		return false;
	return true;
}

bool network_has(const struct network *outer, const struct network *inner)
{
	if (outer->bits > inner->bits)
		return false;
	for (unsigned bit = 0; bit < outer->bits; bit++)
		if (bit_of(outer->address, bit) != bit_of(inner->address, bit))
			return false;
	return true;
}
