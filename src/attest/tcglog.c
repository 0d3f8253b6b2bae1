/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/tcglog.h"

#include "attest/wire.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/tpmcred.h"

#define EVENTS_FIRST   64  /* room for that many; doubles */
#define SPEC_DATA_MAX  512 /* 28 bytes, 4 for each bank, at most 255 of vendor information */
#define DIGEST_LEN_MAX 64  /* SHA-512 */
#define PCR_DRTM_FIRST 17  /* PFP §3.3.4: 17 to 22 are all ones until a dynamic launch */
#define PCR_DRTM_LAST  22

/* --- types -------------------------------------------------------------------------------- */

/* How the digest of an event comes from its data (PFP §10.4.1, table 14). */
enum binding {
    UNBOUND,  /* the data describe what was hashed elsewhere */
    DATA,     /* SHA-256 over the data */
    VARIABLE, /* … or over the contents of the variable alone, as EDK II does */
};

static const struct {
    uint32_t type;
    enum binding binding;
    const char *name;
} types[] = {
    {0x00000000, UNBOUND, "EV_PREBOOT_CERT"},
    {0x00000001, UNBOUND, "EV_POST_CODE"},
    {0x00000003, UNBOUND, "EV_NO_ACTION"},
    {0x00000004, DATA, "EV_SEPARATOR"},
    {0x00000005, DATA, "EV_ACTION"},
    {0x00000006, UNBOUND, "EV_EVENT_TAG"},
    {0x00000007, UNBOUND, "EV_S_CRTM_CONTENTS"},
    {0x00000008, DATA, "EV_S_CRTM_VERSION"},
    {0x00000009, UNBOUND, "EV_CPU_MICROCODE"},
    {0x0000000a, UNBOUND, "EV_PLATFORM_CONFIG_FLAGS"},
    {0x0000000b, UNBOUND, "EV_TABLE_OF_DEVICES"},
    {0x0000000c, UNBOUND, "EV_COMPACT_HASH"},
    {0x0000000d, UNBOUND, "EV_IPL"},
    {0x0000000e, UNBOUND, "EV_IPL_PARTITION_DATA"},
    {0x0000000f, UNBOUND, "EV_NONHOST_CODE"},
    {0x00000010, UNBOUND, "EV_NONHOST_CONFIG"},
    {0x00000011, UNBOUND, "EV_NONHOST_INFO"},
    {0x00000012, DATA, "EV_OMIT_BOOT_DEVICE_EVENTS"},
    {0x00000013, UNBOUND, "EV_POST_CODE2"},
    {0x80000001, DATA, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
    {0x80000002, VARIABLE, "EV_EFI_VARIABLE_BOOT"},
    {0x80000003, UNBOUND, "EV_EFI_BOOT_SERVICES_APPLICATION"},
    {0x80000004, UNBOUND, "EV_EFI_BOOT_SERVICES_DRIVER"},
    {0x80000005, UNBOUND, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
    {0x80000006, DATA, "EV_EFI_GPT_EVENT"},
    {0x80000007, DATA, "EV_EFI_ACTION"},
    {0x80000008, UNBOUND, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
    {0x80000009, UNBOUND, "EV_EFI_HANDOFF_TABLES"},
    {0x8000000a, UNBOUND, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
    {0x8000000b, UNBOUND, "EV_EFI_HANDOFF_TABLES2"},
    {0x8000000c, DATA, "EV_EFI_VARIABLE_BOOT2"},
    {0x80000010, UNBOUND, "EV_EFI_HCRTM_EVENT"},
    {0x800000e0, DATA, "EV_EFI_VARIABLE_AUTHORITY"},
    {0x800000e1, UNBOUND, "EV_EFI_SPDM_FIRMWARE_BLOB"},
    {0x800000e2, UNBOUND, "EV_EFI_SPDM_FIRMWARE_CONFIG"},
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

const char *ks_tcg_event_type_name(uint32_t type)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (types[i].type == type) {
            return types[i].name;
        }
    }
    return NULL;
}

enum ks_err ks_tcg_event_type_of(struct ks_bytes name, uint32_t *out_type)
{
    char shown[KS_TCG_TEXT_MAX];

    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (ks_bytes_is(name, types[i].name)) {
            *out_type = types[i].type;
            return KS_OK;
        }
    }
    ks_text_shown(name, shown, sizeof shown);
    return ks_fail(KS_ERR_FORMAT, "unknown event type '%s'", shown);
}

static enum binding binding_of(uint32_t type)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (types[i].type == type) {
            return types[i].binding;
        }
    }
    return UNBOUND;
}

/* --- reading ------------------------------------------------------------------------------ */

/* The banks that the spec id event declares. */
struct banks {
    size_t count;
    uint16_t algs[KS_TCG_BANKS_MAX];
    uint16_t lens[KS_TCG_BANKS_MAX];
};

static enum ks_err read_bank(struct ks_reader *reader, struct banks *banks)
{
    enum ks_err err = KS_OK;
    /* TPM2 part 2 §6.3; what a known algorithm's digest has to measure. */
    static const struct {
        uint16_t alg;
        uint16_t len;
    } known[] = {
        {KS_ALG_SHA1, 20},   {KS_ALG_SHA256, 32}, {KS_ALG_SHA384, 48},
        {KS_ALG_SHA512, 64}, {KS_ALG_SM3, 32},
    };
    uint16_t alg;
    uint16_t len;

    KS_TRY(ks_wire_le16(reader, &alg));
    KS_TRY(ks_wire_le16(reader, &len));
    KS_CHECK(len >= 1 && len <= DIGEST_LEN_MAX, KS_ERR_FORMAT,
             "%s: digests of %u bytes for algorithm 0x%04x", reader->what, (unsigned)len,
             (unsigned)alg);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        KS_CHECK(known[i].alg != alg || known[i].len == len, KS_ERR_FORMAT,
                 "%s: digests of %u bytes for algorithm 0x%04x", reader->what, (unsigned)len,
                 (unsigned)alg);
    }
    for (size_t i = 0; i < banks->count; i++) {
        KS_CHECK(banks->algs[i] != alg, KS_ERR_FORMAT, "%s: algorithm 0x%04x twice",
                 reader->what, (unsigned)alg);
    }
    banks->algs[banks->count] = alg;
    banks->lens[banks->count] = len;
    banks->count++;
out:
    return err;
}

/* TCG_EfiSpecIDEvent (PFP §10.4.5.1). */
static enum ks_err read_spec(struct ks_bytes data, struct banks *banks)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(data, "boot log: spec id event");
    struct ks_bytes signature;
    struct ks_bytes version;
    uint32_t platform;
    uint32_t count;
    uint8_t vendor_len;
    struct ks_bytes vendor;
    bool has_sha256 = false;

    KS_TRY(ks_read_bytes(&reader, 16, &signature));
    KS_CHECK(ks_bytes_equal(signature, KS_LITERAL("Spec ID Event03\0")), KS_ERR_FORMAT,
             "boot log: no crypto-agile log: its first event is not \"Spec ID Event03\"");
    KS_TRY(ks_wire_le32(&reader, &platform));
    KS_TRY(ks_read_bytes(&reader, 4, &version)); /* minor, major, errata, size of UINTN */
    KS_CHECK(version.data[1] == 2 && version.data[0] == 0, KS_ERR_FORMAT,
             "boot log: specification version %u.%u, want 2.0", version.data[1],
             version.data[0]);
    KS_TRY(ks_wire_le32(&reader, &count));
    KS_CHECK(count >= 1 && count <= KS_TCG_BANKS_MAX, KS_ERR_LIMIT,
             "boot log: %u algorithms, not 1 to %d", (unsigned)count, KS_TCG_BANKS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        KS_TRY(read_bank(&reader, banks));
        has_sha256 |= banks->algs[i] == KS_ALG_SHA256;
    }
    KS_CHECK(has_sha256, KS_ERR_FORMAT, "boot log: it has no sha256 bank");
    KS_TRY(ks_read_u8(&reader, &vendor_len));
    KS_TRY(ks_read_bytes(&reader, vendor_len, &vendor));
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

/* The TCG_PCClientPCREvent that a log begins with. */
static enum ks_err read_first(struct ks_reader *reader, struct banks *banks)
{
    enum ks_err err = KS_OK;
    uint32_t pcr;
    uint32_t type;
    struct ks_bytes digest;
    struct ks_bytes data;
    static const uint8_t zeros[KS_SHA1_LEN];

    KS_TRY(ks_wire_le32(reader, &pcr));
    KS_TRY(ks_wire_le32(reader, &type));
    KS_TRY(ks_read_bytes(reader, KS_SHA1_LEN, &digest));
    KS_CHECK(pcr == 0 && type == KS_TCG_EV_NO_ACTION && ks_bytes_equal(digest, KS_BYTES(zeros)),
             KS_ERR_FORMAT,
             "boot log: no crypto-agile log: it does not begin with a spec id event");
    KS_TRY(ks_wire_le_lp32(reader, SPEC_DATA_MAX, &data));
    KS_TRY(read_spec(data, banks));
out:
    return err;
}

/* TPML_DIGEST_VALUES: one digest for each bank, in any order. */
static enum ks_err read_digests(struct ks_reader *reader, const struct banks *banks,
                                struct ks_tcg_event *event)
{
    enum ks_err err = KS_OK;
    uint32_t count;
    unsigned seen = 0;

    KS_TRY(ks_wire_le32(reader, &count));
    KS_CHECK(count == banks->count, KS_ERR_FORMAT, "%s: %u digests, want %zu", reader->what,
             (unsigned)count, banks->count);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t alg;
        size_t bank = 0;
        struct ks_bytes digest;

        KS_TRY(ks_wire_le16(reader, &alg));
        while (bank < banks->count && banks->algs[bank] != alg) {
            bank++;
        }
        KS_CHECK(bank < banks->count && (seen & 1u << bank) == 0, KS_ERR_FORMAT,
                 "%s: algorithm 0x%04x is not declared, or twice", reader->what, (unsigned)alg);
        seen |= 1u << bank;
        KS_TRY(ks_read_bytes(reader, banks->lens[bank], &digest));
        if (alg == KS_ALG_SHA256) {
            ks_copy(event->digest, digest.data, KS_PCR_DIGEST_LEN);
        }
    }
out:
    return err;
}

/* TCG_PCR_EVENT2 (PFP §10.2.2). */
static enum ks_err read_event(struct ks_reader *reader, const struct banks *banks,
                              struct ks_tcg_event *out_event)
{
    enum ks_err err = KS_OK;
    struct ks_tcg_event event = {0};
    uint32_t pcr;

    KS_TRY(ks_wire_le32(reader, &pcr));
    KS_TRY(ks_wire_le32(reader, &event.type));
    event.extends = event.type != KS_TCG_EV_NO_ACTION;
    KS_CHECK(pcr < KS_PCR_COUNT || !event.extends, KS_ERR_FORMAT, "%s: PCR %u", reader->what,
             (unsigned)pcr);
    event.pcr = pcr;
    KS_TRY(read_digests(reader, banks, &event));
    KS_TRY(ks_wire_le_lp32(reader, KS_TCG_EVENT_DATA_MAX, &event.data));
    *out_event = event;
out:
    return err;
}

/* TCG_EfiStartupLocalityEvent (PFP §10.4.5.3). */
static enum ks_err take_locality(struct ks_tcg_log *log, const struct ks_tcg_event *event,
                                 bool *seen)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(event->data, "startup locality");
    struct ks_bytes signature;
    uint8_t locality;

    if (event->extends || event->data.len != 17) {
        return KS_OK;
    }
    KS_TRY(ks_read_bytes(&reader, 16, &signature));
    KS_TRY(ks_read_u8(&reader, &locality));
    if (!ks_bytes_equal(signature, KS_LITERAL("StartupLocality\0"))) {
        return KS_OK;
    }
    KS_CHECK(!*seen, KS_ERR_FORMAT, "a second startup locality");
    KS_CHECK(locality == 0 || locality == 3 || locality == 4, KS_ERR_FORMAT,
             "startup locality %u", (unsigned)locality);
    for (size_t i = 0; i < log->count; i++) {
        KS_CHECK(!log->events[i].extends || log->events[i].pcr != 0, KS_ERR_FORMAT,
                 "a startup locality after PCR 0 was extended");
    }
    *seen = true;
    log->startup_locality = locality;
out:
    return err;
}

static enum ks_err grow(struct ks_tcg_log *log, size_t *room)
{
    size_t wanted = *room == 0 ? EVENTS_FIRST : 2 * *room;
    struct ks_tcg_event *events;

    if (log->count < *room) {
        return KS_OK;
    }
    if (log->count == KS_TCG_EVENTS_MAX) {
        return ks_fail(KS_ERR_LIMIT, "boot log: more than %d events", KS_TCG_EVENTS_MAX);
    }
    events = ks_realloc(log->events, wanted, sizeof *events);
    if (events == NULL) {
        return ks_fail(KS_ERR_NOMEM, "boot log: out of memory");
    }
    log->events = events;
    *room = wanted;
    return KS_OK;
}
_Static_assert(KS_TCG_EVENTS_MAX % EVENTS_FIRST == 0 &&
                   ((KS_TCG_EVENTS_MAX / EVENTS_FIRST) &
                    (KS_TCG_EVENTS_MAX / EVENTS_FIRST - 1)) == 0,
               "the room doubles up to the limit");

enum ks_err ks_tcg_log_parse(struct ks_bytes bytes, struct ks_tcg_log *out_log)
{
    enum ks_err err = KS_OK;
    struct ks_tcg_log log = {0};
    struct ks_reader reader = ks_reader_of(bytes, "boot log");
    struct banks banks = {0};
    size_t room = 0;
    bool locality = false;

    KS_CHECK(bytes.len <= KS_TCG_LOG_MAX, KS_ERR_LIMIT, "boot log: %zu bytes, limit %d",
             bytes.len, KS_TCG_LOG_MAX);
    KS_TRY(read_first(&reader, &banks));
    reader.what = "event";
    while (reader.rest.len > 0) {
        size_t index = log.count + 1;
        KS_TRY(grow(&log, &room));
        KS_TRY(ks_fail_prefix(read_event(&reader, &banks, &log.events[log.count]),
                              "boot log: event %zu", index));
        KS_TRY(ks_fail_prefix(take_locality(&log, &log.events[log.count], &locality),
                              "boot log: event %zu", index));
        log.count++;
    }
    *out_log = log;
    log = (struct ks_tcg_log){0};
out:
    ks_tcg_log_done(&log);
    return err;
}

void ks_tcg_log_done(struct ks_tcg_log *log)
{
    if (log != NULL) {
        ks_free(log->events);
        *log = (struct ks_tcg_log){0};
    }
}

/* --- what the data say -------------------------------------------------------------------- */

/* UEFI_VARIABLE_DATA (PFP §10.2.6): the name's UTF-16 and the contents. */
static enum ks_err read_variable(struct ks_bytes data, struct ks_bytes *out_name,
                                 struct ks_bytes *out_contents)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(data, "variable");
    struct ks_bytes guid;
    uint64_t name_len;
    uint64_t contents_len;

    KS_TRY(ks_read_bytes(&reader, 16, &guid));
    KS_TRY(ks_wire_le64(&reader, &name_len));
    KS_TRY(ks_wire_le64(&reader, &contents_len));
    KS_CHECK(name_len <= reader.rest.len / 2, KS_ERR_FORMAT, "variable: cut short");
    KS_TRY(ks_read_bytes(&reader, (size_t)name_len * 2, out_name));
    KS_CHECK(contents_len == reader.rest.len, KS_ERR_FORMAT, "variable: cut short");
    *out_contents = reader.rest;
out:
    return err;
}

bool ks_tcg_event_bound(const struct ks_tcg_event *event)
{
    uint8_t digest[KS_SHA256_LEN];
    struct ks_bytes name;
    struct ks_bytes contents;
    enum binding binding = binding_of(event->type);

    if (!event->extends || binding == UNBOUND) {
        return false;
    }
    ks_sha256(event->data, digest);
    if (ks_bytes_equal(KS_BYTES(digest), KS_BYTES(event->digest))) {
        return true;
    }
    if (binding != VARIABLE || read_variable(event->data, &name, &contents) != KS_OK) {
        return false;
    }
    ks_sha256(contents, digest);
    return ks_bytes_equal(KS_BYTES(digest), KS_BYTES(event->digest));
}

enum ks_err ks_tcg_log_check_data(const struct ks_tcg_log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct ks_tcg_event *event = &log->events[i];

        if (event->extends && binding_of(event->type) != UNBOUND &&
            !ks_tcg_event_bound(event)) {
            return ks_fail(
                KS_ERR_VERIFY,
                "boot log: event %zu, PCR %u, %s: its digest is not that of its data", i + 1,
                event->pcr, ks_tcg_event_type_name(event->type));
        }
    }
    return KS_OK;
}

/* UTF-16LE as ASCII, up to a NUL; anything else is '?'. The upper half of the last unit may be
 * missing: it is zero. */
static void put_utf16(struct ks_bytes units, char target[KS_TCG_TEXT_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < units.len && len < KS_TCG_TEXT_MAX - 1; i += 2) {
        unsigned upper = i + 1 < units.len ? units.data[i + 1] : 0;
        unsigned unit = units.data[i] | upper << 8;
        if (unit == 0) {
            break;
        }
        target[len] = '?';
        if (unit >= 0x20 && unit <= 0x7e) {
            target[len] = (char)unit;
        }
        len++;
    }
    target[len] = '\0';
}

/* TEXT where it is one: ASCII or UTF-16LE, with or without a NUL at its end; no bytes that only
 * look like it, as some firmware puts addresses there. */
static void put_text(struct ks_bytes text, char target[KS_TCG_TEXT_MAX])
{
    size_t plain = 0;
    size_t halves = 0;

    while (text.len > 0 && text.data[text.len - 1] == '\0') {
        text.len--;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        plain += (c >= 0x20 && c <= 0x7e) || c == '\t' || c == '\n' || c == '\r';
        halves += i % 2 == 1 && c == '\0';
    }
    if (plain == text.len) {
        ks_text_shown(text, target, KS_TCG_TEXT_MAX);
    } else if (halves == text.len / 2 && plain == text.len - halves) {
        put_utf16(text, target);
    }
}

/* The file of a UEFI_IMAGE_LOAD_EVENT (PFP §10.2.3): of its device path (UEFI §10.3.5.4) the
 * last node of type media, file path. */
static enum ks_err put_image(struct ks_bytes data, char target[KS_TCG_TEXT_MAX])
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(data, "image");
    struct ks_bytes place;
    uint64_t path_len;

    KS_TRY(ks_read_bytes(&reader, 24, &place));
    KS_TRY(ks_wire_le64(&reader, &path_len));
    while (reader.rest.len > 0) {
        uint8_t type;
        uint8_t subtype;
        uint16_t len;
        struct ks_bytes body;

        KS_TRY(ks_read_u8(&reader, &type));
        KS_TRY(ks_read_u8(&reader, &subtype));
        KS_TRY(ks_wire_le16(&reader, &len));
        KS_CHECK(len >= 4, KS_ERR_FORMAT, "device path node of %u bytes", (unsigned)len);
        KS_TRY(ks_read_bytes(&reader, len - 4u, &body));
        if (type == 4 && subtype == 4) {
            put_utf16(body, target);
        }
    }
out:
    return err;
}

void ks_tcg_event_text(const struct ks_tcg_event *event, char target[KS_TCG_TEXT_MAX])
{
    struct ks_bytes name;
    struct ks_bytes contents;

    target[0] = '\0';
    switch (event->type) {
    case 0x80000001: /* the variables */
    case 0x80000002:
    case 0x8000000c:
    case 0x800000e0:
        if (read_variable(event->data, &name, &contents) == KS_OK) {
            put_utf16(name, target);
        }
        break;
    case 0x80000003: /* the images */
    case 0x80000004:
    case 0x80000005:
        /* What cannot be read has no name. */
        (void)(put_image(event->data, target) == KS_OK);
        break;
    case 0x00000001: /* the texts */
    case 0x00000005:
    case 0x00000008:
    case 0x0000000d:
    case 0x00000012:
    case 0x80000007:
        put_text(event->data, target);
        break;
    default:
        break;
    }
}

/* --- replay ------------------------------------------------------------------------------- */

void ks_tcg_log_replay(const struct ks_tcg_log *log,
                       uint8_t out_values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN], uint32_t *out_mask)
{
    uint32_t mask = 0;

    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        bool ones = pcr >= PCR_DRTM_FIRST && pcr <= PCR_DRTM_LAST;
        for (size_t i = 0; i < KS_PCR_DIGEST_LEN; i++) {
            out_values[pcr][i] = ones ? 0xff : 0x00;
        }
    }
    out_values[0][KS_PCR_DIGEST_LEN - 1] = log->startup_locality;
    for (size_t i = 0; i < log->count; i++) {
        const struct ks_tcg_event *event = &log->events[i];
        uint8_t next[KS_PCR_DIGEST_LEN];

        if (!event->extends) {
            continue;
        }
        const struct ks_bytes parts[] = {KS_BYTES(out_values[event->pcr]),
                                         KS_BYTES(event->digest)};
        ks_sha256_parts(parts, 2, next);
        ks_copy(out_values[event->pcr], next, sizeof next);
        mask |= 1u << event->pcr;
    }
    *out_mask = mask;
}
