/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "chain/address.h"

#include "base/text.h"
#include "chain/rlp.h"

#define DIGITS       (2 * KS_ADDRESS_LEN)
#define SELECTOR_LEN 4
#define WORD_LEN     32

void ks_address_text(const uint8_t address[KS_ADDRESS_LEN],
                     char target[KS_ADDRESS_TEXT_LEN + 1])
{
    uint8_t hash[KS_KECCAK256_LEN];

    target[0] = '0';
    target[1] = 'x';
    ks_hex_encode(ks_bytes_of(address, KS_ADDRESS_LEN), target + 2);
    ks_keccak256(ks_bytes_of(target + 2, DIGITS), hash);
    for (size_t i = 0; i < DIGITS; i++) {
        unsigned nibble = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15U;

        if (nibble >= 8 && target[2 + i] >= 'a') {
            target[2 + i] = (char)(target[2 + i] - 'a' + 'A');
        }
    }
}

enum ks_err ks_address_parse(struct ks_bytes text, uint8_t out_address[KS_ADDRESS_LEN])
{
    enum ks_err err = KS_OK;
    uint8_t address[KS_ADDRESS_LEN];
    uint8_t lower[DIGITS];
    char checked[KS_ADDRESS_TEXT_LEN + 1];
    bool has_lower = false;
    bool has_upper = false;

    KS_CHECK(text.len == KS_ADDRESS_TEXT_LEN && text.data[0] == '0' && text.data[1] == 'x',
             KS_ERR_FORMAT, "an address is 0x and %d hexadecimal digits", DIGITS);
    for (size_t i = 0; i < DIGITS; i++) {
        uint8_t digit = text.data[2 + i];
        bool is_upper = digit >= 'A' && digit <= 'F';

        has_upper = has_upper || is_upper;
        has_lower = has_lower || (digit >= 'a' && digit <= 'f');
        lower[i] = is_upper ? (uint8_t)(digit | 0x20) : digit; /* ASCII */
    }
    KS_TRY(ks_fail_prefix(ks_hex_decode(KS_BYTES(lower), address, sizeof address), "address"));
    if (has_lower && has_upper) {
        ks_address_text(address, checked);
        KS_CHECK(ks_bytes_is(text, checked), KS_ERR_FORMAT,
                 "address: its checksum (EIP-55) is wrong");
    }
    ks_copy(out_address, address, sizeof address);
out:
    return err;
}

/* The last twenty bytes of the hash. */
static void hash_to_address(struct ks_bytes data, uint8_t out_address[KS_ADDRESS_LEN])
{
    uint8_t hash[KS_KECCAK256_LEN];

    ks_keccak256(data, hash);
    ks_copy(out_address, hash + sizeof hash - KS_ADDRESS_LEN, KS_ADDRESS_LEN);
}

void ks_address_of_key(const uint8_t key[64], uint8_t out_address[KS_ADDRESS_LEN])
{
    hash_to_address(ks_bytes_of(key, 64), out_address);
}

/* Writes items and the list, of known small size. */
void ks_address_created(const uint8_t sender[KS_ADDRESS_LEN], uint64_t nonce,
                        uint8_t out_address[KS_ADDRESS_LEN])
{
    uint8_t bytes[1 + (1 + KS_ADDRESS_LEN) + (1 + sizeof nonce)];
    struct ks_buf items = {.data = bytes + 1, .cap = sizeof bytes - 1, .max = sizeof bytes - 1};

    ks_rlp_put_string(&items, ks_bytes_of(sender, KS_ADDRESS_LEN));
    ks_rlp_put_u64(&items, nonce);
    bytes[0] = (uint8_t)(0xc0 + items.len);
    hash_to_address(ks_bytes_of(bytes, 1 + items.len), out_address);
}

/* Selector of the function with SIGNATURE, and its one argument, right-aligned. */
static void call_of(const char *signature, struct ks_bytes argument,
                    uint8_t out_call[KS_CALL_LEN])
{
    uint8_t hash[KS_KECCAK256_LEN];

    ks_keccak256(ks_bytes_text(signature), hash);
    ks_zero(out_call, KS_CALL_LEN);
    ks_copy(out_call, hash, SELECTOR_LEN);
    ks_copy(out_call + KS_CALL_LEN - argument.len, argument.data, argument.len);
}

void ks_call_anchor(const uint8_t digest[32], uint8_t out_call[KS_CALL_LEN])
{
    call_of("anchor(bytes32)", ks_bytes_of(digest, WORD_LEN), out_call);
}

void ks_call_anchors(const uint8_t submitter[KS_ADDRESS_LEN], uint8_t out_call[KS_CALL_LEN])
{
    call_of("anchors(address)", ks_bytes_of(submitter, KS_ADDRESS_LEN), out_call);
}

/* keccak256(key || slot), both as words (Solidity, "Mappings and Dynamic Arrays"). */
void ks_anchor_slot(const uint8_t submitter[KS_ADDRESS_LEN], uint8_t out_slot[32])
{
    uint8_t words[2 * WORD_LEN] = {0};

    ks_copy(words + WORD_LEN - KS_ADDRESS_LEN, submitter, KS_ADDRESS_LEN);
    ks_keccak256(KS_BYTES(words), out_slot);
}
