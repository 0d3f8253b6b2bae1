/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/site.h"

#include "crypto/digest.h"
#include "record/job.h"

static const struct ks_json_limits site_limits = {.len_max = KS_SITE_BYTES_MAX,
                                                  .nodes_max = 2048};

void ks_site_write(const struct ks_site *site, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ak", ks_bytes_of(site->ak, site->ak_len));
    ks_json_member_text(&writer, "backend", "process");
    ks_json_member_base64(&writer, "ed25519", KS_BYTES(site->ed25519));
    ks_json_put_key(&writer, "event_log");
    ks_event_log_put(&site->event_log, &writer);
    ks_json_member_base64(&writer, "ml-dsa-65", KS_BYTES(site->mldsa65));
    ks_json_member_base64(&writer, "note-ed25519", KS_BYTES(site->note_ed25519));
    ks_json_member_base64(&writer, "note-ml-dsa-44", KS_BYTES(site->note_mldsa44));
    ks_json_member_text(&writer, "origin", site->origin);
    ks_json_member_text(&writer, "schema", "ketseal.site/1");
    ks_json_member_text(&writer, "tpm", site->simulated_tpm ? "simulated" : "hardware");
    ks_json_put_end(&writer);
}

static enum ks_err parse_keys(const struct ks_json *value, struct ks_site *site)
{
    enum ks_err err = KS_OK;
    struct ks_buf ak;

    ks_buf_init(&ak, KS_AK_PUBLIC_MAX);
    KS_TRY(ks_json_get_base64(value, "ak", &ak));
    ks_copy(site->ak, ak.data, ak.len);
    site->ak_len = ak.len;
    KS_TRY(ks_json_get_base64_exact(value, "ed25519", site->ed25519, sizeof site->ed25519));
    KS_TRY(ks_json_get_base64_exact(value, "ml-dsa-65", site->mldsa65, sizeof site->mldsa65));
    KS_TRY(ks_json_get_base64_exact(value, "note-ed25519", site->note_ed25519,
                                    sizeof site->note_ed25519));
    KS_TRY(ks_json_get_base64_exact(value, "note-ml-dsa-44", site->note_mldsa44,
                                    sizeof site->note_mldsa44));
out:
    ks_buf_done(&ak);
    return err;
}

enum ks_err ks_site_parse(const struct ks_json *value, struct ks_site *out_site)
{
    static const char *const names[] = {"ak",
                                        "backend",
                                        "ed25519",
                                        "event_log",
                                        "ml-dsa-65",
                                        "note-ed25519",
                                        "note-ml-dsa-44",
                                        "origin",
                                        "schema",
                                        "tpm",
                                        NULL};
    enum ks_err err = KS_OK;
    struct ks_site site = {0};
    struct ks_bytes text = {0};
    const struct ks_json *log = NULL;

    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get_string(value, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.site/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.site/1");
    KS_TRY(ks_json_get_string(value, "backend", &text));
    KS_CHECK(ks_bytes_is(text, "process"), KS_ERR_FORMAT, "'backend': only process is known");
    KS_TRY(ks_json_get_string(value, "tpm", &text));
    site.simulated_tpm = ks_bytes_is(text, "simulated");
    KS_CHECK(site.simulated_tpm || ks_bytes_is(text, "hardware"), KS_ERR_FORMAT,
             "'tpm': expected hardware or simulated");
    KS_TRY(ks_json_get_string(value, "origin", &text));
    KS_CHECK(text.len >= 1 && text.len < sizeof site.origin, KS_ERR_LIMIT,
             "'origin': 1 to %d bytes", KS_ORIGIN_MAX);
    ks_copy(site.origin, text.data, text.len);
    KS_TRY(parse_keys(value, &site));
    KS_TRY(ks_json_get(value, "event_log", KS_JSON_OBJECT, &log));
    KS_TRY(ks_fail_prefix(ks_event_log_from_json(log, &site.event_log), "'event_log'"));
    *out_site = site;
out:
    return err;
}

enum ks_err ks_site_read(struct ks_bytes document, struct ks_site *out_site)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse(document, &site_limits, &doc));
    KS_TRY(ks_site_parse(ks_json_root(doc), out_site));
out:
    ks_json_doc_free(doc);
    return err;
}

enum ks_err ks_site_checkpoint_open(const struct ks_site *site, struct ks_bytes note,
                                    struct ks_checkpoint_opened *out_opened)
{
    enum ks_err err = KS_OK;
    struct ks_bytes origin = ks_bytes_text(site->origin);
    struct ks_note_key *keys[2] = {NULL, NULL};
    struct ks_note_trust trust = {
        .keys = (const struct ks_note_key *const *)keys, .count = 2, .exact = true};

    KS_TRY(ks_note_key_new(origin, KS_NOTE_ED25519, KS_BYTES(site->note_ed25519), &keys[0]));
    KS_TRY(ks_note_key_new(origin, KS_NOTE_COSIGNED_MLDSA44, KS_BYTES(site->note_mldsa44),
                           &keys[1]));
    KS_TRY(ks_checkpoint_open(note, origin, &trust, out_opened));
out:
    ks_note_key_free(keys[0]);
    ks_note_key_free(keys[1]);
    return err;
}

void ks_attest_binding(const uint8_t nonce[32], const uint8_t channel[32],
                       uint8_t out_extra[32])
{
    const struct ks_bytes parts[] = {
        KS_LITERAL("ketseal/attest/1\n"),
        ks_bytes_of(nonce, 32),
        ks_bytes_of(channel, 32),
    };

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_extra);
}
