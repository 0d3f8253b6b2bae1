/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ledger serve: the files of a ledger over plain HTTP, with the labels that caches need. What
 * it hands out proves itself, or does not; it checks nothing, and nothing else can be had from
 * it.
 */

#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/stop.h"
#include "net/plain.h"
#include "store/tree.h"

/* PATH is what the request has behind the host. */
static enum ks_err answer(void *context, struct ks_bytes path, struct ks_buf *body,
                          struct ks_plain_reply *out_reply)
{
    enum ks_err err = KS_OK;
    struct ks_tree *tree = context;
    const struct ks_tree_source source = ks_tree_source_of(tree);
    const struct ks_bytes name = ks_bytes_of(path.data + 1, path.len - 1); /* after '/' */
    struct ks_tree_name parsed = {0};

    if (ks_bytes_is(name, KS_TREE_CHECKPOINT)) {
        err = ks_tree_read_checkpoint(tree, body);
    } else if (ks_tree_path_parse(name, &parsed) == KS_OK) {
        err = source.read(source.context, &parsed, body);
    } else {
        err = KS_ERR_NOT_FOUND;
    }
    if (err == KS_ERR_NOT_FOUND) {
        *out_reply = (struct ks_plain_reply){.status = 404};
        return KS_OK;
    }
    KS_TRY(err);
    *out_reply = (struct ks_plain_reply){.status = 200,
                                         .content_type = ks_tree_content_type(parsed.width),
                                         .cache_control = ks_tree_cache_control(parsed.width)};
out:
    return err;
}

static enum ks_err print_address(const struct ks_cli *cli, const struct ks_plain_spec *spec,
                                 uint16_t port)
{
    enum ks_err err = KS_OK;
    const bool v6 = strchr(spec->address, ':') != NULL;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    char url[128];

    ks_buf_init(&out, 4096);
    (void)snprintf(url, sizeof url, "http://%s%s%s:%u/", v6 ? "[" : "", spec->address,
                   v6 ? "]" : "", (unsigned)port);
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "schema", "ketseal.ledger-serve/1");
        ks_json_member_text(&writer, "url", url);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("%s\n", url);
    }
    (void)fflush(stdout); /* whoever waits for the address reads a pipe */
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_ledger_serve(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_tree *tree = NULL;
    struct ks_plain_server *server = NULL;
    struct ks_plain_spec spec = {.address = ks_cli_text(cli, "address"),
                                 .body_max = KS_TREE_FILE_MAX,
                                 .handler = answer};
    uint64_t port = 0;
    int stop = -1;

    KS_TRY(ks_cli_number(cli, "port", UINT16_MAX, &port));
    spec.port = (uint16_t)port;
    KS_TRY(ks_tree_open(cli->operands[0], false, &tree));
    spec.context = tree;
    KS_TRY(ks_plain_server_open(&spec, &server));
    KS_TRY(ks_cli_catch_stop(&stop));
    KS_TRY(print_address(cli, &spec, ks_plain_server_port(server)));
    KS_TRY(ks_plain_server_run(server, stop));
out:
    ks_plain_server_close(server);
    ks_tree_close(tree);
    ks_fd_close(&stop);
    return err;
}
