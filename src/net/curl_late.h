/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* curl_late.h: libcurl, loaded by the first who needs it and not at the start of each program:
 * it and the thirty libraries that come with it take 4.5 ms. Inside src/net only. */
#ifndef KS_NET_CURL_LATE_H
#define KS_NET_CURL_LATE_H

#include <curl/curl.h>

#include "base/err.h"

/* Afterwards the functions of libcurl that curl_late.c has can be called, as if they were
 * linked. KS_ERR_UNAVAILABLE when there is no libcurl. Any thread. */
KS_MUST_CHECK enum ks_err ks_curl_load(void);

/* curl_easy_perform without SIGPIPE. */
KS_MUST_CHECK CURLcode ks_curl_perform(CURL *curl);

#endif
