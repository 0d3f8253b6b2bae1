/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/work.h"

enum ks_err ks_work_circuit(const struct ks_work_job *job, struct ks_circuit **out_circuit)
{
    enum ks_err err = KS_OK;
    char name[KS_WORK_NAME_MAX + 1] = {0};
    struct ks_template_spec spec = {
        .version = 1,
        .name = name,
        .qubits = job->qubits,
        .depth = job->depth,
        .seed = job->template_seed,
    };

    if (job->template.len == 0) {
        KS_TRY(ks_circuit_parse(&job->source, "program", NULL, out_circuit));
    } else {
        ks_copy(name, job->template.data, job->template.len);
        KS_TRY(ks_circuit_template(&spec, NULL, out_circuit));
    }
out:
    return err;
}
