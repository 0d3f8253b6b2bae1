/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The ledger's files behind ketseald's closed doors: all that it does with them goes on there,
 * and nothing of it anywhere else. Exits with 77 where the kernel has no Landlock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "enclave/sandbox.h"
#include "ledger/tiles.h"
#include "store/tree.h"

#define ENTRIES 600

static enum ks_err put_entries(void *context, uint64_t first, unsigned count,
                               struct ks_buf *bundle)
{
    (void)context;
    (void)first;
    for (unsigned i = 0; i < count; i++) {
        ks_tree_put_entry(bundle, KS_LITERAL("entry"));
    }
    return KS_OK;
}

/* Grows to 300, then to ENTRIES (so partial files go), checks, replaces the checkpoint. */
static enum ks_err use_tree(struct ks_tree *tree, struct ks_ledger *ledger)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_source source = ks_tree_source_of(tree);
    struct ks_tree_growth growth = {.ledger = ledger, .put_entries = put_entries};
    struct ks_tree_grown grown = {0};
    struct ks_head empty;
    const struct ks_tree_check check = {
        .source = &source, .old = &empty, .head = ks_ledger_head(ledger)};
    uint8_t leaf[KS_MERKLE_LEN];
    uint64_t first = 0;

    ks_head_empty(&empty);
    ks_merkle_leaf(KS_LITERAL("entry"), leaf);
    for (unsigned i = 0; i < ENTRIES; i++) {
        KS_TRY(ks_ledger_append(ledger, leaf, 1, &first));
        if (i + 1 == ENTRIES / 2 || i + 1 == ENTRIES) {
            KS_TRY(ks_tree_grow(tree, &growth, &grown));
            growth.old_size = i + 1;
        }
    }
    KS_TRY(ks_tree_fsck(&check));
    KS_TRY(ks_tree_put_checkpoint(tree, KS_LITERAL("one\n")));
    KS_TRY(ks_tree_put_checkpoint(tree, KS_LITERAL("two\n")));
out:
    return err;
}

/* What goes wrong behind the doors, as an exit status; 0: nothing. */
static int behind_doors(const char *own, const char *other)
{
    struct ks_tree *tree = NULL;
    struct ks_ledger *ledger = NULL;
    struct ks_tile_store tiles = {0};
    struct ks_head empty;
    const int folder = open(own, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char path[512];

    ks_head_empty(&empty);
    (void)snprintf(path, sizeof path, "%s/made", other);
    if (folder < 0 || ks_tree_open(own, false, &tree) != KS_OK ||
        ks_tiles_memory_new(&tiles) != KS_OK ||
        ks_ledger_open(&tiles, &empty, &ledger) != KS_OK ||
        ks_sandbox_daemon(&folder, 1, 0) != KS_OK) {
        return 1;
    }
    if (use_tree(tree, ledger) != KS_OK) {
        return 2;
    }
    if (mkdirat(AT_FDCWD, path, 0700) == 0 || errno != EACCES) {
        return 3;
    }
    ks_ledger_close(ledger);
    ks_tiles_memory_free(&tiles);
    ks_tree_close(tree);
    return 0;
}

static void test_ledger_is_published(void **state)
{
    char *own = NULL;
    char *other = NULL;
    int status = 0;
    pid_t pid = -1;

    (void)state;
    assert_int_equal(ks_dir_temporary("own", &own), KS_OK);
    assert_int_equal(ks_dir_temporary("other", &other), KS_OK);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const int result = behind_doors(own, other);

        if (result != 0) {
            print_error("%s\n", ks_err_detail());
        }
        (void)syscall(SYS_exit_group, result);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pid = fork();
    if (pid == 0) {
        (void)execlp("rm", "rm", "-rf", own, other, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ks_free(own);
    ks_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ledger_is_published)};

    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
        (void)printf("SKIPPED: this kernel has no Landlock\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
