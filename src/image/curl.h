/* curl: the few functions of libcurl that are used, found when something is to be fetched. Private. */
#pragma once

#define CURL_DISABLE_TYPECHECK /* its checks are macros over names, and these are pointers */
#include <curl/curl.h>

#include "stepcell/err.h"

/*
 * libcurl brings thirty libraries along, which take a start many times as long
 * as everything that stepcell itself is linked with. Nobody pays for that who
 * fetches nothing.
 */
struct curl_api {
	__typeof__(curl_global_init) *global_init;
	__typeof__(curl_easy_init) *easy_init;
	__typeof__(curl_easy_reset) *easy_reset;
	__typeof__(curl_easy_setopt) *easy_setopt;
	__typeof__(curl_easy_perform) *easy_perform;
	__typeof__(curl_easy_getinfo) *easy_getinfo;
	__typeof__(curl_easy_strerror) *easy_strerror;
	__typeof__(curl_easy_escape) *easy_escape;
	__typeof__(curl_easy_cleanup) *easy_cleanup;
	__typeof__(curl_slist_append) *slist_append;
	__typeof__(curl_slist_free_all) *slist_free_all;
	__typeof__(curl_getdate) *getdate;
	__typeof__(curl_url) *url;
	__typeof__(curl_url_cleanup) *url_cleanup;
	__typeof__(curl_url_set) *url_set;
	__typeof__(curl_url_get) *url_get;
	__typeof__(curl_free) *free;
};

/* Before the worker that uses it is started: no library can be loaded there. */
int curl_load(struct curl_api *out, struct err *err);
