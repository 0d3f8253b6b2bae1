/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* credential_make EK AK RANDOM SECRET TIME NV INTERMEDIATES ROOTS: verifies the certificate
 * that a TPM keeps in its NV index (NV) for the endorsement key EK at TIME (seconds since
 * 1970), and writes, for tpm2_activatecredential, the credential of SECRET for the attestation
 * key AK to standard output: the tool's own header, TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET. NV
 * "-" leaves the certificate out. For credential.sh and tests/vectors/endorsement/generate.sh.
 */
#include <stdio.h>
#include <string.h>

#include "attest/credential.h"
#include "base/sys.h"
#include "base/text.h"

#define FILE_MAX (256 * 1024)

enum {
    ARG_EK = 1,
    ARG_AK,
    ARG_RANDOM,
    ARG_SECRET,
    ARG_TIME,
    ARG_NV,
    ARG_INTER,
    ARG_ROOTS,
    ARGS
};

static enum ks_err check_certificate(char **argv, const struct ks_ek_public *ek)
{
    enum ks_err err = KS_OK;
    struct ks_buf nv;
    struct ks_buf text;
    struct ks_bytes der;
    struct ks_ek_cert *cert = NULL;
    struct ks_ek_certs intermediates = {0};
    struct ks_ek_certs roots = {0};
    uint64_t time_s = 0;

    ks_buf_init(&nv, FILE_MAX);
    ks_buf_init(&text, FILE_MAX);
    KS_TRY(ks_text_u64(ks_bytes_text(argv[ARG_TIME]), UINT64_MAX, &time_s));
    KS_TRY(ks_file_read(argv[ARG_NV], FILE_MAX, &nv));
    KS_TRY(ks_ek_cert_of_nv(ks_buf_view(&nv), &der));
    KS_TRY(ks_ek_cert_parse_der(der, &cert));
    KS_TRY(ks_file_read(argv[ARG_INTER], FILE_MAX, &text));
    KS_TRY(ks_ek_certs_add_pem(&intermediates, ks_buf_view(&text)));
    ks_buf_clear(&text);
    KS_TRY(ks_file_read(argv[ARG_ROOTS], FILE_MAX, &text));
    KS_TRY(ks_ek_certs_add_pem(&roots, ks_buf_view(&text)));
    KS_TRY(ks_ek_cert_verify(cert, &intermediates, &roots, time_s, NULL));
    KS_TRY(ks_ek_public_check_cert(ek, cert));
    (void)fprintf(stderr, "%s: manufacturer %s, model %s, version %s\n",
                  ks_ek_kind_name(ek->kind), ks_ek_cert_manufacturer(cert),
                  ks_ek_cert_model(cert), ks_ek_cert_version(cert));
out:
    ks_ek_certs_done(&roots);
    ks_ek_certs_done(&intermediates);
    ks_ek_cert_free(cert);
    ks_buf_done(&text);
    ks_buf_done(&nv);
    return err;
}

static enum ks_err make(char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_buf files[4];
    struct ks_buf out;
    struct ks_buf encrypted;
    struct ks_ek_public ek;
    struct ks_ak_public ak;

    for (size_t i = 0; i < 4; i++) {
        ks_buf_init(&files[i], FILE_MAX);
    }
    ks_buf_init(&out, FILE_MAX);
    ks_buf_init(&encrypted, FILE_MAX);
    for (size_t i = 0; i < 4; i++) {
        KS_TRY(ks_file_read(argv[ARG_EK + i], FILE_MAX, &files[i]));
    }
    KS_TRY(ks_ek_public_parse(ks_buf_view(&files[0]), &ek));
    KS_TRY(ks_ak_public_parse(ks_buf_view(&files[1]), &ak));
    if (strcmp(argv[ARG_NV], "-") != 0) {
        KS_TRY(check_certificate(argv, &ek));
    }
    const struct ks_credential_spec spec = {
        .ak_name = KS_BYTES(ak.name),
        .secret = ks_buf_view(&files[3]),
        .random = ks_buf_view(&files[2]),
    };
    ks_buf_put_u32(&out, 0xbadcc0de); /* tpm2-tools' magic and version */
    ks_buf_put_u32(&out, 1);
    KS_TRY(ks_credential_make(&ek, &spec, &out, &encrypted));
    ks_buf_put(&out, ks_buf_view(&encrypted));
    KS_TRY(ks_buf_check(&out));
    if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
        err = ks_fail(KS_ERR_IO, "standard output");
    }
out:
    for (size_t i = 0; i < 4; i++) {
        ks_buf_done(&files[i]);
    }
    ks_buf_done(&out);
    ks_buf_done(&encrypted);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;

    if (argc != ARGS) {
        (void)fprintf(stderr,
                      "usage: credential_make EK AK RANDOM SECRET TIME NV INTERMEDIATES "
                      "ROOTS\n");
        return 2;
    }
    err = make(argv);
    if (err != KS_OK) {
        (void)fprintf(stderr, "credential_make: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
