/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* run: submit, wait, verify, keep. */

#include "cli/alerts.h"
#include "cli/bundle.h"
#include "cli/request.h"
#include "record/record.h"

enum ks_err ks_command_run_job(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_cli_request request = {0};
    struct ks_watch *watch = ks_calloc(1, sizeof *watch);
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_CHECK(watch != NULL, KS_ERR_NOMEM, "detector");
    KS_TRY(ks_cli_bundle_room(cli));
    KS_TRY(ks_cli_request(cli, &request));
    KS_TRY(ks_watch_open(cli, KS_TRACE_CIRCUIT, watch));
    KS_TRY(ks_cli_client(cli, &client));
    KS_TRY(ks_watch_client(watch, client));
    ks_cli_progress(cli, "%s: submitting", ks_cli_job_name(cli));
    KS_TRY(ks_client_run(client, &request.job, &bytes));
    ks_cli_key_notice(cli, client);
    KS_TRY(ks_cli_bundle_keep(cli, &bytes, cli->operand_count > 0 ? cli->operands[0] : NULL,
                              watch->alerted ? &watch->detection : NULL));
    if (watch->alerted && ks_cli_switch(cli, "fail-on-alert")) {
        cli->status = ks_err_exit_code(KS_ERR_VERIFY);
    }
out:
    ks_client_close(client);
    if (watch != NULL) {
        ks_watch_done(watch);
    }
    ks_free(watch);
    ks_cli_request_done(&request);
    ks_buf_done(&bytes);
    return err;
}
