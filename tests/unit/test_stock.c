/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "unit/expect.h"

#include "enclave/stock.h"

#define LIFE_US    1000000
#define DEVICE_MAX 300
#define DEVICES    5
#define MODEL_KEYS 400
#define STEPS      20000

static const uint8_t edge[DEVICES][KS_STOCK_DEVICE_LEN] = {{1}, {2}, {3}, {4}, {5}};

static struct ks_stock *new_stock(void)
{
    const struct ks_stock_rules rules = {.device_max = DEVICE_MAX, .life_us = LIFE_US};
    struct ks_stock *stock = NULL;

    assert_int_equal(ks_stock_new(&rules, &stock), KS_OK);
    return stock;
}

static struct ks_etsi014_id id_of(uint32_t number)
{
    struct ks_etsi014_id id = {{0}};

    id.bytes[0] = (uint8_t)(number >> 24);
    id.bytes[1] = (uint8_t)(number >> 16);
    id.bytes[2] = (uint8_t)(number >> 8);
    id.bytes[3] = (uint8_t)number;
    return id;
}

static struct ks_etsi014_key key_of(uint32_t number)
{
    struct ks_etsi014_key key = {.id = id_of(number), .len = KS_ONE_TIME_KEY_LEN};

    key.data[0] = (uint8_t)number;
    key.data[1] = (uint8_t)(number >> 8);
    key.data[31] = 9;
    return key;
}

static enum ks_err announce(struct ks_stock *stock, unsigned device, uint32_t first,
                            size_t count, uint64_t now_us)
{
    struct ks_etsi014_ids ids = {.count = count};

    for (size_t i = 0; i < count; i++) {
        ids.ids[i] = id_of(first + (uint32_t)i);
    }
    return ks_stock_announce(stock, edge[device], &ids, now_us);
}

static void fill(struct ks_stock *stock, uint32_t first, size_t count, uint64_t now_us)
{
    for (size_t i = 0; i < count; i++) {
        struct ks_etsi014_key key = key_of(first + (uint32_t)i);

        ks_stock_fill(stock, &key, 1, now_us);
    }
}

static void expect_key(struct ks_stock *stock, unsigned device, uint32_t number,
                       uint64_t now_us)
{
    const struct ks_etsi014_id id = id_of(number);
    const struct ks_etsi014_key want = key_of(number);
    uint8_t got[KS_ONE_TIME_KEY_LEN];

    assert_int_equal(ks_stock_key(stock, &id, edge[device], now_us, got), KS_OK);
    expect_bytes(KS_BYTES(got), ks_bytes_of(want.data, want.len));
}

static void expect_denied(struct ks_stock *stock, unsigned device, uint32_t number,
                          uint64_t now_us, const char *text)
{
    const struct ks_etsi014_id id = id_of(number);
    uint8_t got[KS_ONE_TIME_KEY_LEN] = {7};

    expect_failure(ks_stock_key(stock, &id, edge[device], now_us, got), KS_ERR_DENIED, text);
    assert_int_equal(got[0], 7);
    expect_failure(ks_stock_spend(stock, &id, edge[device], now_us), KS_ERR_DENIED, text);
}

static enum ks_err spend(struct ks_stock *stock, unsigned device, uint32_t number,
                         uint64_t now_us)
{
    const struct ks_etsi014_id id = id_of(number);

    return ks_stock_spend(stock, &id, edge[device], now_us);
}

/* Each refusal has its own sentence. */
static void test_life_of_a_key(void **state)
{
    (void)state;
    struct ks_stock *stock = new_stock();
    struct ks_etsi014_ids forgotten = {.count = 1, .ids = {id_of(2)}};

    expect_denied(stock, 0, 1, 0, "is not known here: it was not announced since");
    assert_int_equal(announce(stock, 0, 1, 2, 0), KS_OK);
    expect_denied(stock, 0, 1, 0, "has not delivered the quantum key yet");
    expect_failure(announce(stock, 0, 2, 1, 0), KS_ERR_CONFLICT,
                   "key_ID 00000002-0000-0000-0000-000000000000 was announced before");
    expect_failure(announce(stock, 1, 2, 1, 0), KS_ERR_CONFLICT, "was announced before");
    ks_stock_forget(stock, &forgotten);
    expect_denied(stock, 0, 2, 0, "is not known here");
    fill(stock, 1, 2, 10);
    expect_denied(stock, 0, 2, 10, "is not known here"); /* nobody waited for it any more */
    expect_denied(stock, 1, 1, 10, "was announced by another device");
    assert_int_equal(ks_stock_left(stock, edge[0]), 1);
    expect_key(stock, 0, 1, 10);
    expect_key(stock, 0, 1, 10 + LIFE_US - 1); /* looking uses nothing up */
    assert_int_equal(spend(stock, 0, 1, 10 + LIFE_US - 1), KS_OK);
    assert_int_equal(ks_stock_left(stock, edge[0]), 0);
    expect_denied(stock, 0, 1, 10 + LIFE_US - 1, "the quantum key is spent");
    expect_failure(announce(stock, 0, 1, 1, 10 + LIFE_US), KS_ERR_CONFLICT,
                   "was announced before");
    assert_int_equal(announce(stock, 0, 3, 1, 2 * LIFE_US), KS_OK);
    fill(stock, 3, 1, 2 * LIFE_US);
    expect_denied(stock, 0, 3, 3 * LIFE_US, "the quantum key has expired");
    assert_int_equal(ks_stock_left(stock, edge[0]), 0);
    expect_denied(stock, 0, 3, 4 * (uint64_t)LIFE_US + 2000000, "is not known here");
    ks_stock_free(stock);
}

static void test_limits(void **state)
{
    (void)state;
    struct ks_stock *stock = new_stock();

    for (uint32_t i = 0; i < DEVICE_MAX / 100; i++) {
        assert_int_equal(announce(stock, 0, i * 100, 100, 0), KS_OK);
    }
    expect_failure(announce(stock, 0, 1000, 1, 0), KS_ERR_LIMIT,
                   "300 quantum keys are here for this device, of at most 300");
    /* All of an announcement or nothing. */
    assert_int_equal(announce(stock, 1, 1000, 100, 0), KS_OK);
    expect_failure(announce(stock, 1, 1099, 2, 0), KS_ERR_CONFLICT, "was announced before");
    expect_denied(stock, 1, 1100, 0, "is not known here");
    fill(stock, 0, 1, 0);
    assert_int_equal(spend(stock, 0, 0, 0), KS_OK);
    assert_int_equal(announce(stock, 0, 2000, 1, 0), KS_OK); /* room for one more */
    ks_stock_free(stock);
}

/* Names of used keys make room when all places are taken, and used keys stay unknown. */
static void test_more_than_it_remembers(void **state)
{
    (void)state;
    struct ks_stock *stock = new_stock();

    for (uint32_t i = 0; i < KS_STOCK_KEYS_MAX + 500; i++) {
        assert_int_equal(announce(stock, i % DEVICES, i, 1, 0), KS_OK);
        fill(stock, i, 1, 0);
        assert_int_equal(spend(stock, i % DEVICES, i, 0), KS_OK);
        assert_int_not_equal(spend(stock, i % DEVICES, i, 0), KS_OK);
    }
    expect_denied(stock, 0, 0, 0, "is not known here");
    expect_denied(stock, (KS_STOCK_KEYS_MAX + 499) % DEVICES, KS_STOCK_KEYS_MAX + 499, 0,
                  "the quantum key is spent");
    ks_stock_free(stock);
}

static void test_devices_max(void **state)
{
    (void)state;
    struct ks_stock *stock = new_stock();
    uint8_t device[KS_STOCK_DEVICE_LEN] = {0};
    struct ks_etsi014_ids ids = {.count = 1};

    for (uint32_t i = 0; i <= KS_STOCK_DEVICES_MAX; i++) {
        device[0] = (uint8_t)i;
        device[1] = (uint8_t)(i >> 8);
        device[2] = 1;
        ids.ids[0] = id_of(i);
        if (i < KS_STOCK_DEVICES_MAX) {
            assert_int_equal(ks_stock_announce(stock, device, &ids, 0), KS_OK);
        } else {
            expect_failure(ks_stock_announce(stock, device, &ids, 0), KS_ERR_LIMIT,
                           "1024 devices have quantum keys here already");
        }
    }
    ks_stock_free(stock);
}

/* --- against a naive model ---------------------------------------------------------------- */

enum model_state { NEVER, WAITS, THERE, GONE };

struct model {
    enum model_state state[MODEL_KEYS];
    unsigned device[MODEL_KEYS];
};

static void model_step(struct ks_stock *stock, struct model *model, uint32_t what,
                       uint32_t number, unsigned device)
{
    enum ks_err err = KS_OK;
    const struct ks_etsi014_ids one = {.count = 1, .ids = {id_of(number)}};
    enum model_state *now = &model->state[number];

    switch (what) {
    case 0:
        err = announce(stock, device, number, 1, 0);
        assert_int_equal(err == KS_OK, *now == NEVER);
        if (err == KS_OK) {
            *now = WAITS;
            model->device[number] = device;
        }
        break;
    case 1:
        fill(stock, number, 1, 0);
        *now = *now == WAITS ? THERE : *now;
        break;
    case 2:
        ks_stock_forget(stock, &one);
        *now = *now == WAITS ? NEVER : *now;
        break;
    default:
        err = spend(stock, device, number, 0);
        assert_int_equal(err == KS_OK, *now == THERE && model->device[number] == device);
        *now = err == KS_OK ? GONE : *now;
        break;
    }
}

static void test_against_a_model(void **state)
{
    (void)state;
    struct ks_stock *stock = new_stock();
    struct model model = {{0}};
    uint64_t seed = 7;
    unsigned left[DEVICES] = {0};

    for (unsigned i = 0; i < STEPS; i++) {
        const uint32_t what = (uint32_t)(next_random(&seed) >> 8) % 4;
        const uint32_t number = (uint32_t)(next_random(&seed) >> 8) % MODEL_KEYS;

        model_step(stock, &model, what, number, (unsigned)(next_random(&seed) >> 8) % DEVICES);
    }
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        left[model.device[i]] += model.state[i] == THERE ? 1 : 0;
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        assert_int_equal(ks_stock_left(stock, edge[i]), left[i]);
    }
    ks_stock_free(stock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_a_key),          cmocka_unit_test(test_limits),
        cmocka_unit_test(test_more_than_it_remembers), cmocka_unit_test(test_devices_max),
        cmocka_unit_test(test_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
