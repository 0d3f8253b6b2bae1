/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/ca.h"

#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "crypto/keyfile.h"

static enum ks_err write_cert(const struct ks_cert *cert, const char *directory,
                              const char *name)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf pem;

    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    KS_TRY(ks_path_join(directory, name, path));
    ks_cert_to_pem(cert, &pem);
    KS_TRY(ks_buf_check(&pem));
    KS_TRY(ks_file_create(path, ks_buf_view(&pem), 0644));
out:
    ks_buf_done(&pem);
    return err;
}

enum ks_err ks_ca_read_cert(const char *directory, const char *name, struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf pem;

    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    KS_TRY(ks_path_join(directory, name, path));
    KS_TRY(ks_file_read(path, KS_CERT_PEM_MAX, &pem));
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(ks_buf_view(&pem), out_cert), "%s", path));
out:
    ks_buf_done(&pem);
    return err;
}

enum ks_err ks_ca_make(const char *directory, enum ks_sig_alg alg,
                       const struct ks_cert_spec *spec, struct ks_cert **out_root)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_sign_key *key = NULL;
    struct ks_cert *root = NULL;

    KS_TRY(ks_path_join(directory, "issued", path));
    KS_TRY(ks_dir_make(path, 0700));
    KS_TRY(ks_sign_key_new(alg, &key));
    KS_TRY(ks_cert_issue_root(key, spec, &root));
    KS_TRY(ks_path_join(directory, "root.key", path));
    KS_TRY(ks_sign_key_save(key, path));
    KS_TRY(write_cert(root, directory, "root.pem"));
    KS_TRY(ks_ca_issue_crl(directory, root, key, NULL, 0));
    *out_root = root;
    root = NULL; /* transferred */
out:
    ks_sign_key_free(key);
    ks_cert_free(root);
    return err;
}

/* The names of the files in a directory that ks_ca_issue makes: device.pem, server.key, … */
static enum ks_err write_identity(const char *out, const char *role, const struct ks_cert *root,
                                  const struct ks_cert *cert, const struct ks_sign_key *key)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    char name[64];

    KS_TRY(ks_dir_make(out, 0700));
    (void)snprintf(name, sizeof name, "%s.key", role);
    KS_TRY(ks_path_join(out, name, path));
    KS_TRY(ks_sign_key_save(key, path));
    (void)snprintf(name, sizeof name, "%s.pem", role);
    KS_TRY(write_cert(cert, out, name));
    KS_TRY(write_cert(root, out, "root.pem"));
out:
    return err;
}

enum ks_err ks_ca_issue(const char *directory, enum ks_sig_alg alg,
                        const struct ks_cert_spec *leaf, const char *out,
                        struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    char issued[KS_CERT_SUBJECT_MAX + 80];
    struct ks_sign_key *root_key = NULL;
    struct ks_sign_key *key = NULL;
    struct ks_verify_key *public_key = NULL;
    struct ks_cert *root = NULL;
    struct ks_cert *cert = NULL;
    struct ks_cert_spec spec = *leaf;
    char serial[2 * KS_CERT_SERIAL_MAX + 1];

    KS_TRY(ks_path_join(directory, "root.key", path));
    KS_TRY(ks_sign_key_load(path, &root_key));
    KS_TRY(ks_ca_read_cert(directory, "root.pem", &root));
    spec.not_before_s = spec.not_before_s < ks_cert_not_before_s(root)
                            ? ks_cert_not_before_s(root)
                            : spec.not_before_s;
    spec.not_after_s = spec.not_after_s > ks_cert_not_after_s(root) ? ks_cert_not_after_s(root)
                                                                    : spec.not_after_s;
    KS_TRY(ks_sign_key_new(alg, &key));
    KS_TRY(ks_sign_key_verify_key(key, &public_key));
    KS_TRY(ks_cert_issue(root, root_key, &spec, public_key, &cert));
    KS_TRY(write_identity(out, ks_cert_role_name(spec.role), root, cert, key));
    ks_hex_encode(ks_cert_serial(cert), serial);
    (void)snprintf(issued, sizeof issued, "issued/%s.pem", serial);
    KS_TRY(write_cert(cert, directory, issued));
    *out_cert = cert;
    cert = NULL; /* transferred */
out:
    ks_sign_key_free(root_key);
    ks_sign_key_free(key);
    ks_verify_key_free(public_key);
    ks_cert_free(root);
    ks_cert_free(cert);
    return err;
}
