/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/publish.h"

enum ks_err ks_publish_open(const char *state_dir, struct ks_store_reader *reader,
                            struct ks_publisher *publisher)
{
    enum ks_err err = KS_OK;
    char directory[KS_PATH_MAX];

    KS_TRY(ks_path_join(state_dir, KS_PUBLISH_DIRECTORY, directory));
    KS_TRY(ks_tree_open(directory, true, &publisher->tree));
    publisher->rows.reader = reader;
    ks_head_empty(&publisher->checked);
out:
    return err;
}

void ks_publish_close(struct ks_publisher *publisher)
{
    ks_tree_close(publisher->tree);
    *publisher = (struct ks_publisher){0};
}

/* Files and database against HEAD, from what was checked before on. */
static enum ks_err check(struct ks_publisher *publisher, const struct ks_head *head)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_source source = ks_tree_source_of(publisher->tree);
    const struct ks_tree_check asked = {.source = &source,
                                        .old = &publisher->checked,
                                        .head = head,
                                        .visit = ks_tree_rows_visit,
                                        .context = &publisher->rows};

    publisher->rows.size = head->size;
    KS_TRY(ks_fail_prefix(ks_tree_fsck(&asked), "the ledger on disk, before it is signed"));
    publisher->checked = *head;
out:
    return err;
}

enum ks_err ks_publish_catch_up(struct ks_publisher *publisher, struct ks_ledger *ledger,
                                struct ks_tree_grown *out_grown)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_growth growth = {.ledger = ledger,
                                          .put_entries = ks_tree_rows_put,
                                          .context = &publisher->rows,
                                          .compare = true};
    struct ks_tree_grown grown = {0};

    KS_TRY(ks_tree_grow(publisher->tree, &growth, &grown));
    if (grown.written > 0) {
        KS_TRY(check(publisher, ks_ledger_head(ledger)));
    }
    publisher->checked = *ks_ledger_head(ledger); /* each file was just compared */
    *out_grown = grown;
out:
    return err;
}

enum ks_err ks_publish_grow(struct ks_publisher *publisher, struct ks_ledger *ledger)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_growth growth = {.old_size = publisher->checked.size,
                                          .ledger = ledger,
                                          .put_entries = ks_tree_rows_put,
                                          .context = &publisher->rows};
    struct ks_tree_grown grown = {0};

    KS_TRY(ks_tree_grow(publisher->tree, &growth, &grown));
    KS_TRY(check(publisher, ks_ledger_head(ledger)));
out:
    return err;
}

enum ks_err ks_publish_checkpoint(struct ks_publisher *publisher, struct ks_bytes note)
{
    return ks_fail_prefix(ks_tree_put_checkpoint(publisher->tree, note),
                          "the ledger's checkpoint");
}
