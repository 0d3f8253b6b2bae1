/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What libcrypto could ask of the C library and the verifier never wants: to look up names on
 * the network, to load code at run time. A static program gets these definitions instead of
 * glibc's, so neither the resolver nor the loader of shared libraries is in it. Each one fails.
 */

#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>

void *dlopen(const char *file, int mode)
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

struct hostent *gethostbyname(const char *name)
{
    (void)name;
    return NULL;
}
