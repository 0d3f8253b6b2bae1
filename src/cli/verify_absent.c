/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What libcrypto could ask of the C library and the verifier never wants: to look up names on
 * the network, to load code at run time. The static program gets these definitions, each of
 * which fails, instead of glibc's; so it has no resolver, and libcrypto no way to a loader. */

#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>

/* glibc keeps its own dlopen, for tables of character sets, and warns of each mention of that
 * name in a static program. So the linker is told to send callers here (--wrap). */
void *__wrap_dlopen(const char *file, int mode);

void *__wrap_dlopen(const char *file, int mode)
{
    (void)file;
    (void)mode;
    return NULL;
}

void *dlsym(void *restrict handle, const char *restrict name)
{
    (void)handle;
    (void)name;
    return NULL;
}

int dlclose(void *handle)
{
    (void)handle;
    return -1;
}

/* 0 is how this one fails. */
int dladdr(const void *address, Dl_info *info)
{
    (void)address;
    (void)info;
    return 0;
}

char *dlerror(void)
{
    static char text[] = "this program loads no libraries";

    return text;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out_list)
{
    (void)name;
    (void)service;
    (void)hints;
    (void)out_list;
    return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *list)
{
    (void)list;
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t address_size,
                char *restrict name, socklen_t name_size, char *restrict service,
                socklen_t service_size, int flags)
{
    (void)address;
    (void)address_size;
    (void)name;
    (void)name_size;
    (void)service;
    (void)service_size;
    (void)flags;
    return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name)
{
    (void)name;
    return NULL;
}
