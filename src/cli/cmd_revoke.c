/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ca revoke. */

#include "base/sys.h"
#include "base/text.h"
#include "cli/ca.h"
#include "crypto/keyfile.h"

static enum ks_err print_list(const struct ks_cli *cli, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_buf pem;
    struct ks_crl *crl = NULL;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&pem, KS_CRL_PEM_MAX);
    ks_buf_init(&out, 16384);
    KS_TRY(ks_file_read(path, KS_CRL_PEM_MAX, &pem));
    KS_TRY(ks_fail_prefix(ks_crl_parse_pem(ks_buf_view(&pem), &crl), "%s", path));
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "crl", path);
        ks_json_member_u64(&writer, "next_update", ks_crl_next_update_s(crl));
        ks_json_member_u64(&writer, "number", ks_crl_number(crl));
        ks_json_member_u64(&writer, "revoked", ks_crl_count(crl));
        ks_json_member_text(&writer, "schema", "ketseal.revoke/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("%s: list %llu, %zu revoked, valid for %d days\n", path,
                     (unsigned long long)ks_crl_number(crl), ks_crl_count(crl), KS_CA_CRL_DAYS);
    }
out:
    ks_crl_free(crl);
    ks_buf_done(&pem);
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_ca_revoke(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *directory = ks_cli_text(cli, "ca");
    char path[KS_PATH_MAX];
    struct ks_sign_key *root_key = NULL;
    struct ks_cert *root = NULL;

    KS_TRY(ks_path_join(directory, "root.key", path));
    KS_TRY(ks_sign_key_load(path, &root_key));
    KS_TRY(ks_ca_read_cert(directory, "root.pem", &root));
    ks_cli_progress(cli, "signing the revocation list");
    KS_TRY(ks_ca_issue_crl(directory, root, root_key, cli->operands, cli->operand_count));
    KS_TRY(ks_path_join(directory, "crl.pem", path));
    KS_TRY(print_list(cli, path));
out:
    ks_sign_key_free(root_key);
    ks_cert_free(root);
    return err;
}
