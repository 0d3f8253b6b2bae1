/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ClientHello, as far as the groups in it (RFC 8446 §4.1.2, §4.2.7). */

#include "base/buf.h"
#include "cli/proxy.h"

#define RECORD_HANDSHAKE   22
#define CLIENT_HELLO       1
#define SUPPORTED_GROUPS   10
#define GROUP_X25519       0x001d
#define VERSION_AND_RANDOM 34
#define HEAD_LEN           4 /* of a handshake message: u8 type, u24 length */
#define BODY_MAX           65535

/* Past record header, message header, version, random, session id, cipher suites and
 * compression methods. */
static enum ks_err find_extensions(struct ks_bytes record, struct ks_bytes *out_extensions)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(record, "ClientHello");
    struct ks_bytes part = {0};
    uint8_t type = 0;
    uint8_t len = 0;
    uint16_t version = 0;

    KS_TRY(ks_read_u8(&reader, &type));
    KS_CHECK(type == RECORD_HANDSHAKE, KS_ERR_FORMAT, "record of type %u", type);
    KS_TRY(ks_read_u16(&reader, &version));
    KS_TRY(ks_read_lp16(&reader, BODY_MAX, &part));
    KS_TRY(ks_read_end(&reader));
    reader = ks_reader_of(part, "ClientHello");
    KS_TRY(ks_read_u8(&reader, &type));
    KS_CHECK(type == CLIENT_HELLO, KS_ERR_FORMAT, "message of type %u", type);
    KS_TRY(ks_read_bytes(&reader, HEAD_LEN - 1 + VERSION_AND_RANDOM, &part));
    KS_TRY(ks_read_u8(&reader, &len)); /* session id */
    KS_TRY(ks_read_bytes(&reader, len, &part));
    KS_TRY(ks_read_lp16(&reader, BODY_MAX, &part)); /* cipher suites */
    KS_TRY(ks_read_u8(&reader, &len));              /* compression methods */
    KS_TRY(ks_read_bytes(&reader, len, &part));
    KS_TRY(ks_read_lp16(&reader, BODY_MAX, out_extensions));
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

/* The list of groups in EXTENSIONS. */
static enum ks_err find_groups(struct ks_bytes extensions, struct ks_bytes *out_groups)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(extensions, "ClientHello");
    struct ks_bytes body = {0};
    uint16_t type = 0;

    do {
        KS_TRY(ks_read_u16(&reader, &type));
        KS_TRY(ks_read_lp16(&reader, BODY_MAX, &body));
    } while (type != SUPPORTED_GROUPS);
    reader = ks_reader_of(body, "supported_groups");
    KS_TRY(ks_read_lp16(&reader, BODY_MAX, out_groups));
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

bool ks_proxy_downgrade(uint8_t *hello, size_t len)
{
    struct ks_bytes extensions = {0};
    struct ks_bytes groups = {0};
    size_t at = 0;

    if (find_extensions(ks_bytes_of(hello, len), &extensions) != KS_OK ||
        find_groups(extensions, &groups) != KS_OK) {
        return false;
    }
    at = (size_t)(groups.data - hello);
    for (size_t i = 0; i + 1 < groups.len; i += 2) {
        hello[at + i] = GROUP_X25519 >> 8;
        hello[at + i + 1] = GROUP_X25519 & 0xff;
    }
    return groups.len >= 2;
}
