/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Certificates that `ketseal ca` does not issue, from the CA that it made:
 *
 *   site_issue CA expired NAME DIRECTORY     a device's, which ended a minute ago
 *   site_issue CA classical NAME DIRECTORY   a device's, with a P-256 key
 *   site_issue CA revoke CERTIFICATE FILE    a list that revokes it */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "crypto/cert.h"
#include "tests/integration/issue.h"

static enum ks_err put(const char *directory, const char *name, struct ks_bytes text,
                       unsigned mode)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return ks_file_create(path, text, mode);
}

static enum ks_err issue(struct test_authority *authority, enum test_role role,
                         const char *name, const char *directory)
{
    enum ks_err err = KS_OK;
    struct test_identity *identity = test_issue(authority, role, name, NULL);

    KS_TRY(ks_dir_make(directory, 0700));
    KS_TRY(put(directory, "root.pem", test_root_pem(authority), 0644));
    KS_TRY(put(directory, "device.pem", test_cert_pem(identity), 0644));
    KS_TRY(put(directory, "device.key", test_key_pem(identity), 0600));
out:
    test_identity_free(identity);
    return err;
}

static enum ks_err revoke(struct test_authority *authority, const char *path, const char *file)
{
    enum ks_err err = KS_OK;
    struct ks_buf pem;
    struct ks_buf list;
    struct ks_cert *cert = NULL;

    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    ks_buf_init(&list, KS_CERT_PEM_MAX);
    KS_TRY(ks_file_read(path, KS_CERT_PEM_MAX, &pem));
    KS_TRY(ks_cert_parse_pem(ks_buf_view(&pem), &cert));
    test_revoke_cert(authority, cert, &list);
    KS_TRY(ks_file_write(file, ks_buf_view(&list), 0644));
out:
    ks_cert_free(cert);
    ks_buf_done(&pem);
    ks_buf_done(&list);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct test_authority *authority = NULL;

    if (argc != 5) {
        (void)fputs("usage: site_issue CA expired|classical|revoke NAME TARGET\n", stderr);
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    authority = test_authority_open(argv[1]);
    if (strcmp(argv[2], "expired") == 0) {
        err = issue(authority, TEST_EXPIRED_DEVICE, argv[3], argv[4]);
    } else if (strcmp(argv[2], "classical") == 0) {
        err = issue(authority, TEST_CLASSICAL_DEVICE, argv[3], argv[4]);
    } else {
        err = revoke(authority, argv[3], argv[4]);
    }
    test_authority_free(authority);
    if (err != KS_OK) {
        (void)fprintf(stderr, "site_issue: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
