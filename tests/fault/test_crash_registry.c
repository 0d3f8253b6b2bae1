/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The registry of devices crashed at seeded points: what was acknowledged is there, what was
 * not is there whole or not at all, no token comes back; and without any one sync, it is not
 * so. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/registry.h"
#include "fault/crash_fs.h"

#define NOW_US  UINT64_C(1700000000000000)
#define DEVICES 8
#define TOKENS  4096
#define CHAINS  2000

static const uint8_t master[32] = {4, 5, 6};

struct site {
    struct crash_disk *disk;
    struct ks_fs fs;
    struct crash_random random;
    struct ks_registry *registry;
    uint64_t kept[DEVICES];  /* attested_us as acknowledged; 0: not there */
    uint64_t tried[DEVICES]; /* as asked for */
    size_t alerts[DEVICES];  /* acknowledged, and with those that may have got through */
    size_t alerts_tried[DEVICES];
    uint8_t token_state[TOKENS]; /* 0 never, 1 tried, 2 acknowledged */
    unsigned tokens;
    uint64_t step;
    char wrong[256];
};

static struct ks_device_entry entry_of(unsigned number, uint64_t mark)
{
    struct ks_device_entry entry = {.state = KS_DEVICE_ACTIVE,
                                    .tpm = KS_TPM_SET_SIMULATED,
                                    .attested_us = mark,
                                    .expires_s = NOW_US};

    (void)snprintf(entry.id, sizeof entry.id, "edge-%u", number);
    entry.ek[0] = (uint8_t)number;
    return entry;
}

static void token_of(unsigned number, uint8_t out_token[KS_TOKEN_ID_LEN])
{
    memset(out_token, 0, KS_TOKEN_ID_LEN);
    out_token[0] = (uint8_t)(number >> 8);
    out_token[1] = (uint8_t)number;
}

static void set_wrong(struct site *site, const char *what, unsigned number)
{
    if (site->wrong[0] == '\0') {
        (void)snprintf(site->wrong, sizeof site->wrong, "%s (%u)", what, number);
    }
}

static void verify(struct site *site)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        const struct ks_device_entry want = entry_of(i, 0);
        const struct ks_device_entry *got =
            ks_registry_find(site->registry, ks_bytes_text(want.id));
        const uint64_t mark = got == NULL ? 0 : got->attested_us;

        if (mark != site->kept[i] && mark != site->tried[i]) {
            set_wrong(site, "a device is not as it was acknowledged", i);
        }
        const size_t alerts = ks_registry_alerts(site->registry, ks_bytes_text(want.id), 0);

        if (alerts < KS_REGISTRY_ALERTS_MAX &&
            (alerts < site->alerts[i] || alerts > site->alerts_tried[i])) {
            set_wrong(site, "an alert is lost, or came of nothing", i);
        }
        site->alerts[i] = alerts;
        site->alerts_tried[i] = alerts;
        site->kept[i] = mark; /* the one tried may have got through */
        site->tried[i] = mark;
    }
    for (unsigned i = 0; i < site->tokens; i++) {
        uint8_t token[KS_TOKEN_ID_LEN];
        bool used = false;

        token_of(i, token);
        used = ks_registry_token_used(site->registry, token);
        if (site->token_state[i] == 2 && !used) {
            set_wrong(site, "a used token came back", i);
        }
        if (site->token_state[i] == 1) {
            site->token_state[i] = used ? 2 : 0;
        }
    }
}

static void change(struct site *site)
{
    const unsigned number = (unsigned)crash_random_below(&site->random, DEVICES);
    const struct ks_device_entry entry = entry_of(number, NOW_US + ++site->step);
    enum ks_err err = KS_OK;

    site->tried[number] = entry.attested_us;
    if (crash_random_below(&site->random, 3) == 0 && site->tokens < TOKENS) {
        uint8_t token[KS_TOKEN_ID_LEN];
        const unsigned fresh = site->tokens++;

        token_of(fresh, token);
        site->token_state[fresh] = 1;
        err = ks_registry_enrol(site->registry, &entry, token, UINT64_MAX);
        if (err == KS_OK) {
            site->token_state[fresh] = 2;
        }
    } else if (crash_random_below(&site->random, 4) == 0 &&
               ks_registry_find(site->registry, ks_bytes_text(entry.id)) != NULL) {
        const uint8_t job[KS_REGISTRY_JOB_LEN] = {
            (uint8_t)(site->step >> 16), (uint8_t)(site->step >> 8), (uint8_t)site->step};

        site->alerts_tried[number]++;
        err = ks_registry_alert(site->registry, &entry, job, entry.attested_us);
        site->alerts[number] += err == KS_OK;
    } else {
        err = ks_registry_put(site->registry, &entry);
    }
    if (err == KS_OK) {
        site->kept[number] = entry.attested_us;
    } else if (ks_registry_put(site->registry, &entry) == KS_OK) {
        set_wrong(site, "a registry that failed goes on", number);
    }
}

static void open_again(struct site *site)
{
    while (site->registry == NULL && site->wrong[0] == '\0') {
        crash_disk_arm(site->disk, crash_random_below(&site->random, 3) == 0
                                       ? 1 + crash_random_below(&site->random, 8)
                                       : 0);
        if (ks_registry_open(&site->fs, ks_bytes_of(master, sizeof master), NOW_US, NULL,
                             &site->registry) != KS_OK) {
            site->registry = NULL;
            if (!crash_disk_is_down(site->disk)) {
                set_wrong(site, "the registry does not open", 0);
            }
            crash_disk_restart(site->disk);
        }
    }
    crash_disk_arm(site->disk, 0);
    if (site->registry != NULL) {
        verify(site);
    }
}

/* A chain of crashes; true if all held. */
static bool run_chain(uint64_t seed, enum crash_sync ignored, char wrong[256])
{
    struct site *site = ks_calloc(1, sizeof *site);
    bool good = false;

    assert_non_null(site);
    site->random.state = seed;
    assert_int_equal(crash_disk_new(seed ^ 0x5eed, &site->disk), KS_OK);
    crash_disk_ignore(site->disk, ignored);
    site->fs = crash_fs_of(site->disk);
    open_again(site);
    for (unsigned crash = 0; crash < 6 && site->wrong[0] == '\0'; crash++) {
        crash_disk_arm(site->disk, 1 + crash_random_below(&site->random, 12));
        for (unsigned i = 0; i < 24 && !crash_disk_is_down(site->disk); i++) {
            change(site);
        }
        ks_registry_close(site->registry);
        site->registry = NULL;
        crash_disk_restart(site->disk);
        open_again(site);
    }
    good = site->wrong[0] == '\0';
    memcpy(wrong, site->wrong, sizeof site->wrong);
    ks_registry_close(site->registry);
    crash_disk_free(site->disk);
    ks_free(site);
    return good;
}

static void test_crashes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CHAINS; seed++) {
        char wrong[256];

        if (!run_chain(seed, CRASH_SYNC_NONE, wrong)) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, wrong);
        }
    }
}

/* With one kind of sync left out, some chain has to show it. */
static void expect_needed(enum crash_sync sync)
{
    for (uint64_t seed = 1; seed <= CHAINS; seed++) {
        char wrong[256];

        if (!run_chain(seed, sync, wrong)) {
            return;
        }
    }
    fail_msg("nothing shows that sync %d is left out", (int)sync);
}

static void test_each_sync_is_needed(void **state)
{
    (void)state;
    expect_needed(CRASH_SYNC_APPEND);
    expect_needed(CRASH_SYNC_REPLACE);
    expect_needed(CRASH_SYNC_DIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_each_sync_is_needed),
    };

    return cmocka_run_group_tests_name("crash_registry", tests, NULL, NULL);
}
