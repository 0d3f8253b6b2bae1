/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "chain/header.h"

#include "chain/rlp.h"

#define KEPT(member) offsetof(struct ks_header, member)
#define NOWHERE      SIZE_MAX
#define EXTRA_MAX    KS_HEADER_LEN_MAX

enum kind { FIXED, INTEGER, STRING };

/* Fields by position, as RLP has no names. */
static const struct field {
    const char *name;
    enum kind kind;
    size_t len;  /* exactly, or at most */
    size_t keep; /* where in struct ks_header: FIXED by bytes, INTEGER as uint64_t */
} fields[] = {
    {"parent hash", FIXED, 32, NOWHERE},
    {"ommers hash", FIXED, 32, NOWHERE},
    {"beneficiary", FIXED, 20, NOWHERE},
    {"state root", FIXED, 32, KEPT(state_root)},
    {"transactions root", FIXED, 32, NOWHERE},
    {"receipts root", FIXED, 32, NOWHERE},
    {"logs bloom", FIXED, 256, NOWHERE},
    {"difficulty", INTEGER, 32, NOWHERE},
    {"number", INTEGER, 8, KEPT(number)},
    {"gas limit", INTEGER, 8, NOWHERE},
    {"gas used", INTEGER, 8, NOWHERE},
    {"timestamp", INTEGER, 8, KEPT(time_s)},
    {"extra data", STRING, EXTRA_MAX, NOWHERE},
    {"mix hash", FIXED, 32, NOWHERE},
    {"nonce", FIXED, 8, NOWHERE},
    {"base fee", INTEGER, 32, NOWHERE},               /* EIP-1559, London */
    {"withdrawals root", FIXED, 32, NOWHERE},         /* EIP-4895, Shanghai */
    {"blob gas used", INTEGER, 8, NOWHERE},           /* EIP-4844, Cancun */
    {"excess blob gas", INTEGER, 8, NOWHERE},         /* EIP-4844 */
    {"parent beacon block root", FIXED, 32, NOWHERE}, /* EIP-4788, Cancun */
    {"requests hash", FIXED, 32, NOWHERE},            /* EIP-7685, Prague */
};
#define FIELDS (sizeof fields / sizeof fields[0])

static enum ks_err read_field(struct ks_reader *items, const struct field *field,
                              struct ks_header *header)
{
    enum ks_err err = KS_OK;
    uint8_t *target = field->keep == NOWHERE ? NULL : (uint8_t *)header + field->keep;
    uint8_t integer[32];
    struct ks_bytes bytes = {0};
    uint64_t value = 0;

    switch (field->kind) {
    case FIXED:
        KS_TRY(ks_rlp_read_string(items, field->len, &bytes));
        KS_CHECK(bytes.len == field->len, KS_ERR_FORMAT, "%zu bytes where %zu belong",
                 bytes.len, field->len);
        if (target != NULL) {
            ks_copy(target, bytes.data, bytes.len);
        }
        break;
    case INTEGER:
        if (field->len == sizeof value) {
            KS_TRY(ks_rlp_read_u64(items, &value));
        } else {
            KS_TRY(ks_rlp_read_u256(items, integer));
        }
        if (target != NULL) {
            ks_copy(target, &value, sizeof value);
        }
        break;
    case STRING:
        KS_TRY(ks_rlp_read_string(items, field->len, &bytes));
        break;
    }
out:
    return ks_fail_prefix(err, "%s", field->name);
}

enum ks_err ks_header_parse(struct ks_bytes rlp, struct ks_header *out_header)
{
    enum ks_err err = KS_OK;
    struct ks_header header = {0};
    struct ks_reader reader = ks_reader_of(rlp, "block header");
    struct ks_reader items = {0};
    struct ks_bytes later = {0};
    size_t count = 0;

    KS_CHECK(rlp.len <= KS_HEADER_LEN_MAX, KS_ERR_LIMIT, "over %d bytes", KS_HEADER_LEN_MAX);
    KS_TRY(ks_rlp_read_list(&reader, &items));
    KS_TRY(ks_read_end(&reader));
    while (items.rest.len > 0) {
        KS_CHECK(count < KS_HEADER_FIELDS_MAX, KS_ERR_LIMIT, "over %d fields",
                 KS_HEADER_FIELDS_MAX);
        KS_TRY(count < FIELDS ? read_field(&items, &fields[count], &header)
                              : ks_rlp_read_string(&items, KS_HEADER_LEN_MAX, &later));
        count++;
    }
    KS_CHECK(count >= KS_HEADER_FIELDS_MIN, KS_ERR_FORMAT, "%zu fields where %d belong", count,
             KS_HEADER_FIELDS_MIN);
    ks_keccak256(rlp, header.hash);
    *out_header = header;
out:
    return ks_fail_prefix(err, "block header");
}

enum ks_err ks_account_parse(struct ks_bytes rlp, struct ks_account *out_account)
{
    enum ks_err err = KS_OK;
    struct ks_account account = {0};
    struct ks_reader reader = ks_reader_of(rlp, "account");
    struct ks_reader items = {0};
    uint64_t nonce = 0;
    uint8_t balance[32];

    KS_TRY(ks_rlp_read_list(&reader, &items));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_rlp_read_u64(&items, &nonce));
    KS_TRY(ks_rlp_read_u256(&items, balance));
    KS_TRY(ks_rlp_read_fixed(&items, account.storage_root, sizeof account.storage_root));
    KS_TRY(ks_rlp_read_fixed(&items, account.code_hash, sizeof account.code_hash));
    KS_TRY(ks_read_end(&items));
    *out_account = account;
out:
    return err;
}
