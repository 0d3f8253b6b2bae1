/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* witness keygen, ledger vkeys: the keys that witnesses and logs tell each other. */

#include <stdio.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/witness.h"
#include "crypto/keyfile.h"
#include "record/site.h"

static const struct {
    enum ks_sig_alg alg;
    enum ks_note_type type;
    const char *file;
} kinds[] = {
    {KS_SIG_ED25519, KS_NOTE_COSIGNED_ED25519, "witness-ed25519.key"},
    {KS_SIG_MLDSA44, KS_NOTE_COSIGNED_MLDSA44, "witness-mldsa44.key"},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* The keys on standard output, one in a line; or an object. */
static enum ks_err print_vkeys(const struct ks_cli *cli, const struct ks_buf *lines,
                               const char *schema)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(ks_buf_view(lines), "vkeys");
    struct ks_bytes line;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 4 * KS_NOTE_VKEY_MAX);
    KS_TRY(ks_buf_check(lines));
    if (!cli->json) {
        ks_cli_print_bytes(ks_buf_view(lines));
        return KS_OK;
    }
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "keys");
    ks_json_put_array(&writer);
    while (reader.rest.len > 0) {
        KS_TRY(ks_read_line(&reader, &line));
        ks_json_put_string(&writer, line);
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", schema);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static enum ks_err make_key(struct ks_bytes name, size_t kind, const char *directory,
                            struct ks_buf *lines)
{
    enum ks_err err = KS_OK;
    struct ks_sign_key *key = NULL;
    struct ks_note_signer signer = {.name = name, .type = kinds[kind].type};
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(directory, kinds[kind].file, path));
    KS_TRY(ks_sign_key_new(kinds[kind].alg, &key));
    signer.key = key;
    KS_TRY(ks_note_signer_vkey(&signer, lines));
    ks_buf_put_text(lines, "\n");
    KS_TRY(ks_sign_key_save(key, path));
out:
    ks_sign_key_free(key);
    return err;
}

enum ks_err ks_command_witness_keygen(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *directory = ks_cli_text(cli, "out");
    const struct ks_bytes name = ks_bytes_text(ks_cli_text(cli, "name"));
    struct ks_buf lines;

    ks_buf_init(&lines, KINDS * KS_NOTE_VKEY_MAX);
    KS_CHECK(ks_note_name_check(name, "--name") == KS_OK, KS_ERR_USAGE, "%s",
             "--name: 1 to 255 bytes without spaces and '+', such as witness.example/w1");
    KS_TRY(ks_dir_make(directory, 0700));
    for (size_t i = 0; i < KINDS; i++) {
        KS_TRY(make_key(name, i, directory, &lines));
    }
    KS_TRY(print_vkeys(cli, &lines, "ketseal.witness-keys/1"));
out:
    ks_buf_done(&lines);
    return err;
}

enum ks_err ks_command_ledger_vkeys(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "site");
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_note_key *keys[2] = {NULL, NULL};
    struct ks_buf document;
    struct ks_buf lines;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    ks_buf_init(&lines, 2 * KS_NOTE_VKEY_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_file_read(path, KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&document), site), "%s", path));
    KS_TRY(ks_site_ledger_keys(site, keys));
    for (size_t i = 0; i < 2; i++) {
        ks_note_key_print(keys[i], &lines);
        ks_buf_put_text(&lines, "\n");
    }
    KS_TRY(print_vkeys(cli, &lines, "ketseal.ledger-keys/1"));
out:
    ks_note_key_free(keys[0]);
    ks_note_key_free(keys[1]);
    ks_free(site);
    ks_buf_done(&document);
    ks_buf_done(&lines);
    return err;
}

enum ks_err ks_cli_witnesses(const struct ks_cli *cli, struct ks_bytes origin,
                             struct ks_witnesses *out_witnesses)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "witnesses");
    const char *quorum = ks_cli_text(cli, "witness-quorum");
    struct ks_buf text;

    *out_witnesses = (struct ks_witnesses){0};
    ks_buf_init(&text, KS_WITNESSES_LINES_MAX);
    KS_CHECK(path != NULL || quorum == NULL, KS_ERR_USAGE,
             "--witness-quorum: of which --witnesses?");
    if (path == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_file_read(path, KS_WITNESSES_LINES_MAX, &text));
    KS_TRY(
        ks_fail_prefix(ks_witnesses_add_lines(out_witnesses, ks_buf_view(&text)), "%s", path));
    out_witnesses->quorum = ks_witnesses_names(out_witnesses);
    if (quorum != NULL) {
        KS_TRY(ks_cli_number(cli, "witness-quorum", KS_WITNESSES_KEYS_MAX,
                             &out_witnesses->quorum));
    }
    KS_TRY(ks_fail_prefix(ks_witnesses_check(out_witnesses, origin), "%s", path));
out:
    ks_buf_done(&text);
    return err;
}
