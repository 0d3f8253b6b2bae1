/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/note.h"

#include <inttypes.h>

#include "base/text.h"
#include "crypto/digest.h"

/* U+2014 and a space begin each signature line. */
#define DASH "\xe2\x80\x94 "

enum { KEY_ID_LEN = 4, TIME_LEN = 8, KEY_ID_HEX_LEN = 2 * KEY_ID_LEN };

/* The most a signed message takes: the text, or a cosigned_message around two names. */
#define MESSAGE_MAX (KS_NOTE_LEN_MAX + 1024)

static const struct type_info {
    enum ks_note_type type;
    enum ks_sig_alg alg;
    bool has_time;
} types[] = {
    {KS_NOTE_ED25519, KS_SIG_ED25519, false},
    {KS_NOTE_COSIGNED_ED25519, KS_SIG_ED25519, true},
    {KS_NOTE_COSIGNED_MLDSA44, KS_SIG_MLDSA44, true},
};

struct ks_note_key {
    uint8_t *name;
    size_t name_len;
    uint8_t *public_key;
    size_t public_len;
    const struct type_info *info;
    uint32_t id;
    struct ks_verify_key *verify_key;
};

static const struct type_info *type_find(unsigned type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if ((unsigned)types[i].type == type) {
            return &types[i];
        }
    }
    return NULL;
}

/* --- keys --------------------------------------------------------------------------------- */

uint32_t ks_note_key_id_of(struct ks_bytes name, enum ks_note_type type,
                           struct ks_bytes public_key)
{
    const uint8_t between[] = {'\n', (uint8_t)type};
    const struct ks_bytes parts[] = {name, KS_BYTES(between), public_key};
    uint8_t digest[KS_SHA256_LEN];

    ks_sha256_parts(parts, 3, digest);
    return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
}

static void put_vkey(struct ks_bytes name, enum ks_note_type type, struct ks_bytes public_key,
                     struct ks_buf *out)
{
    struct ks_buf material;

    ks_buf_init(&material, KS_NOTE_VKEY_MAX);
    ks_buf_put_u8(&material, (uint8_t)type);
    ks_buf_put(&material, public_key);
    ks_buf_put(out, name);
    ks_buf_put_format(out, "+%08" PRIx32 "+", ks_note_key_id_of(name, type, public_key));
    ks_buf_put_base64(out, ks_buf_view(&material));
    if (material.err != KS_OK && out->err == KS_OK) {
        out->err = material.err;
    }
    ks_buf_done(&material);
}

enum ks_err ks_note_key_new(struct ks_bytes name, enum ks_note_type type,
                            struct ks_bytes public_key, struct ks_note_key **out_key)
{
    enum ks_err err = KS_OK;
    const struct type_info *info = type_find((unsigned)type);
    struct ks_note_key *key = NULL;

    KS_TRY(ks_note_name_check(name, "note key: the name"));
    KS_CHECK(info != NULL, KS_ERR_FORMAT, "note key: signature type 0x%02x is not supported",
             (unsigned)type);
    KS_CHECK(public_key.len == ks_sig_public_len(info->alg), KS_ERR_FORMAT,
             "note key: a public key of %zu bytes, not %zu", public_key.len,
             ks_sig_public_len(info->alg));
    key = ks_calloc(1, sizeof(*key));
    KS_CHECK(key != NULL, KS_ERR_NOMEM, "note key: out of memory");
    key->info = info;
    key->id = ks_note_key_id_of(name, type, public_key);
    key->name_len = name.len;
    key->public_len = public_key.len;
    KS_TRY(ks_bytes_dup(name, &key->name));
    KS_TRY(ks_bytes_dup(public_key, &key->public_key));
    KS_TRY(ks_verify_key_new(info->alg, public_key, &key->verify_key));
    *out_key = key;
    key = NULL; /* transferred */
out:
    ks_note_key_free(key);
    return err;
}

/* Takes the text up to the next '+' off *REST. */
static enum ks_err cut_plus(struct ks_bytes *rest, struct ks_bytes *out_part)
{
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->data[i] == '+') {
            *out_part = ks_bytes_of(rest->data, i);
            *rest = ks_bytes_of(rest->data + i + 1, rest->len - i - 1);
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "vkey: not of the form NAME+HEX+BASE64");
}

enum ks_err ks_note_key_parse(struct ks_bytes vkey, struct ks_note_key **out_key)
{
    enum ks_err err = KS_OK;
    struct ks_bytes rest = vkey;
    struct ks_bytes name;
    struct ks_bytes hex;
    struct ks_buf material;
    struct ks_reader reader;
    struct ks_note_key *key = NULL;
    uint8_t id[KEY_ID_LEN];
    uint8_t type = 0;

    ks_buf_init(&material, KS_NOTE_VKEY_MAX);
    KS_CHECK(vkey.len <= KS_NOTE_VKEY_MAX, KS_ERR_LIMIT,
             "vkey: %zu characters are over the limit of %d", vkey.len, KS_NOTE_VKEY_MAX);
    KS_TRY(cut_plus(&rest, &name));
    KS_TRY(cut_plus(&rest, &hex));
    KS_CHECK(hex.len == KEY_ID_HEX_LEN, KS_ERR_FORMAT, "vkey: a key id of %zu digits, not %d",
             hex.len, (int)KEY_ID_HEX_LEN);
    err = ks_hex_decode(hex, id, sizeof(id));
    KS_TRY(ks_fail_prefix(err, "vkey: key id"));
    err = ks_base64_decode(rest, &material);
    KS_TRY(ks_fail_prefix(err, "vkey: public key"));
    reader = ks_reader_of(ks_buf_view(&material), "vkey");
    KS_TRY(ks_read_u8(&reader, &type));
    KS_TRY(ks_note_key_new(name, (enum ks_note_type)type, reader.rest, &key));
    reader = ks_reader_of(KS_BYTES(id), "vkey");
    uint32_t stated = 0;
    KS_TRY(ks_read_u32(&reader, &stated));
    KS_CHECK(stated == key->id, KS_ERR_FORMAT,
             "vkey: key id %08" PRIx32 " but the key has %08" PRIx32, stated, key->id);
    *out_key = key;
    key = NULL; /* transferred */
out:
    ks_note_key_free(key);
    ks_buf_done(&material);
    return err;
}

void ks_note_key_free(struct ks_note_key *key)
{
    if (key == NULL) {
        return;
    }
    ks_verify_key_free(key->verify_key);
    ks_free(key->name);
    ks_free(key->public_key);
    ks_free(key);
}

void ks_note_key_print(const struct ks_note_key *key, struct ks_buf *out)
{
    put_vkey(ks_note_key_name(key), key->info->type,
             ks_bytes_of(key->public_key, key->public_len), out);
}

struct ks_bytes ks_note_key_name(const struct ks_note_key *key)
{
    return ks_bytes_of(key->name, key->name_len);
}

enum ks_note_type ks_note_key_type(const struct ks_note_key *key)
{
    return key->info->type;
}

uint32_t ks_note_key_id(const struct ks_note_key *key)
{
    return key->id;
}

/* --- reading ------------------------------------------------------------------------------ */

/* Finds the last blank line: the text with its newline before it, the signature lines after it.
 */
static enum ks_err split(struct ks_bytes bytes, struct ks_bytes *out_text,
                         struct ks_bytes *out_lines)
{
    for (size_t i = bytes.len; i >= 2; i--) {
        if (bytes.data[i - 1] == '\n' && bytes.data[i - 2] == '\n') {
            *out_text = ks_bytes_of(bytes.data, i - 1);
            *out_lines = ks_bytes_of(bytes.data + i, bytes.len - i);
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "note: no blank line before signatures");
}

/* Takes apart one line; the signature is decoded onto the end of DECODED and its key id cut
 * off. */
static enum ks_err parse_line(struct ks_bytes text, struct ks_note_line *out_line,
                              struct ks_buf *decoded)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(text, "note signature");
    const size_t start = decoded->len;
    struct ks_note_line line = {0};
    struct ks_bytes dash;
    size_t space = 0;

    KS_TRY(ks_read_bytes(&reader, sizeof(DASH) - 1, &dash));
    KS_CHECK(ks_bytes_is(dash, DASH), KS_ERR_FORMAT, "note: a signature line begins with '— '");
    while (space < reader.rest.len && reader.rest.data[space] != ' ') {
        space++;
    }
    KS_TRY(ks_read_bytes(&reader, space, &line.name));
    KS_TRY(ks_note_name_check(line.name, "note: the name of a signature"));
    KS_TRY(ks_read_bytes(&reader, 1, &dash));
    err = ks_base64_decode(reader.rest, decoded);
    KS_TRY(ks_fail_prefix(err, "note: signature"));
    KS_CHECK(decoded->len - start <= KS_NOTE_SIGNATURE_MAX, KS_ERR_LIMIT,
             "note: a signature of %zu bytes is over the limit of %d", decoded->len - start,
             KS_NOTE_SIGNATURE_MAX);
    reader = ks_reader_of(ks_bytes_of(decoded->data + start, decoded->len - start),
                          "note signature");
    KS_TRY(ks_read_u32(&reader, &line.key_id));
    KS_CHECK(reader.rest.len != 0, KS_ERR_FORMAT, "note: an empty signature");
    line.signature = reader.rest;
    *out_line = line;
out:
    return err;
}

static bool has_line(const struct ks_note *note, const struct ks_note_line *line)
{
    for (size_t i = 0; i < note->count; i++) {
        if (note->lines[i].key_id == line->key_id &&
            ks_bytes_equal(note->lines[i].name, line->name)) {
            return true;
        }
    }
    return false;
}

enum ks_err ks_note_parse(struct ks_bytes bytes, struct ks_note *out_note)
{
    enum ks_err err = KS_OK;
    struct ks_note note = {0};
    struct ks_reader reader;
    struct ks_bytes lines;
    struct ks_bytes text;

    /* Base64 is longer than what it stands for, so one reservation holds every signature in
     * place. */
    ks_buf_init(&note.decoded, KS_NOTE_LEN_MAX);
    KS_CHECK(bytes.len <= KS_NOTE_LEN_MAX, KS_ERR_LIMIT,
             "note: %zu bytes are over the limit of %d", bytes.len, KS_NOTE_LEN_MAX);
    KS_TRY(ks_note_text_check(bytes));
    KS_TRY(split(bytes, &note.text, &lines));
    KS_CHECK(lines.len != 0, KS_ERR_FORMAT, "note: no signatures");
    KS_CHECK(ks_buf_reserve(&note.decoded, lines.len) != NULL, KS_ERR_NOMEM,
             "note: out of memory");
    reader = ks_reader_of(lines, "note");
    while (reader.rest.len != 0) {
        struct ks_note_line line;

        KS_CHECK(note.count < KS_NOTE_SIGNATURES_MAX, KS_ERR_LIMIT,
                 "note: more than %d signatures", KS_NOTE_SIGNATURES_MAX);
        KS_TRY(ks_read_line(&reader, &text));
        KS_TRY(parse_line(text, &line, &note.decoded));
        KS_CHECK(!has_line(&note, &line), KS_ERR_FORMAT,
                 "note: two signatures by key %08" PRIx32 " of '%.*s'", line.key_id,
                 (int)line.name.len, (const char *)line.name.data);
        note.lines[note.count++] = line;
    }
    *out_note = note;
    note.decoded = (struct ks_buf){0}; /* transferred */
out:
    ks_note_done(&note);
    return err;
}

void ks_note_done(struct ks_note *note)
{
    if (note == NULL) {
        return;
    }
    ks_buf_done(&note->decoded);
    note->count = 0;
}

static void put_line(struct ks_bytes name, uint32_t key_id, struct ks_bytes signature,
                     struct ks_buf *out)
{
    struct ks_buf encoded;

    ks_buf_init(&encoded, KS_NOTE_SIGNATURE_MAX);
    ks_buf_put_u32(&encoded, key_id);
    ks_buf_put(&encoded, signature);
    ks_buf_put_text(out, DASH);
    ks_buf_put(out, name);
    ks_buf_put_text(out, " ");
    ks_buf_put_base64(out, ks_buf_view(&encoded));
    ks_buf_put_text(out, "\n");
    if (encoded.err != KS_OK && out->err == KS_OK) {
        out->err = encoded.err;
    }
    ks_buf_done(&encoded);
}

void ks_note_print(const struct ks_note *note, struct ks_buf *out)
{
    ks_buf_put(out, note->text);
    ks_buf_put_text(out, "\n");
    for (size_t i = 0; i < note->count; i++) {
        ks_note_print_line(&note->lines[i], out);
    }
}

void ks_note_print_line(const struct ks_note_line *line, struct ks_buf *out)
{
    put_line(line->name, line->key_id, line->signature, out);
}

/* --- what a key signs --------------------------------------------------------------------- */

/* Appends the message that a signature of this type over TEXT covers. */
static enum ks_err put_message(const struct type_info *info, struct ks_bytes name,
                               struct ks_bytes text, uint64_t time_s, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_checkpoint checkpoint;

    KS_CHECK(time_s <= KS_NOTE_TIME_MAX, KS_ERR_FORMAT,
             "note: time %" PRIu64 " is over 63 bits", time_s);
    switch (info->type) {
    case KS_NOTE_ED25519:
        ks_buf_put(out, text);
        break;
    case KS_NOTE_COSIGNED_ED25519:
        ks_checkpoint_put_cosigned(text, time_s, out);
        break;
    case KS_NOTE_COSIGNED_MLDSA44:
        KS_TRY(ks_checkpoint_parse(text, &checkpoint));
        ks_checkpoint_put_subtree(&checkpoint, name, time_s, out);
        break;
    }
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

/* --- verifying ---------------------------------------------------------------------------- */

static enum ks_err verify_line(const struct ks_note_key *key, struct ks_bytes text,
                               struct ks_bytes signature, uint64_t *out_time_s)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(signature, "note signature");
    struct ks_buf message;
    uint64_t time_s = 0;

    ks_buf_init(&message, MESSAGE_MAX);
    if (key->info->has_time) {
        KS_TRY(ks_read_u64(&reader, &time_s));
    }
    KS_CHECK(reader.rest.len == ks_sig_len(key->info->alg), KS_ERR_VERIFY,
             "a signature of %zu bytes, not %zu", reader.rest.len, ks_sig_len(key->info->alg));
    KS_TRY(put_message(key->info, ks_note_key_name(key), text, time_s, &message));
    KS_TRY(ks_verify(key->verify_key, "", ks_buf_view(&message), reader.rest));
    *out_time_s = time_s;
out:
    ks_buf_done(&message);
    return err;
}

static bool key_matches(const struct ks_note_key *key, struct ks_bytes name, uint32_t id)
{
    return key->id == id && ks_bytes_equal(ks_note_key_name(key), name);
}

static enum ks_err check_trust(const struct ks_note_trust *trust)
{
    if (trust->count == 0 || trust->count > KS_NOTE_KEYS_MAX) {
        return ks_fail(KS_ERR_USAGE, "a note is checked against 1 to %d keys, not %zu",
                       KS_NOTE_KEYS_MAX, trust->count);
    }
    for (size_t i = 0; i < trust->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (key_matches(trust->keys[i], ks_note_key_name(trust->keys[k]),
                            trust->keys[k]->id)) {
                return ks_fail(KS_ERR_USAGE,
                               "two known note keys share a name and id %08" PRIx32,
                               trust->keys[k]->id);
            }
        }
    }
    return KS_OK;
}

/* The place of the known key that LINE names, or count. */
static size_t find_key(const struct ks_note_trust *trust, const struct ks_note_line *line)
{
    size_t i = 0;

    while (i < trust->count && !key_matches(trust->keys[i], line->name, line->key_id)) {
        i++;
    }
    return i;
}

enum ks_err ks_note_verify(const struct ks_note *note, const struct ks_note_trust *trust,
                           struct ks_note_verdict *out_verdict)
{
    enum ks_err err = KS_OK;
    struct ks_note_verdict verdict = {0};
    size_t verified = 0;

    KS_TRY(check_trust(trust));
    for (size_t i = 0; i < note->count; i++) {
        const struct ks_note_line *line = &note->lines[i];
        const size_t place = find_key(trust, line);

        if (place == trust->count) {
            KS_CHECK(!trust->exact, KS_ERR_VERIFY, "note: signature %zu is by an unknown key",
                     i + 1);
            continue;
        }
        err = verify_line(trust->keys[place], note->text, line->signature,
                          &verdict.time_s[place]);
        if (err != KS_OK) {
            /* A bad signature is a false note, not a malformed one, whatever part of it was
             * bad. */
            err = err == KS_ERR_NOMEM ? err : KS_ERR_VERIFY;
            (void)ks_fail_prefix(err, "note: signature %zu by '%.*s'", i + 1,
                                 (int)line->name.len, (const char *)line->name.data);
            goto out;
        }
        verdict.has_signed[place] = true;
        verified++;
    }
    KS_CHECK(verified != 0, KS_ERR_VERIFY, "note: no signature by a known key");
    KS_CHECK(!trust->exact || verified == trust->count, KS_ERR_VERIFY,
             "note: %zu of %zu known keys have signed", verified, trust->count);
    *out_verdict = verdict;
out:
    return err;
}

/* --- writing ------------------------------------------------------------------------------ */

/* The public key of SIGNER, after checking that key, type and name go together. */
static enum ks_err signer_public(const struct ks_note_signer *signer,
                                 const struct type_info **out_info, struct ks_buf *out_public)
{
    enum ks_err err = KS_OK;
    const struct type_info *info = type_find((unsigned)signer->type);

    KS_TRY(ks_note_name_check(signer->name, "note signer: the name"));
    KS_CHECK(info != NULL && ks_sign_key_alg(signer->key) == info->alg, KS_ERR_USAGE,
             "note signer: a %s key cannot make signatures of type 0x%02x",
             ks_sig_alg_name(ks_sign_key_alg(signer->key)), (unsigned)signer->type);
    KS_TRY(ks_sign_key_public(signer->key, out_public));
    *out_info = info;
out:
    return err;
}

enum ks_err ks_note_signer_vkey(const struct ks_note_signer *signer, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct type_info *info = NULL;
    struct ks_buf public_key;

    ks_buf_init(&public_key, KS_NOTE_VKEY_MAX);
    KS_TRY(signer_public(signer, &info, &public_key));
    put_vkey(signer->name, info->type, ks_buf_view(&public_key), out);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&public_key);
    return err;
}

enum ks_err ks_note_sign_line(struct ks_bytes text, const struct ks_note_signer *signer,
                              uint64_t time_s, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct type_info *info = NULL;
    struct ks_buf public_key;
    struct ks_buf message;
    struct ks_buf signature;

    ks_buf_init(&public_key, KS_NOTE_VKEY_MAX);
    ks_buf_init(&message, MESSAGE_MAX);
    ks_buf_init(&signature, KS_NOTE_SIGNATURE_MAX);
    KS_TRY(signer_public(signer, &info, &public_key));
    KS_TRY(put_message(info, signer->name, text, info->has_time ? time_s : 0, &message));
    if (info->has_time) {
        ks_buf_put_u64(&signature, time_s);
    }
    KS_TRY(ks_sign(signer->key, "", ks_buf_view(&message), &signature));
    KS_TRY(ks_buf_check(&signature));
    put_line(signer->name,
             ks_note_key_id_of(signer->name, info->type, ks_buf_view(&public_key)),
             ks_buf_view(&signature), out);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&signature);
    ks_buf_done(&message);
    ks_buf_done(&public_key);
    return err;
}

enum ks_err ks_note_sign(struct ks_bytes text, const struct ks_note_signer *signers,
                         size_t count, uint64_t time_s, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf note;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    KS_CHECK(count >= 1 && count <= KS_NOTE_SIGNATURES_MAX, KS_ERR_USAGE,
             "note: 1 to %d signers, not %zu", KS_NOTE_SIGNATURES_MAX, count);
    KS_CHECK(text.len != 0 && text.data[text.len - 1] == '\n', KS_ERR_FORMAT,
             "note: the text does not end in a newline");
    KS_TRY(ks_note_text_check(text));
    ks_buf_put(&note, text);
    ks_buf_put_text(&note, "\n");
    for (size_t i = 0; i < count; i++) {
        KS_TRY(ks_note_sign_line(text, &signers[i], time_s, &note));
    }
    ks_buf_put(out, ks_buf_view(&note));
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&note);
    return err;
}
