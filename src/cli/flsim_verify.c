/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/flsim_verify.h"

#include "base/text.h"
#include "cli/flsim_record.h"

static enum ks_err print_json(const struct ks_flsim_checked *checked, const char *reason)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 8192);
    ks_json_put_object(&writer);
    ks_json_member_hex(&writer, "head", KS_BYTES(checked->head));
    ks_json_member_hex(&writer, "keys", KS_BYTES(checked->keys));
    ks_json_member_hex(&writer, "model", KS_BYTES(checked->model));
    ks_json_member_text(&writer, "record_reason", reason);
    ks_json_member_text(&writer, "record_schema", KS_FLSIM_SCHEMA);
    ks_json_member_u64(&writer, "rounds", checked->rounds);
    ks_json_member_text(&writer, "schema", "ketseal.record-verify/1");
    ks_json_member_u64(&writer, "updates", checked->updates);
    ks_json_member_bool(&writer, "verified", reason[0] == '\0');
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_flsim_verify(struct ks_cli *cli, struct ks_bytes text)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_visitor visitor = {NULL, NULL, NULL};
    struct ks_flsim_checked checked = {0};
    char reason[256] = "";
    char keys[2 * KS_FL_HASH_LEN + 1];
    const enum ks_err verdict = ks_flsim_records_visit(text, &visitor, &checked);

    if (verdict != KS_OK) {
        ks_text_shown(ks_bytes_text(ks_err_detail()), reason, sizeof reason);
    }
    if (verdict != KS_OK && verdict != KS_ERR_VERIFY) {
        return ks_fail(verdict, "%s: %s", cli->operands[0], reason);
    }
    if (cli->json) {
        KS_TRY(print_json(&checked, reason));
        cli->answered = true;
    } else if (verdict == KS_OK) {
        ks_hex_encode(KS_BYTES(checked.keys), keys);
        ks_cli_print("OK: simulated, %llu rounds, %llu updates, by keys %s\n",
                     (unsigned long long)checked.rounds, (unsigned long long)checked.updates,
                     keys);
    }
    err = verdict == KS_OK ? KS_OK : ks_fail(verdict, "%s: %s", cli->operands[0], reason);
out:
    return err;
}
