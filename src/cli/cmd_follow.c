/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ledger follow: a monitor. It asks for the checkpoint again and again, proves that the ledger
 * only grew, hashes every new entry, and remembers the head durably before it says so. Two
 * heads that do not go together are kept, both signed by the site: evidence for anybody. */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/keep.h"
#include "cli/stop.h"

#define INTERVAL_MAX 86400 /* seconds */

enum outcome { SAME, FIRST, GROWN, FORK, DAMAGED, UNREACHABLE };
static const char *const outcome_names[] = {"same", "first",   "grown",
                                            "fork", "damaged", "unreachable"};

struct follow {
    struct ks_cli_ledger ledger;
    struct ks_cli_kept kept;
    struct ks_head last;
    uint64_t hashed;                /* entries of this step */
    char detail[KS_ERR_DETAIL_MAX]; /* why the outcome is no good one */
};

static enum ks_err count_entry(void *context, uint64_t index, struct ks_bytes entry)
{
    struct follow *follow = context;

    (void)index;
    (void)entry;
    follow->hashed++;
    return KS_OK;
}

/* Every entry that came since, from its bytes to the signed root. */
static enum ks_err hash_new(struct follow *follow, const struct ks_head *head)
{
    const struct ks_tree_check check = {.source = &follow->ledger.source,
                                        .old = &follow->last,
                                        .head = head,
                                        .visit = count_entry,
                                        .context = follow};

    return ks_tree_fsck(&check);
}

/* One look. The outcome is what it says, with the reason as stored detail where it is no good
 * one; an error is one of this machine's own. */
static enum ks_err look(struct follow *follow, enum outcome *out_outcome)
{
    enum ks_err err = KS_OK;
    struct ks_head head;
    bool fork = false;

    follow->hashed = 0;
    err = ks_cli_ledger_fetch(&follow->ledger);
    if (err != KS_OK) {
        *out_outcome = err == KS_ERR_VERIFY || err == KS_ERR_FORMAT || err == KS_ERR_LIMIT
                           ? DAMAGED
                           : UNREACHABLE;
        return err == KS_ERR_NOMEM ? err : KS_OK;
    }
    head = ks_cli_ledger_head(&follow->ledger);
    err = ks_cli_ledger_consistent(&follow->ledger, &follow->last, &fork);
    if (err == KS_ERR_VERIFY && fork) {
        *out_outcome = FORK;
        return KS_OK;
    }
    if (err == KS_OK && head.size > follow->last.size) {
        err = hash_new(follow, &head);
    }
    if (err == KS_ERR_VERIFY || err == KS_ERR_FORMAT || err == KS_ERR_LIMIT) {
        *out_outcome = DAMAGED;
        return KS_OK;
    }
    if (err != KS_OK) {
        *out_outcome = UNREACHABLE;
        return err == KS_ERR_NOMEM ? err : KS_OK;
    }
    if (head.size == follow->last.size && follow->kept.there) {
        *out_outcome = SAME;
        return KS_OK;
    }
    *out_outcome = follow->kept.there ? GROWN : FIRST;
    KS_TRY(ks_cli_keep_head(&follow->kept, ks_buf_view(&follow->ledger.note)));
    follow->last = head;
out:
    return err;
}

static enum ks_err print_line(const struct ks_cli *cli, const struct follow *follow,
                              enum outcome outcome, uint64_t old_size)
{
    enum ks_err err = KS_OK;
    char time[KS_TIME_TEXT_LEN + 1];
    char root[2 * KS_MERKLE_LEN + 1];
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 65536);
    ks_time_text(ks_clock_us(), time);
    ks_hex_encode(KS_BYTES(follow->last.root), root);
    if (cli->json) {
        ks_json_put_object(&writer);
        if (outcome >= FORK) {
            ks_json_member_text(&writer, "detail", follow->detail);
        }
        ks_json_member_u64(&writer, "entries", follow->hashed);
        ks_json_member_text(&writer, "event", outcome_names[outcome]);
        ks_json_member_u64(&writer, "old_size", old_size);
        ks_json_member_text(&writer, "origin", follow->ledger.site->origin);
        ks_json_member_text(&writer, "root", root);
        ks_json_member_text(&writer, "schema", "ketseal.ledger-follow/1");
        ks_json_member_u64(&writer, "size", follow->last.size);
        ks_json_member_text(&writer, "time", time);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else if (outcome >= FORK) {
        ks_cli_print("%s %s %s: %s\n", time, outcome_names[outcome],
                     follow->ledger.site->origin, follow->detail);
    } else {
        ks_cli_print("%s %s %s: %llu entries, %llu hashed, root %s\n", time,
                     outcome_names[outcome], follow->ledger.site->origin,
                     (unsigned long long)follow->last.size, (unsigned long long)follow->hashed,
                     root);
    }
    (void)fflush(stdout); /* whoever watches reads a pipe */
out:
    ks_buf_done(&out);
    return err;
}

/* A step with its line. */
static enum ks_err step(struct ks_cli *cli, struct follow *follow, enum outcome *out_outcome)
{
    enum ks_err err = KS_OK;
    enum outcome outcome = SAME;
    const uint64_t old_size = follow->last.size;

    KS_TRY(look(follow, &outcome));
    if (outcome == FORK) {
        err = ks_cli_keep_fork(&follow->kept, &follow->ledger);
        KS_TRY(err == KS_ERR_VERIFY ? KS_OK : err);
    }
    (void)snprintf(follow->detail, sizeof follow->detail, "%s",
                   outcome >= FORK ? ks_err_detail() : "");
    if (outcome != SAME || ks_cli_switch(cli, "once")) {
        KS_TRY(print_line(cli, follow, outcome, old_size));
    }
    *out_outcome = outcome;
out:
    return err;
}

static enum ks_err follow_on(struct ks_cli *cli, struct follow *follow, unsigned interval_ms)
{
    enum ks_err err = KS_OK;
    enum outcome outcome = SAME;
    const bool once = ks_cli_switch(cli, "once");
    int stop = -1;

    KS_TRY(ks_cli_catch_stop(&stop));
    do {
        KS_TRY(step(cli, follow, &outcome));
    } while (!once && outcome != FORK && !ks_cli_stopped(stop, interval_ms));
    if (outcome == FORK || (once && outcome > FORK)) {
        cli->answered = cli->json; /* the line says it */
        err = ks_fail(outcome == UNREACHABLE ? KS_ERR_IO : KS_ERR_VERIFY, "%s", follow->detail);
    }
out:
    ks_fd_close(&stop);
    return err;
}

enum ks_err ks_command_ledger_follow(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct follow follow = {0};
    uint64_t seconds = 0;

    KS_TRY(ks_cli_number(cli, "interval", INTERVAL_MAX, &seconds));
    KS_CHECK(seconds >= 1, KS_ERR_USAGE, "--interval: at least 1");
    KS_TRY(ks_cli_ledger_open(cli, &follow.ledger));
    KS_TRY(ks_cli_kept_open(cli, follow.ledger.site, &follow.kept));
    follow.last = follow.kept.head;
    KS_TRY(follow_on(cli, &follow, (unsigned)seconds * 1000));
out:
    ks_cli_ledger_close(&follow.ledger);
    return err;
}
