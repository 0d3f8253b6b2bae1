/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* For tests of the key managers alone, in place of src/qkd/link.c: a link without a quantum
 * channel, whose two ends derive the same bits from the secret that they share. Of the
 * parameters it minds the eavesdropper, who makes it fail from a tenth of the pulses on, and
 * the pulses, of which there are 64 for a byte of key. */
#include <string.h>

#include "crypto/digest.h"
#include "qkd/link.h"

#define KEY_MAX (KS_HKDF_SHA256_LEN_MAX)
#define LABEL   "a link for tests"

struct ks_link {
    enum ks_link_role role;
    struct ks_link_params params;
    uint8_t secret[KS_LINK_SECRET_MAX];
    size_t secret_len;
    uint64_t blocks;
    bool said;
    bool done;
    struct ks_link_report report;
    uint8_t key[KEY_MAX];
    size_t key_len;
};

const char *ks_link_outcome_text(enum ks_link_outcome outcome)
{
    static const char *const texts[] = {
#define TEXT(name, text, meaning) text,
        KS_LINK_OUTCOME_LIST(TEXT)
#undef TEXT
    };

    return texts[outcome];
}

const char *ks_link_outcome_meaning(enum ks_link_outcome outcome)
{
    static const char *const meanings[] = {
#define MEANING(name, text, meaning) meaning,
        KS_LINK_OUTCOME_LIST(MEANING)
#undef MEANING
    };

    return meanings[outcome];
}

struct ks_link_params ks_link_params_default(void)
{
    return (struct ks_link_params){.protocol = {.pulses = 520000}};
}

enum ks_err ks_link_params_check(const struct ks_link_params *params)
{
    return params->fibre.eve_share <= 1 ? KS_OK : ks_fail(KS_ERR_USAGE, "eve_share");
}

enum ks_err ks_link_new(enum ks_link_role role, const struct ks_link_params *params,
                        const uint8_t seed[KS_LINK_SEED_LEN], struct ks_bytes secret,
                        struct ks_link **out_link)
{
    struct ks_link *link = ks_calloc(1, sizeof *link);

    (void)seed;
    KS_ASSERT(link != NULL && secret.len <= sizeof link->secret);
    link->role = role;
    link->params = *params;
    ks_copy(link->secret, secret.data, secret.len);
    link->secret_len = secret.len;
    *out_link = link;
    return KS_OK;
}

void ks_link_free(struct ks_link *link)
{
    if (link != NULL) {
        ks_wipe(link, sizeof *link);
    }
    ks_free(link);
}

enum ks_err ks_link_start(struct ks_link *link)
{
    link->said = false;
    link->done = false;
    link->key_len = 0;
    link->report = (struct ks_link_report){.block = link->blocks++};
    return KS_OK;
}

/* One message each way: Alice's says whether somebody listens. */
enum ks_err ks_link_send(struct ks_link *link, struct ks_buf *out_message)
{
    if (!link->said && (link->role == KS_LINK_ALICE || link->report.outcome != 0)) {
        link->said = true;
        ks_buf_put_u8(out_message, link->params.fibre.eve_share >= 0.1 ? 1 : 0);
        link->done = link->role == KS_LINK_BOB;
    }
    return KS_OK;
}

static enum ks_err finish(struct ks_link *link, bool heard)
{
    enum ks_err err = KS_OK;
    struct ks_buf info;
    const uint64_t len = link->params.protocol.pulses / 64;

    ks_buf_init(&info, 64);
    link->report.qber[KS_LINK_X] = heard ? 0.25 : 0.01;
    link->report.outcome = heard ? KS_LINK_OUTCOME_ERROR_RATE : KS_LINK_OUTCOME_KEY;
    if (!heard) {
        link->key_len = len < KEY_MAX ? (size_t)len : KEY_MAX;
        ks_buf_put_text(&info, LABEL);
        ks_buf_put_u64(&info, link->report.block);
        KS_TRY(ks_hkdf_sha256(ks_bytes_of(link->secret, link->secret_len), (struct ks_bytes){0},
                              ks_buf_view(&info), link->key, link->key_len));
        link->report.secret_bits = 8 * link->key_len;
    }
out:
    ks_buf_done(&info);
    return err;
}

enum ks_err ks_link_receive(struct ks_link *link, struct ks_bytes message)
{
    enum ks_err err = KS_OK;

    KS_CHECK(message.len == 1 && !link->done, KS_ERR_FORMAT, "not a message of this link");
    KS_TRY(finish(link, message.data[0] == 1 || link->params.fibre.eve_share >= 0.1));
    if (link->role == KS_LINK_BOB) {
        link->params.fibre.eve_share = message.data[0] == 1 ? 1 : 0;
    }
    link->done = link->role == KS_LINK_ALICE;
out:
    return err;
}

bool ks_link_done(const struct ks_link *link)
{
    return link->done;
}

const struct ks_link_report *ks_link_report(const struct ks_link *link)
{
    return &link->report;
}

struct ks_bytes ks_link_key(const struct ks_link *link)
{
    return ks_bytes_of(link->key, link->done ? link->key_len : 0);
}
