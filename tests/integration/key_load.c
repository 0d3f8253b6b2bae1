/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A device that spends one-time keys as fast as it can:
 *
 *   key_load DIRECTORY COUNT
 *
 * It runs one small job, and then asks COUNT times to cancel it: each request is signed with a
 * key of its own, which the site uses up before it says that the job is not running. Prints the
 * name of the key of each request that got so far, as it stood in the request. Linked with
 * --wrap=ks_session_call, to see what is sent. */

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "client/session.h"
#include "ketseal/client.h"

static char last_key[KS_SIGNATURE_KEYID_MAX + 1];

enum ks_err __real_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);
enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);

enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out)
{
    static const char name[] = ";keyid=\"";

    if (call->fields != NULL) {
        const char *at = strstr(call->fields->input, name);

        KS_ASSERT(at != NULL);
        at += sizeof name - 1;
        (void)snprintf(last_key, sizeof last_key, "%.*s", (int)strcspn(at, "\""), at);
    }
    return __real_ks_session_call(session, call, out);
}

static enum ks_err run_job(struct ks_client *client, char id[KS_UUID_TEXT_LEN + 1])
{
    static const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 64};
    const struct ks_job_spec job = {
        .version = 1, .template = "bell", .qubits = 2, .depth = 1, .shots = 1};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_bytes text = {0};
    struct ks_buf state;

    ks_buf_init(&state, 65536);
    KS_TRY(ks_client_submit(client, &job, &state));
    KS_TRY(ks_json_parse(ks_buf_view(&state), &limits, &doc));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "id", &text));
    KS_CHECK(text.len == KS_UUID_TEXT_LEN, KS_ERR_FORMAT, "no id");
    ks_copy(id, text.data, text.len);
    id[text.len] = '\0';
    (void)printf("%s\n", last_key);
out:
    ks_json_doc_free(doc);
    ks_buf_done(&state);
    return err;
}

static enum ks_err load(struct ks_client *client, uint64_t count)
{
    enum ks_err err = KS_OK;
    char id[KS_UUID_TEXT_LEN + 1];

    KS_TRY(run_job(client, id));
    for (uint64_t i = 0; i < count; i++) {
        err = ks_client_cancel(client, id);
        /* The first ones may find it running; what matters is that the key was taken. */
        KS_CHECK(err == KS_OK || err == KS_ERR_CONFLICT, KS_ERR_VERIFY, "request %llu: %s",
                 (unsigned long long)i, ks_err_detail());
        (void)printf("%s\n", last_key);
    }
    err = KS_OK;
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    char paths[7][KS_PATH_MAX];
    static const char *const names[] = {"root.pem", "device.pem", "device.key", "site.json",
                                        "state",    "keys.json",  "url"};
    struct ks_client_spec spec = {.version = 1};
    struct ks_buf url;
    uint64_t count = 0;

    ks_buf_init(&url, 512);
    KS_CHECK(argc == 3, KS_ERR_USAGE, "expected DIRECTORY COUNT");
    KS_TRY(ks_text_u64(ks_bytes_text(argv[2]), UINT32_MAX, &count));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        KS_TRY(ks_path_join(argv[1], names[i], paths[i]));
    }
    KS_TRY(ks_file_read(paths[6], 511, &url));
    ks_buf_put_u8(&url, 0);
    KS_TRY(ks_buf_check(&url));
    url.data[strcspn((char *)url.data, "\n")] = 0;
    spec.url = (char *)url.data;
    spec.root = paths[0];
    spec.certificate = paths[1];
    spec.key = paths[2];
    spec.site = paths[3];
    spec.state = paths[4];
    spec.keys = paths[5];
    KS_TRY(ks_client_open(&spec, &client));
    KS_TRY(load(client, count));
out:
    if (err != KS_OK) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "key_load: %s\n", ks_err_detail());
    }
    ks_client_close(client);
    ks_buf_done(&url);
    return ks_err_exit_code(err);
}
