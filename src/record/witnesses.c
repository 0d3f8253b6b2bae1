/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/witnesses.h"

#include <inttypes.h>

void ks_witnesses_done(struct ks_witnesses *witnesses)
{
    for (size_t i = 0; i < witnesses->count; i++) {
        ks_note_key_free(witnesses->keys[i]);
    }
    witnesses->count = 0;
}

static bool same_name(const struct ks_note_key *a, const struct ks_note_key *b)
{
    return ks_bytes_equal(ks_note_key_name(a), ks_note_key_name(b));
}

enum ks_err ks_witnesses_add(struct ks_witnesses *witnesses, struct ks_bytes vkey)
{
    enum ks_err err = KS_OK;
    struct ks_note_key *key = NULL;

    KS_CHECK(witnesses->count < KS_WITNESSES_KEYS_MAX, KS_ERR_LIMIT,
             "more than %d keys of witnesses", KS_WITNESSES_KEYS_MAX);
    KS_TRY(ks_note_key_parse(vkey, &key));
    KS_CHECK(ks_note_key_type(key) != KS_NOTE_ED25519, KS_ERR_FORMAT,
             "key %08" PRIx32 " is a log's, not a witness's: type 0x01", ks_note_key_id(key));
    for (size_t i = 0; i < witnesses->count; i++) {
        KS_CHECK(ks_note_key_id(witnesses->keys[i]) != ks_note_key_id(key) ||
                     !same_name(witnesses->keys[i], key),
                 KS_ERR_FORMAT, "key %08" PRIx32 " is there twice", ks_note_key_id(key));
    }
    witnesses->keys[witnesses->count++] = key;
    key = NULL; /* transferred */
out:
    ks_note_key_free(key);
    return err;
}

enum ks_err ks_witnesses_add_lines(struct ks_witnesses *witnesses, struct ks_bytes text)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(text, "keys of witnesses");
    struct ks_bytes line;
    size_t number = 0;

    while (reader.rest.len > 0) {
        number++;
        KS_TRY(ks_read_line(&reader, &line));
        if (line.len > 0 && line.data[0] != '#') {
            KS_TRY(ks_fail_prefix(ks_witnesses_add(witnesses, line), "line %zu", number));
        }
    }
out:
    return err;
}

size_t ks_witnesses_names(const struct ks_witnesses *witnesses)
{
    size_t names = 0;

    for (size_t i = 0; i < witnesses->count; i++) {
        size_t k = 0;

        while (k < i && !same_name(witnesses->keys[i], witnesses->keys[k])) {
            k++;
        }
        names += k == i ? 1 : 0;
    }
    return names;
}

static enum ks_err check_quorum(const struct ks_witnesses *witnesses)
{
    const size_t names = ks_witnesses_names(witnesses);

    if (witnesses->quorum < 1 || witnesses->quorum > names) {
        return ks_fail(KS_ERR_FORMAT, "a quorum of %llu out of %zu witnesses",
                       (unsigned long long)witnesses->quorum, names);
    }
    return KS_OK;
}

enum ks_err ks_witnesses_check(const struct ks_witnesses *witnesses, struct ks_bytes origin)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_quorum(witnesses));
    for (size_t i = 0; i < witnesses->count; i++) {
        KS_CHECK(!ks_bytes_equal(ks_note_key_name(witnesses->keys[i]), origin), KS_ERR_FORMAT,
                 "a witness has the name of the ledger");
    }
out:
    return err;
}

void ks_witnesses_write(const struct ks_witnesses *witnesses, struct ks_json_writer *writer)
{
    struct ks_buf vkey;

    ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
    ks_json_put_object(writer);
    ks_json_put_key(writer, "keys");
    ks_json_put_array(writer);
    for (size_t i = 0; i < witnesses->count; i++) {
        ks_buf_clear(&vkey);
        ks_note_key_print(witnesses->keys[i], &vkey);
        ks_json_put_string(writer, ks_buf_view(&vkey));
        if (vkey.err != KS_OK && writer->out->err == KS_OK) {
            writer->out->err = vkey.err;
        }
    }
    ks_json_put_end(writer);
    ks_json_member_u64(writer, "quorum", witnesses->quorum);
    ks_json_put_end(writer);
    ks_buf_done(&vkey);
}

enum ks_err ks_witnesses_parse(const struct ks_json *object, struct ks_witnesses *out_witnesses)
{
    static const char *const names[] = {"keys", "quorum", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *keys = NULL;
    struct ks_bytes vkey = {0};

    *out_witnesses = (struct ks_witnesses){0};
    KS_TRY(ks_json_only(object, names));
    KS_TRY(ks_json_get(object, "keys", KS_JSON_ARRAY, &keys));
    for (size_t i = 0; i < ks_json_count(keys); i++) {
        KS_TRY(ks_json_string(ks_json_at(keys, i), &vkey));
        KS_TRY(ks_fail_prefix(ks_witnesses_add(out_witnesses, vkey), "'keys': %zu", i + 1));
    }
    KS_TRY(ks_json_get_u64(object, "quorum", KS_WITNESSES_KEYS_MAX, &out_witnesses->quorum));
    KS_TRY(check_quorum(out_witnesses));
out:
    return err;
}

static bool is_witness(const struct ks_witnesses *witnesses, const struct ks_note_line *line)
{
    for (size_t i = 0; i < witnesses->count; i++) {
        if (line->key_id == ks_note_key_id(witnesses->keys[i]) &&
            ks_bytes_equal(line->name, ks_note_key_name(witnesses->keys[i]))) {
            return true;
        }
    }
    return false;
}

enum ks_err ks_witnesses_judge(const struct ks_witnesses *witnesses, struct ks_bytes origin,
                               struct ks_bytes note, struct ks_witnesses_said *out_said)
{
    enum ks_err err = KS_OK;
    const struct ks_note_trust trust = {
        .keys = (const struct ks_note_key *const *)witnesses->keys, .count = witnesses->count};
    struct ks_note parsed = {0};
    struct ks_note_verdict verdict;
    struct ks_witnesses_said said = {0};

    size_t known = 0;

    KS_TRY(ks_note_parse(note, &parsed));
    for (size_t i = 0; i < parsed.count; i++) {
        if (is_witness(witnesses, &parsed.lines[i])) {
            known++;
        } else if (!ks_bytes_equal(parsed.lines[i].name, origin)) {
            said.unknown++; /* what bears the ledger's name is the ledger's matter */
        }
    }
    if (known > 0) { /* else there is nothing to verify */
        KS_TRY(ks_note_verify(&parsed, &trust, &verdict));
        said.names = ks_cosign_count(&trust, &verdict);
        for (size_t i = 0; i < trust.count; i++) {
            if (verdict.has_signed[i] && verdict.time_s[i] > said.newest_s) {
                said.newest_s = verdict.time_s[i];
            }
        }
    }
    *out_said = said;
out:
    ks_note_done(&parsed);
    return err;
}
