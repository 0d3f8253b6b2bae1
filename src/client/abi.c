/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ketseal/abi.h"

#include <string.h>

#include "base/err.h"
#include "ketseal/bytes.h"
#include "ketseal/circuit.h"
#include "ketseal/client.h"

/* All structs of the installed headers that a caller fills or reads. */
#define OPEN_STRUCTS(X)                                                                        \
    X(ks_bytes)                                                                                \
    X(ks_circuit_limits)                                                                       \
    X(ks_client_spec)                                                                          \
    X(ks_device_spec)                                                                          \
    X(ks_job_spec)                                                                             \
    X(ks_job_status)                                                                           \
    X(ks_method_choice)                                                                        \
    X(ks_noise)                                                                                \
    X(ks_noise_rates)                                                                          \
    X(ks_simulate_facts)                                                                       \
    X(ks_simulate_spec)                                                                        \
    X(ks_template_spec)                                                                        \
    X(ks_trace_sink)                                                                           \
    X(ks_wait_spec)

const char *ks_abi_version(void)
{
    return KS_VERSION;
}

enum ks_err ks_abi_check(const char *name, size_t size)
{
    static const struct {
        const char *name;
        size_t size;
    } sizes[] = {
#define ENTRY(type) {#type, sizeof(struct type)},
        OPEN_STRUCTS(ENTRY)
#undef ENTRY
    };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (strcmp(sizes[i].name, name) == 0) {
            return sizes[i].size == size
                       ? KS_OK
                       : ks_fail(KS_ERR_CONFLICT, "struct %s: %zu bytes, in this library %zu",
                                 name, size, sizes[i].size);
        }
    }
    return ks_fail(KS_ERR_NOT_FOUND, "struct '%s': none that a caller fills or reads", name);
}
