/* What a client says to the proxy: a request's head, or how a TLS client begins. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/hello.h"
#include "proxy/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(const uint8_t *data, size_t size)
{
	auto_strbuf struct strbuf text = STRBUF(REQUEST_HEAD), out = STRBUF(4 * REQUEST_HEAD);
	struct request request;
	struct refusal why;

	strbuf_add(&text, data, size);
	if (!request_head_len(text.text, text.len))
		return;
	if (!request_parse(text.text, text.len, &request, &why)) {
		if (!why.status || !*why.why)
			abort();
		return;
	}
	if (!*request.to.host || !request.to.port || request.head > text.len)
		abort();
	if (request.tunnel)
		return;
	request_write(&request, text.text, &out);
	/* one head and nothing else, whatever was said */
	if (request_head_len(out.text, out.len) != out.len || strlen(out.text) != out.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[256];

	try_request(data, size);
	if (size <= HELLO_BYTES && hello_parse(data, size, name) == HELLO_TLS && strlen(name) > 255)
		abort();
	return 0;
}
