/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "expect.h"

#include "json_attack.h"

#define DOCUMENT_MAX ((size_t)2 << 20)

/* --- the text ----------------------------------------------------------------------------- */

/* Offsets: "name":value, with the comma not in it. */
struct member {
    size_t begin;
    size_t value;
    size_t end;
};

static size_t string_end(struct ks_bytes text, size_t at)
{
    for (at++; text.data[at] != '"'; at++) {
        at += text.data[at] == '\\';
        assert_true(at < text.len);
    }
    return at + 1;
}

static size_t value_end(struct ks_bytes text, size_t at)
{
    size_t depth = 0;

    while (at < text.len) {
        const uint8_t c = text.data[at];

        if (c == '"') {
            at = string_end(text, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            break;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return at;
}

/* The first member that begins at AT or behind it. */
static bool next_member(struct ks_bytes text, size_t at, struct member *out_member)
{
    while (at < text.len) {
        size_t end = at + 1;

        if (text.data[at] == '"') {
            end = string_end(text, at);
            if (end < text.len && text.data[end] == ':') {
                *out_member = (struct member){
                    .begin = at, .value = end + 1, .end = value_end(text, end + 1)};
                return true;
            }
        }
        at = end;
    }
    return false;
}

static bool is_named(struct ks_bytes text, const struct member *member, const char *name)
{
    return name != NULL && ks_bytes_is(ks_bytes_of(text.data + member->begin + 1,
                                                   member->value - member->begin - 3),
                                       name);
}

static struct member find_member(struct ks_bytes text, const char *name)
{
    struct member member = {0};
    size_t at = 0;

    do {
        if (!next_member(text, at, &member)) {
            fail_msg("no member '%s'", name);
        }
        at = member.value;
    } while (!is_named(text, &member, name));
    return member;
}

struct ks_bytes json_attack_value(struct ks_bytes pattern, const char *name)
{
    const struct member member = find_member(pattern, name);

    return ks_bytes_of(pattern.data + member.value, member.end - member.value);
}

/* TEXT with [BEGIN, END) replaced by FRESH. */
static void put_between(struct ks_bytes text, size_t begin, size_t end, struct ks_bytes fresh,
                        struct ks_buf *out)
{
    ks_buf_clear(out);
    ks_buf_put(out, ks_bytes_of(text.data, begin));
    ks_buf_put(out, fresh);
    ks_buf_put(out, ks_bytes_of(text.data + end, text.len - end));
    assert_int_equal(ks_buf_check(out), KS_OK);
}

void json_attack_set(struct ks_bytes pattern, const char *name, const char *value,
                     struct ks_buf *out)
{
    const struct member member = find_member(pattern, name);

    put_between(pattern, member.value, member.end, ks_bytes_text(value), out);
}

/* --- the attack --------------------------------------------------------------------------- */

static void expect_refused(const struct json_attack *attack, const struct ks_buf *changed,
                           const char *what)
{
    struct ks_buf document;
    enum ks_err err = KS_OK;

    ks_buf_init(&document, DOCUMENT_MAX);
    if (attack->wrap != NULL) {
        attack->wrap(ks_buf_view(changed), &document);
    } else {
        ks_buf_put(&document, ks_buf_view(changed));
    }
    assert_int_equal(ks_buf_check(&document), KS_OK);
    err = attack->read(ks_buf_view(&document));
    if (err != KS_ERR_FORMAT && err != KS_ERR_LIMIT) {
        fail_msg("%s (%s), for %s:\n%.*s", ks_err_name(err),
                 err == KS_OK ? "" : ks_err_detail(), what,
                 (int)(changed->len > 4000 ? 4000 : changed->len), (const char *)changed->data);
    }
    ks_buf_done(&document);
}

static size_t attack_types(const struct json_attack *attack, const struct member *member,
                           struct ks_buf *changed)
{
    static const char *const values[] = {"null", "true", "[]", "{}", "\"x\"", "7", "-1", "0.5"};
    const uint8_t first = attack->pattern.data[member->value];
    size_t count = 0;

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const bool is_null = values[i][0] == 'n';

        if (first == (uint8_t)values[i][0] || (first >= '0' && first <= '9' && i == 5) ||
            (is_null && is_named(attack->pattern, member, attack->nullable))) {
            continue;
        }
        put_between(attack->pattern, member->value, member->end, ks_bytes_text(values[i]),
                    changed);
        expect_refused(attack, changed, "another type");
        count++;
    }
    return count;
}

static size_t attack_member(const struct json_attack *attack, const struct member *member,
                            struct ks_buf *changed)
{
    const struct ks_bytes text = attack->pattern;
    const bool comma_behind = text.data[member->end] == ',';
    const bool comma_before = !comma_behind && text.data[member->begin - 1] == ',';
    size_t count = 0;

    if (!is_named(text, member, attack->optional)) {
        put_between(text, member->begin - comma_before, member->end + comma_behind,
                    (struct ks_bytes){0}, changed);
        expect_refused(attack, changed, "a missing member");
        count++;
    }
    ks_buf_clear(changed);
    ks_buf_put(changed, ks_bytes_of(text.data, member->end));
    ks_buf_put_text(changed, ",");
    ks_buf_put(changed, ks_bytes_of(text.data + member->begin, text.len - member->begin));
    expect_refused(attack, changed, "a member twice");
    return count + 1 + attack_types(attack, member, changed);
}

static void attack_object(const struct json_attack *attack, size_t end, struct ks_buf *changed)
{
    const bool empty = attack->pattern.data[end - 2] == '{';

    put_between(attack->pattern, end - 1, end - 1,
                ks_bytes_text(empty ? "\"~\":0" : ",\"~\":0"), changed);
    expect_refused(attack, changed, "an unknown member");
}

size_t json_attack_members(const struct json_attack *attack)
{
    struct member member = {0};
    struct ks_buf changed;
    size_t count = 1;
    size_t at = 0;

    ks_buf_init(&changed, DOCUMENT_MAX);
    attack_object(attack, attack->pattern.len, &changed);
    while (next_member(attack->pattern, at, &member)) {
        const bool opaque = is_named(attack->pattern, &member, attack->opaque[0]) ||
                            is_named(attack->pattern, &member, attack->opaque[1]);

        count += attack_member(attack, &member, &changed);
        if (!opaque && attack->pattern.data[member.value] == '{') {
            attack_object(attack, member.end, &changed);
            count++;
        }
        at = opaque ? member.end : member.value;
    }
    ks_buf_done(&changed);
    return count;
}

void json_attack_bytes(struct ks_bytes document, size_t begin, size_t end, uint64_t *seed,
                       enum ks_err (*read)(struct ks_bytes document))
{
    struct ks_buf changed;

    assert_true(begin < end && end <= document.len);
    ks_buf_init(&changed, DOCUMENT_MAX);
    ks_buf_put(&changed, document);
    assert_int_equal(ks_buf_check(&changed), KS_OK);
    for (size_t i = begin; i < end; i++) {
        const uint8_t flip = (uint8_t)(1U << next_random(seed) % 8);

        changed.data[i] ^= flip;
        if (read(ks_buf_view(&changed)) == KS_OK) {
            fail_msg("accepted with bits %#x of byte %zu changed", flip, i);
        }
        changed.data[i] ^= flip;
    }
    ks_buf_done(&changed);
}
