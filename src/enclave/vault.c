/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/vault.h"

static enum ks_err seal(void *context, const uint8_t master[KS_VAULT_MASTER_LEN],
                        struct ks_buf *out_blob)
{
    const struct ks_tpm_vault *vault = context;
    const struct ks_tpm_seal_spec spec = {.pcr_mask = vault->pcr_mask,
                                          .authority = vault->authority};

    return ks_tpm_seal(vault->tpm, &spec, ks_bytes_of(master, KS_VAULT_MASTER_LEN), out_blob);
}

static bool same_authority(const struct ks_sealed_view *view,
                           const struct ks_sealed_authority *authority)
{
    if (authority == NULL || !view->has_authority) {
        return authority == NULL && !view->has_authority;
    }
    return ks_bytes_equal(KS_BYTES(view->authority.x), KS_BYTES(authority->x)) &&
           ks_bytes_equal(KS_BYTES(view->authority.y), KS_BYTES(authority->y));
}

/* Nobody measures the configuration: so it cannot weaken what the state was sealed with, or
 * whoever may write it could authorise an enclave of his own. */
static enum ks_err check_config(const struct ks_tpm_vault *vault,
                                const struct ks_sealed_view *view)
{
    enum ks_err err = KS_OK;

    KS_CHECK(same_authority(view, vault->authority), KS_ERR_DENIED,
             "enclave.update_authority: the state was first sealed %s, and that stays",
             view->has_authority ? "with another one" : "without one");
    KS_CHECK((view->pcr_mask & ~vault->pcr_mask) == 0, KS_ERR_DENIED,
             "enclave.seal_pcrs: the state is sealed to PCRs that are not among them");
out:
    return err;
}

static enum ks_err differs_now(const struct ks_tpm_vault *vault,
                               const struct ks_sealed_view *view, bool *out_differs)
{
    enum ks_err err = KS_OK;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    const struct ks_pcr_state sealed = {view->pcr_mask,
                                        (const uint8_t(*)[KS_PCR_DIGEST_LEN])view->pcr_values};
    const struct ks_pcr_state current = {view->pcr_mask,
                                         (const uint8_t(*)[KS_PCR_DIGEST_LEN])values};
    char names[KS_PCR_LIST_MAX];

    KS_TRY(ks_tpm_pcr_read(vault->tpm, view->pcr_mask, values));
    ks_pcr_differences(&sealed, &current, names);
    *out_differs = names[0] != '\0';
out:
    return err;
}

static enum ks_err unseal(void *context, struct ks_bytes blob,
                          uint8_t out_master[KS_VAULT_MASTER_LEN], bool *out_again)
{
    enum ks_err err = KS_OK;
    const struct ks_tpm_vault *vault = context;
    struct ks_sealed_view view;
    uint8_t data[KS_SEALED_DATA_MAX];
    size_t len = 0;
    bool differs = false;

    KS_TRY(ks_sealed_parse(blob, &view));
    KS_TRY(check_config(vault, &view));
    KS_TRY(differs_now(vault, &view, &differs));
    err = ks_tpm_unseal(vault->tpm, blob, vault->authorisation, data, &len);
    if (err == KS_ERR_DENIED && differs) {
        err = ks_fail(err,
                      "%s; start what sealed it (after a reset of the TPM), or let the update "
                      "authority sign for this launch: enclave.update_authorisation",
                      ks_err_detail());
    }
    KS_TRY(err);
    KS_CHECK(len == KS_VAULT_MASTER_LEN, KS_ERR_VERIFY, "%zu bytes were sealed, not %d", len,
             KS_VAULT_MASTER_LEN);
    ks_copy(out_master, data, KS_VAULT_MASTER_LEN);
    *out_again = differs || view.pcr_mask != vault->pcr_mask;
out:
    ks_wipe(data, sizeof data);
    return err;
}

static enum ks_err counter_open(void *context)
{
    const struct ks_tpm_vault *vault = context;

    return ks_tpm_counter_open(vault->tpm, vault->counter_index);
}

static enum ks_err counter_read(void *context, uint64_t *out_value)
{
    const struct ks_tpm_vault *vault = context;

    return ks_tpm_counter_read(vault->tpm, vault->counter_index, out_value);
}

static enum ks_err counter_increment(void *context, uint64_t *out_value)
{
    const struct ks_tpm_vault *vault = context;

    return ks_tpm_counter_increment(vault->tpm, vault->counter_index, out_value);
}

struct ks_vault ks_vault_of(struct ks_tpm_vault *tpm_vault)
{
    return (struct ks_vault){
        .context = tpm_vault,
        .counter_index = tpm_vault->counter_index,
        .seal = seal,
        .unseal = unseal,
        .counter_open = counter_open,
        .counter_read = counter_read,
        .counter_increment = counter_increment,
    };
}
