/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Each function of libcurl that ketseal calls, under its own name, passes on to the library's.
 * What it finds of libssl is what this program has mapped already. */
#include "net/curl_late.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

#include "base/mem.h"

#undef curl_easy_setopt /* macros that check types, of the callers */
#undef curl_easy_getinfo

#define LIBRARY "libcurl.so.4"

/* Result, name, parameters. */
#define FUNCTIONS(ENTRY)                                                                       \
    ENTRY(CURLcode, curl_easy_setopt, (CURL *, CURLoption, ...))                               \
    ENTRY(CURLcode, curl_easy_getinfo, (CURL *, CURLINFO, ...))                                \
    ENTRY(CURLcode, curl_easy_perform, (CURL *))                                               \
    ENTRY(CURL *, curl_easy_init, (void))                                                      \
    ENTRY(void, curl_easy_cleanup, (CURL *))                                                   \
    ENTRY(const char *, curl_easy_strerror, (CURLcode))                                        \
    ENTRY(CURLcode, curl_global_init, (long))                                                  \
    ENTRY(char *, curl_version, (void))                                                        \
    ENTRY(struct curl_slist *, curl_slist_append, (struct curl_slist *, const char *))         \
    ENTRY(void, curl_slist_free_all, (struct curl_slist *))

#define AS_MEMBER(result, name, parameters) result(*name) parameters;
static struct {
    FUNCTIONS(AS_MEMBER)
} late;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char why[200]; /* it could not be loaded; else empty */

/* POSIX has dlsym return functions as object pointers. */
static void find(void *library, const char *name, void *target, size_t size)
{
    void *symbol = dlsym(library, name);

    if (symbol == NULL && why[0] == '\0') {
        (void)snprintf(why, sizeof why, LIBRARY " has no %s", name);
    }
    KS_ASSERT(size == sizeof symbol);
    ks_copy(target, &symbol, size);
}

/* Never unloaded: it keeps threads' data and callbacks of libssl. */
static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        (void)snprintf(why, sizeof why, "%s", dlerror());
        return;
    }
#define FIND(result, name, parameters) find(library, #name, &late.name, sizeof late.name);
    FUNCTIONS(FIND)
}

enum ks_err ks_curl_load(void)
{
    (void)pthread_once(&once, load); /* fails on a bad argument only */
    return why[0] == '\0' ? KS_OK : ks_fail(KS_ERR_UNAVAILABLE, "libcurl: %s", why);
}

/* A connection that breaks while it is written to raises SIGPIPE, which libcurl is told to
 * leave alone, since its way of ignoring it is the whole process's. This is one thread's. */
CURLcode ks_curl_perform(CURL *curl)
{
    const struct timespec now = {0};
    sigset_t pipe_only;
    sigset_t before;
    sigset_t pending;
    CURLcode code;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    code = curl_easy_perform(curl);
    if (sigismember(&before, SIGPIPE) == 0 && sigpending(&pending) == 0 &&
        sigismember(&pending, SIGPIPE) == 1) {
        (void)sigtimedwait(&pipe_only, NULL, &now);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* --- in their place ----------------------------------------------------------------------- */

/* The kind of an option's value stands in its number (curl.h: CURLOPTTYPE_…). */
CURLcode curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
    CURLcode code = CURLE_UNKNOWN_OPTION;
    va_list args;

    va_start(args, option);
    if (option < CURLOPTTYPE_OBJECTPOINT) {
        code = late.curl_easy_setopt(curl, option, va_arg(args, long));
    } else if (option < CURLOPTTYPE_OFF_T) { /* of objects and functions: CURLOPTTYPE_… */
        code = late.curl_easy_setopt(curl, option, va_arg(args, void *));
    } else if (option < CURLOPTTYPE_BLOB) {
        code = late.curl_easy_setopt(curl, option, va_arg(args, curl_off_t));
    }
    va_end(args);
    return code;
}

CURLcode curl_easy_getinfo(CURL *curl, CURLINFO info, ...)
{
    CURLcode code = CURLE_OK;
    va_list args;

    va_start(args, info);
    code = late.curl_easy_getinfo(curl, info, va_arg(args, void *));
    va_end(args);
    return code;
}

CURLcode curl_easy_perform(CURL *curl)
{
    return late.curl_easy_perform(curl);
}

CURL *curl_easy_init(void)
{
    return late.curl_easy_init();
}

void curl_easy_cleanup(CURL *curl)
{
    late.curl_easy_cleanup(curl);
}

const char *curl_easy_strerror(CURLcode code)
{
    return late.curl_easy_strerror(code);
}

CURLcode curl_global_init(long flags)
{
    return late.curl_global_init(flags);
}

char *curl_version(void)
{
    return late.curl_version();
}

struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text)
{
    return late.curl_slist_append(list, text);
}

void curl_slist_free_all(struct curl_slist *list)
{
    late.curl_slist_free_all(list);
}
