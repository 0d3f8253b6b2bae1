/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A ketseald that alters what devices have signed, for data sets of traces and their tests,
 * never installed: of each submitted job it turns the last digit of the sampling's seed before
 * the enclave sees it. The linker has it called in place of what gives a request's body. */

#include <string.h>

#include "base/buf.h"
#include "net/http_server.h"
#include "server/hostile.h"

#define BODY_MAX (8 * 1024 * 1024)

struct ks_bytes __real_ks_http_request_body(const struct ks_http_request *request);
struct ks_bytes __wrap_ks_http_request_body(const struct ks_http_request *request);

void ks_turn_hostile(int enclave_fd, const char *state_dir)
{
    (void)enclave_fd;
    (void)state_dir;
}

/* The last digit of the number behind the last "seed": of TEXT; NULL where there is none. */
static uint8_t *find_digit(uint8_t *text, size_t len)
{
    static const char name[] = "\"seed\":\"";
    uint8_t *found = NULL;

    for (size_t i = 0; i + sizeof name < len; i++) {
        if (strncmp((const char *)text + i, name, sizeof name - 2) == 0) {
            found = text + i + sizeof name - 2; /* the number may be a string */
        }
    }
    while (found != NULL && found < text + len && *found == '"') {
        found++;
    }
    while (found != NULL && found + 1 < text + len && found[1] >= '0' && found[1] <= '9') {
        found++;
    }
    return found != NULL && *found >= '0' && *found <= '9' ? found : NULL;
}

struct ks_bytes __wrap_ks_http_request_body(const struct ks_http_request *request)
{
    static _Thread_local struct ks_buf altered = {.max = BODY_MAX};
    const struct ks_bytes body = __real_ks_http_request_body(request);
    const struct ks_bytes path = ks_http_request_head(request)->path;
    uint8_t *digit = NULL;

    if (!ks_bytes_is(path, "/qjob") && !ks_bytes_is(path, "/v1/jobs")) {
        return body;
    }
    ks_buf_clear(&altered);
    ks_buf_put(&altered, body);
    KS_ASSERT(ks_buf_check(&altered) == KS_OK);
    digit = find_digit(altered.data, altered.len);
    if (digit != NULL) {
        *digit = *digit == '9' ? '8' : (uint8_t)(*digit + 1);
    }
    return ks_buf_view(&altered);
}
