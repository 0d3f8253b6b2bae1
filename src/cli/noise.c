/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* noise.c: noise models as files of YAML: docs/formats/noise.md. */

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "cli/exact.h"

#define NOISE_BYTES_MAX 65536

struct readout {
    double read0_as1;
    double read1_as0;
};

struct noise_file {
    struct ks_noise_rates gate1;
    struct ks_noise_rates gate2;
    struct readout readout;
};

static const cyaml_schema_field_t rate_fields[] = {
    CYAML_FIELD_FLOAT("x", CYAML_FLAG_OPTIONAL, struct ks_noise_rates, x),
    CYAML_FIELD_FLOAT("y", CYAML_FLAG_OPTIONAL, struct ks_noise_rates, y),
    CYAML_FIELD_FLOAT("z", CYAML_FLAG_OPTIONAL, struct ks_noise_rates, z),
    CYAML_FIELD_FLOAT("depolarizing", CYAML_FLAG_OPTIONAL, struct ks_noise_rates, depolarizing),
    CYAML_FIELD_FLOAT("amplitude_damping", CYAML_FLAG_OPTIONAL, struct ks_noise_rates,
                      amplitude_damping),
    CYAML_FIELD_FLOAT("phase_damping", CYAML_FLAG_OPTIONAL, struct ks_noise_rates,
                      phase_damping),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t readout_fields[] = {
    CYAML_FIELD_FLOAT("read0_as1", CYAML_FLAG_OPTIONAL, struct readout, read0_as1),
    CYAML_FIELD_FLOAT("read1_as0", CYAML_FLAG_OPTIONAL, struct readout, read1_as0),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t model_fields[] = {
    CYAML_FIELD_MAPPING("gate1", CYAML_FLAG_OPTIONAL, struct noise_file, gate1, rate_fields),
    CYAML_FIELD_MAPPING("gate2", CYAML_FLAG_OPTIONAL, struct noise_file, gate2, rate_fields),
    CYAML_FIELD_MAPPING("readout", CYAML_FLAG_OPTIONAL, struct noise_file, readout,
                        readout_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t model_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct noise_file, model_fields),
};

struct complaint {
    char text[160]; /* libcyaml's first: the precise one */
};

__attribute__((format(printf, 3, 0))) static void keep_first(cyaml_log_t level, void *context,
                                                             const char *format, va_list args)
{
    struct complaint *complaint = context;

    if (level == CYAML_LOG_ERROR && complaint->text[0] == '\0') {
        (void)vsnprintf(complaint->text, sizeof complaint->text, format, args);
        complaint->text[strcspn(complaint->text, "\n")] = '\0';
    }
}

enum ks_err ks_cli_noise(const struct ks_cli *cli, struct ks_noise *out_noise, bool *out_given)
{
    const char *path = ks_cli_text(cli, "noise");
    struct complaint complaint = {0};
    const cyaml_config_t settings = {.log_fn = keep_first,
                                     .log_ctx = &complaint,
                                     .mem_fn = cyaml_mem,
                                     .log_level = CYAML_LOG_ERROR};
    struct noise_file *file = NULL;
    struct ks_buf text;
    enum ks_err err = KS_OK;

    ks_buf_init(&text, NOISE_BYTES_MAX);
    *out_given = path != NULL;
    if (path == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_file_read(path, NOISE_BYTES_MAX, &text));
    const cyaml_err_t result = cyaml_load_data(text.data, text.len, &settings, &model_schema,
                                               (cyaml_data_t **)&file, NULL);
    KS_CHECK(result == CYAML_OK, KS_ERR_FORMAT, "%s: %s", path,
             complaint.text[0] != '\0' ? complaint.text : cyaml_strerror(result));
    KS_CHECK(file != NULL, KS_ERR_FORMAT, "%s: it is empty", path);
    *out_noise = (struct ks_noise){.version = 1,
                                   .gate1 = file->gate1,
                                   .gate2 = file->gate2,
                                   .read0_as1 = file->readout.read0_as1,
                                   .read1_as0 = file->readout.read1_as0};
    KS_TRY(ks_fail_prefix(ks_noise_check(out_noise), "%s", path));
out:
    if (file != NULL) {
        (void)cyaml_free(&settings, &model_schema, file, 0); /* fails on bad arguments only */
    }
    ks_buf_done(&text);
    return err;
}
