/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/learn_data.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "config/learn.h"

enum ks_err ks_learn_file_read(const char *path, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf packed;

    ks_buf_init(&packed, KS_DATASET_BYTES_MAX);
    ks_buf_init(out, KS_DATASET_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_DATASET_BYTES_MAX, &packed));
    if (ks_gzip_is(ks_buf_view(&packed))) {
        KS_TRY(ks_fail_prefix(ks_gunzip(ks_buf_view(&packed), out), "%s", path));
    } else {
        ks_buf_done(out);
        *out = packed;
        ks_buf_init(&packed, 0); /* transferred */
    }
out:
    ks_buf_done(&packed);
    return err;
}

/* --- images ------------------------------------------------------------------------------- */

/* FOLDER/NAME, else FOLDER/NAME.gz. */
static enum ks_err read_from(const char *folder, const char *name, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    char packed[64];

    (void)snprintf(packed, sizeof packed, "%s.gz", name);
    KS_TRY(ks_path_join(folder, name, path));
    if (access(path, R_OK) != 0) {
        KS_TRY(ks_path_join(folder, packed, path));
    }
    KS_TRY(ks_learn_file_read(path, out));
out:
    return err;
}

static enum ks_err read_images(const char *folder, const char *part, unsigned classes,
                               struct ks_samples *out_samples)
{
    enum ks_err err = KS_OK;
    struct ks_buf images;
    struct ks_buf labels;
    char name[32];

    ks_buf_init(&images, 0);
    ks_buf_init(&labels, 0);
    (void)snprintf(name, sizeof name, "%s-images-idx3-ubyte", part);
    KS_TRY(read_from(folder, name, &images));
    (void)snprintf(name, sizeof name, "%s-labels-idx1-ubyte", part);
    KS_TRY(read_from(folder, name, &labels));
    KS_TRY(ks_fail_prefix(
        ks_samples_idx(ks_buf_view(&images), ks_buf_view(&labels), classes, out_samples),
        "%s: %s", folder, part));
out:
    ks_buf_done(&images);
    ks_buf_done(&labels);
    return err;
}

/* --- series ------------------------------------------------------------------------------- */

static enum ks_err read_site(const char *path, struct ks_learn_data *data)
{
    enum ks_err err = KS_OK;
    struct ks_table *table = NULL;
    struct ks_series series = {0};
    struct ks_buf text;

    ks_buf_init(&text, 0);
    KS_TRY(ks_learn_file_read(path, &text));
    KS_TRY(ks_table_read(ks_buf_view(&text), path, &table));
    KS_TRY(ks_series_read(table, &data->schema, &series));
    data->site[data->sites++] = (struct ks_learn_site){
        .path = path,
        .train_begin = data->train.count,
        .train_count = series.train.count,
        .begin = data->test.count,
        .count = series.test.count,
        .spread = series.spread,
        .persistence = series.persistence,
        .mean = series.mean,
    };
    KS_TRY(ks_fail_prefix(ks_samples_append(&data->train, &series.train), "%s", path));
    KS_TRY(ks_fail_prefix(ks_samples_append(&data->test, &series.test), "%s", path));
out:
    ks_series_done(&series);
    ks_table_free(table);
    ks_buf_done(&text);
    return err;
}

/* --- both --------------------------------------------------------------------------------- */

enum ks_err ks_learn_data_read(const struct ks_cli *cli, struct ks_learn_data *out_data)
{
    enum ks_err err = KS_OK;
    const char *schema = ks_cli_text(cli, "schema");
    struct ks_learn_data data = {.sites = 0};

    if (schema == NULL) {
        KS_CHECK(cli->operand_count == 1, KS_ERR_USAGE,
                 "one folder of IDX files, or tables of series with --schema");
        KS_TRY(read_images(cli->operands[0], "train", 0, &data.train));
        KS_TRY(read_images(cli->operands[0], "t10k", data.train.classes, &data.test));
    } else {
        KS_CHECK(cli->operand_count <= KS_LEARN_SITES_MAX, KS_ERR_LIMIT, "over %d sites",
                 KS_LEARN_SITES_MAX);
        KS_TRY(ks_config_series(schema, &data.schema));
        if (ks_cli_text(cli, "test-from") != NULL) {
            KS_TRY(ks_fail_prefix(ks_series_time(ks_bytes_text(ks_cli_text(cli, "test-from")),
                                                 &data.schema.test_from_us),
                                  "--test-from"));
        }
        for (unsigned i = 0; i < cli->operand_count; i++) {
            KS_TRY(read_site(cli->operands[i], &data));
        }
    }
    *out_data = data;
    data = (struct ks_learn_data){.sites = 0}; /* transferred */
out:
    ks_learn_data_done(&data);
    return err;
}

void ks_learn_data_done(struct ks_learn_data *data)
{
    ks_samples_done(&data->train);
    ks_samples_done(&data->test);
}

enum ks_err ks_learn_share(const struct ks_cli *cli, const struct ks_samples *samples,
                           struct ks_split *out_split, struct ks_subset *out_share)
{
    static const char *const kinds[] = {"iid", "shards", "dirichlet"};
    enum ks_err err = KS_OK;
    const char *kind = ks_cli_text(cli, "split");
    struct ks_split_spec spec = {0};
    uint64_t parts = 0;
    uint64_t part = 0;
    uint64_t shards = 0;
    unsigned index = 0;

    *out_share = (struct ks_subset){samples, NULL, samples->count};
    KS_TRY(ks_cli_number(cli, "parts", KS_PARTS_MAX, &parts));
    KS_TRY(ks_cli_number(cli, "part", KS_PARTS_MAX, &part));
    KS_TRY(ks_cli_number(cli, "shards", UINT32_MAX, &shards));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &spec.seed));
    KS_TRY(ks_fail_prefix(ks_cli_read_real(ks_cli_text(cli, "alpha"), &spec.alpha), "--alpha"));
    while (index < 3 && strcmp(kinds[index], kind) != 0) {
        index++;
    }
    KS_CHECK(index < 3, KS_ERR_USAGE, "--split: iid, shards or dirichlet, not '%s'", kind);
    if (parts <= 1) {
        KS_CHECK(part == 1, KS_ERR_USAGE, "--part: needs --parts");
        return KS_OK;
    }
    KS_CHECK(part >= 1 && part <= parts, KS_ERR_USAGE, "--part: 1 to %llu",
             (unsigned long long)parts);
    spec.kind = (enum ks_split_kind)index;
    spec.parts = (size_t)parts;
    spec.shards = (unsigned)shards;
    KS_TRY(ks_fail_prefix(ks_split(samples, &spec, out_split), "--split"));
    out_share->indices = out_split->indices + out_split->starts[part - 1];
    out_share->count = out_split->starts[part] - out_split->starts[part - 1];
    KS_CHECK(out_share->count > 0, KS_ERR_NOT_FOUND, "part %llu has no samples",
             (unsigned long long)part);
out:
    return err;
}
