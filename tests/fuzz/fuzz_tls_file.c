/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tls.json of a device: what is read is what TLS can be asked for. */

#include <string.h>

#include "client/tls_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_tls_file file;
    uint32_t algs = 0;

    if (ks_tls_file_parse(ks_bytes_of(data, size), &file) == KS_OK) {
        KS_ASSERT(strlen(file.groups) <= KS_TLS_FILE_GROUPS);
        KS_ASSERT(ks_sigalgs_parse(ks_tls_file_text(file.sigalgs), &algs) == KS_OK);
        KS_ASSERT(algs != 0 && (algs & ~KS_SIGALGS_ALL) == 0);
    }
    return 0;
}
