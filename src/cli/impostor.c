/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/impostor.h"

#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/ca.h"
#include "crypto/keyfile.h"

#define LIFE_S     (UINT64_C(365) * 24 * 3600)
#define BACKDATE_S 300

/* Everybody has this key: nobody may trust it, which is the point. Made once by `openssl req
 * -x509`, since ketseal itself issues no such certificate. */
static const char classical_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoXWbB632/WhlmFSu\n"
    "c7ol0W9s/454ryK5Nt+bLCDCDDKhRANCAAQW+YwNfV7h1SmEHAR006EEXnp6EuJI\n"
    "vNp2lh7jHqVLrQTB66oF7UbM4hLTJxDOVSwYHzEBrwh6IxtIAmJ/Z5EU\n"
    "-----END PRIVATE KEY-----\n";
static const char classical_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBkzCCATqgAwIBAgIUYftlNBkVfWSEkUnLAsGlFEJVmLswCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx\n"
    "MDAwMDAwWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAAQW+YwNfV7h1SmEHAR006EEXnp6EuJIvNp2lh7jHqVLrQTB66oF7UbM\n"
    "4hLTJxDOVSwYHzEBrwh6IxtIAmJ/Z5EUo2gwZjAPBgNVHRMBAf8EBTADAQH/MA4G\n"
    "A1UdDwEB/wQEAwIChDATBgNVHSUEDDAKBggrBgEFBQcDATAPBgNVHREECDAGhwR/\n"
    "AAABMB0GA1UdDgQWBBQA8Mj62RVzfSZVtbyWj4g2prfCGTAKBggqhkjOPQQDAgNH\n"
    "ADBEAiBazTuJDsBa/VaqbFS/64A9JK/AWumdFB/c2PjCb3EN4wIgJBq29uVLl4Bq\n"
    "WshERvxpPUo1vEJAQALSt/oORSdGj48=\n"
    "-----END CERTIFICATE-----\n";

static enum ks_err read_part(const char *directory, const char *name, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(directory, name, path));
    KS_TRY(ks_file_read(path, KS_CERT_PEM_MAX, out));
out:
    return err;
}

/* A CA and a server that it vouches for, unless they are there. */
static enum ks_err make(const char *ca, const char *server)
{
    static const char *const ips[] = {"127.0.0.1"};
    enum ks_err err = KS_OK;
    struct ks_cert *root = NULL;
    struct ks_cert *leaf = NULL;
    char last[KS_PATH_MAX];
    struct ks_cert_spec spec = {.role = KS_CERT_ROOT, .subject = "impostor"};

    KS_TRY(ks_path_join(server, "root.pem", last)); /* the last of what is made */
    if (access(last, F_OK) == 0) {
        return KS_OK;
    }
    spec.not_before_s = ks_clock_us() / 1000000 - BACKDATE_S;
    spec.not_after_s = spec.not_before_s + LIFE_S;
    KS_TRY(ks_ca_make(ca, KS_SIG_MLDSA87, &spec, &root));
    spec.role = KS_CERT_SERVER;
    spec.ips = ips;
    spec.ip_count = 1;
    KS_TRY(ks_ca_issue(ca, KS_SIG_MLDSA65, &spec, server, &leaf));
out:
    ks_cert_free(root);
    ks_cert_free(leaf);
    return err;
}

enum ks_err ks_impostor_open(const char *directory, struct ks_tls **out_tls)
{
    enum ks_err err = KS_OK;
    char ca[KS_PATH_MAX];
    char server[KS_PATH_MAX];
    struct ks_buf root;
    struct ks_buf certificate;
    struct ks_buf key;
    struct ks_tls_spec spec = {.side = KS_TLS_SERVER, .mode = KS_TLS_MUTUAL};

    ks_buf_init(&root, KS_CERT_PEM_MAX);
    ks_buf_init(&certificate, KS_CERT_PEM_MAX);
    ks_buf_init(&key, KS_CERT_PEM_MAX);
    KS_TRY(ks_path_join(directory, "ca", ca));
    KS_TRY(ks_path_join(directory, "server", server));
    KS_TRY(make(ca, server));
    KS_TRY(read_part(server, "root.pem", &root));
    KS_TRY(read_part(server, "server.pem", &certificate));
    KS_TRY(read_part(server, "server.key", &key));
    spec.root_pem = ks_buf_view(&root);
    spec.cert_pem = ks_buf_view(&certificate);
    spec.key_pem = ks_buf_view(&key);
    KS_TRY(ks_tls_new(&spec, out_tls));
out:
    ks_buf_done(&root);
    ks_buf_done(&certificate);
    ks_buf_wipe(&key);
    return err;
}

enum ks_err ks_impostor_open_classical(struct ks_tls **out_tls)
{
    const struct ks_tls_spec spec = {
        .side = KS_TLS_SERVER,
        .mode = KS_TLS_MUTUAL,
        .profile = KS_TLS_CLASSICAL,
        .root_pem = ks_bytes_text(classical_certificate),
        .cert_pem = ks_bytes_text(classical_certificate),
        .key_pem = ks_bytes_text(classical_key),
        .groups = "X25519:secp256r1",
        .sigalgs = "ecdsa_secp256r1_sha256",
    };

    return ks_tls_new(&spec, out_tls);
}
