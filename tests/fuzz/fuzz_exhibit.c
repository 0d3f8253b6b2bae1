/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A file of evidence: what is read is written again as the same bytes, and can be judged. */
#include "record/exhibit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_exhibit exhibit = {0};
    struct ks_reference_program program = {.name = "ketseal"};
    const struct ks_reference reference = {.name = "fuzz",
                                           .tpms = KS_TPM_SET_SIMULATED,
                                           .required_pcrs = UINT32_C(1) << KS_LAUNCH_PCR,
                                           .has_programs = true,
                                           .programs = &program,
                                           .program_count = 1};
    struct ks_appraisal appraisal;
    struct ks_buf again;
    uint8_t extra[32];
    enum ks_err err = KS_OK;

    if (ks_exhibit_read(ks_bytes_of(data, size), &exhibit) != KS_OK) {
        KS_ASSERT(exhibit.ak.data == NULL);
        return 0;
    }
    ks_buf_init(&again, KS_EXHIBIT_BYTES_MAX);
    ks_exhibit_write(&exhibit, &again);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
    ks_exhibit_extra(&exhibit, exhibit.nonce, extra);
    const struct ks_appraise_spec spec = {.extra_data = KS_BYTES(extra),
                                          .reference = &reference};
    err = ks_platform_appraise(&exhibit.platform, ks_buf_view(&exhibit.ak),
                               KS_TPM_SET_SIMULATED, &spec, &appraisal);
    KS_ASSERT((err == KS_OK) == appraisal.passed);
    ks_buf_done(&again);
    ks_exhibit_done(&exhibit);
    return 0;
}
