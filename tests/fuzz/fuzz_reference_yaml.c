/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A reference policy in YAML: what passes is a reference in canonical JSON, which is written
 * again as the same bytes. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    struct ks_buf json;
    struct ks_buf again;
    struct ks_reference *reference = NULL;
    const int fd = memfd_create("reference", MFD_CLOEXEC);

    KS_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ks_buf_init(&json, KS_REFERENCE_MAX);
    ks_buf_init(&again, KS_REFERENCE_MAX);
    if (ks_reference_load(path, &json) == KS_OK) {
        KS_ASSERT(ks_reference_parse(ks_buf_view(&json), &reference) == KS_OK);
        ks_reference_write(reference, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&json)));
        ks_reference_free(reference);
    }
    ks_buf_done(&json);
    ks_buf_done(&again);
    KS_ASSERT(close(fd) == 0);
    return 0;
}
