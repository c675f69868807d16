#include "image/curl.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "stepcell/util.h"

static const char *const sonames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
	{"curl_global_init", offsetof(struct curl_api, global_init)},
	{"curl_easy_init", offsetof(struct curl_api, easy_init)},
	{"curl_easy_reset", offsetof(struct curl_api, easy_reset)},
	{"curl_easy_setopt", offsetof(struct curl_api, easy_setopt)},
	{"curl_easy_perform", offsetof(struct curl_api, easy_perform)},
	{"curl_easy_getinfo", offsetof(struct curl_api, easy_getinfo)},
	{"curl_easy_strerror", offsetof(struct curl_api, easy_strerror)},
	{"curl_easy_escape", offsetof(struct curl_api, easy_escape)},
	{"curl_easy_cleanup", offsetof(struct curl_api, easy_cleanup)},
	{"curl_slist_append", offsetof(struct curl_api, slist_append)},
	{"curl_slist_free_all", offsetof(struct curl_api, slist_free_all)},
	{"curl_getdate", offsetof(struct curl_api, getdate)},
	{"curl_url", offsetof(struct curl_api, url)},
	{"curl_url_cleanup", offsetof(struct curl_api, url_cleanup)},
	{"curl_url_set", offsetof(struct curl_api, url_set)},
	{"curl_url_get", offsetof(struct curl_api, url_get)},
	{"curl_free", offsetof(struct curl_api, free)},
};

int curl_load(struct curl_api *out, struct err *err)
{
	void *library = NULL;

	for (size_t i = 0; i < COUNT(sonames) && !library; i++)
		library = dlopen(sonames[i], RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return err_fail(err, ERR_SYSTEM, "cannot load '%s'; install libcurl", sonames[0]);
	for (size_t i = 0; i < COUNT(symbols); i++) {
		void *found = dlsym(library, symbols[i].name);

		if (!found)
			return err_fail(err, ERR_SYSTEM, "'%s' has no %s", sonames[0],
					symbols[i].name);
		memcpy((char *)out + symbols[i].offset, &found, sizeof(found));
	}
	return 0;
}
