/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/sigalgs.h"

#include <string.h>

#include "crypto/slhdsa_tls.h"

static const struct {
    const char *name;
    enum ks_sig_alg alg;
} known[] = {
    {"mldsa44", KS_SIG_MLDSA44},
    {"mldsa65", KS_SIG_MLDSA65},
    {"mldsa87", KS_SIG_MLDSA87},
    {KS_SLHDSA_TLS_128S, KS_SIG_SLHDSA_SHA2_128S},
    {KS_SLHDSA_TLS_128F, KS_SIG_SLHDSA_SHA2_128F},
};

const char *ks_sigalgs_name(enum ks_sig_alg alg)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].alg == alg) {
            return known[i].name;
        }
    }
    return NULL;
}

static uint32_t bit_of(struct ks_bytes name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (ks_bytes_is(name, known[i].name)) {
            return KS_SIGALG_BIT(known[i].alg);
        }
    }
    return 0;
}

enum ks_err ks_sigalgs_parse(const char *list, uint32_t *out_algs)
{
    const char *at = list != NULL ? list : KS_SIGALGS_DEFAULT;
    uint32_t algs = 0;

    if (strlen(at) > KS_SIGALGS_MAX) {
        return ks_fail(KS_ERR_USAGE, "signature algorithms: over %d characters",
                       KS_SIGALGS_MAX);
    }
    for (;;) {
        size_t len = strcspn(at, ":");
        uint32_t bit = bit_of(ks_bytes_of(at, len));

        if (bit == 0 || (algs & bit) != 0) {
            return ks_fail(KS_ERR_USAGE, "signature algorithms: '%.*s' is %s", (int)len, at,
                           bit == 0 ? "not one that TLS may use here" : "there twice");
        }
        algs |= bit;
        if (at[len] == '\0') {
            *out_algs = algs;
            return KS_OK;
        }
        at += len + 1;
    }
}
