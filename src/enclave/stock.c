/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/stock.h"

#define HEADS         8192 /* of the chains of names; a power of two */
#define NONE          UINT32_MAX
#define SWEEP_EVERY   1000000 /* microseconds */
#define ID_SHOWN_SIZE (KS_ETSI014_ID_TEXT_LEN + 1)

enum state { FREE = 0, WAITING, HELD, USED, EXPIRED };

struct entry {
    enum state state;
    uint32_t next; /* of the same chain */
    uint32_t owner;
    struct ks_etsi014_id id;
    uint64_t until_us; /* HELD: of the key; USED, EXPIRED: of the name */
    uint8_t key[KS_ONE_TIME_KEY_LEN];
};

/* A device. It keeps its place while any name of its is remembered. */
struct owner {
    uint32_t names; /* 0: free */
    uint32_t open;  /* WAITING or HELD */
    uint32_t held;
    uint8_t device[KS_STOCK_DEVICE_LEN];
};

struct ks_stock {
    struct ks_stock_rules rules;
    struct entry *entries; /* KS_STOCK_KEYS_MAX */
    uint32_t heads[HEADS];
    struct owner owners[KS_STOCK_DEVICES_MAX];
    uint32_t cursor; /* where the search for a free entry goes on */
    uint64_t sweep_us;
};

enum ks_err ks_stock_new(const struct ks_stock_rules *rules, struct ks_stock **out_stock)
{
    enum ks_err err = KS_OK;
    struct ks_stock *stock = ks_calloc(1, sizeof *stock);

    KS_CHECK(stock != NULL, KS_ERR_NOMEM, "stock of keys");
    stock->entries = ks_calloc(KS_STOCK_KEYS_MAX, sizeof *stock->entries);
    KS_CHECK(stock->entries != NULL, KS_ERR_NOMEM, "stock of keys");
    stock->rules = *rules;
    for (size_t i = 0; i < HEADS; i++) {
        stock->heads[i] = NONE;
    }
    *out_stock = stock;
    stock = NULL; /* transferred */
out:
    ks_stock_free(stock);
    return err;
}

void ks_stock_free(struct ks_stock *stock)
{
    if (stock != NULL) {
        if (stock->entries != NULL) {
            ks_wipe(stock->entries, KS_STOCK_KEYS_MAX * sizeof *stock->entries);
        }
        ks_free(stock->entries);
        ks_free(stock);
    }
}

/* --- names -------------------------------------------------------------------------------- */

/* A UUID is random where it is not chosen; who chooses them slows down a chain of his own keys.
 */
static uint32_t *head_of(struct ks_stock *stock, const struct ks_etsi014_id *id)
{
    uint32_t sum = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < sizeof id->bytes; i++) {
        sum = (sum ^ id->bytes[i]) * 16777619U;
    }
    return &stock->heads[sum & (HEADS - 1)];
}

static struct entry *find(struct ks_stock *stock, const struct ks_etsi014_id *id)
{
    for (uint32_t at = *head_of(stock, id); at != NONE; at = stock->entries[at].next) {
        if (ks_etsi014_id_equal(&stock->entries[at].id, id)) {
            return &stock->entries[at];
        }
    }
    return NULL;
}

static void remove_entry(struct ks_stock *stock, struct entry *entry)
{
    uint32_t index = (uint32_t)(entry - stock->entries);
    uint32_t *link = head_of(stock, &entry->id);

    while (*link != index) {
        link = &stock->entries[*link].next;
    }
    *link = entry->next;
    stock->owners[entry->owner].names--;
    *entry = (struct entry){.state = FREE};
}

/* Nothing of the key remains. */
static void close_entry(struct ks_stock *stock, struct entry *entry, enum state state,
                        uint64_t now_us)
{
    struct owner *owner = &stock->owners[entry->owner];

    owner->open--;
    owner->held -= entry->state == HELD ? 1 : 0;
    ks_wipe(entry->key, sizeof entry->key);
    entry->state = state;
    entry->until_us = now_us + stock->rules.life_us;
}

static void sweep(struct ks_stock *stock, uint64_t now_us)
{
    if (now_us < stock->sweep_us) {
        return;
    }
    stock->sweep_us = now_us + SWEEP_EVERY;
    for (size_t i = 0; i < KS_STOCK_KEYS_MAX; i++) {
        struct entry *entry = &stock->entries[i];

        if (entry->state == HELD && now_us >= entry->until_us) {
            close_entry(stock, entry, EXPIRED, now_us);
        } else if (entry->state >= USED && now_us >= entry->until_us) {
            remove_entry(stock, entry);
        }
    }
}

/* A free entry, or the place of a name whose key is gone, the one that was looked at longest
 * ago; NULL when all are in use. */
static struct entry *take_entry(struct ks_stock *stock)
{
    for (size_t i = 0; i < KS_STOCK_KEYS_MAX; i++) {
        struct entry *entry = &stock->entries[stock->cursor];

        stock->cursor = (stock->cursor + 1) % KS_STOCK_KEYS_MAX;
        if (entry->state >= USED) {
            remove_entry(stock, entry);
        }
        if (entry->state == FREE) {
            return entry;
        }
    }
    return NULL;
}

/* The owner that is DEVICE, or NULL. */
static const struct owner *find_owner(const struct ks_stock *stock,
                                      const uint8_t device[KS_STOCK_DEVICE_LEN])
{
    for (size_t i = 0; i < KS_STOCK_DEVICES_MAX; i++) {
        const struct owner *owner = &stock->owners[i];

        if (owner->names > 0 && ks_bytes_equal(KS_BYTES(owner->device),
                                               ks_bytes_of(device, sizeof owner->device))) {
            return owner;
        }
    }
    return NULL;
}

/* The same, made where there is none; NULL when all places are taken. */
static struct owner *take_owner(struct ks_stock *stock,
                                const uint8_t device[KS_STOCK_DEVICE_LEN])
{
    const struct owner *known = find_owner(stock, device);

    if (known != NULL) {
        return &stock->owners[known - stock->owners];
    }
    for (size_t i = 0; i < KS_STOCK_DEVICES_MAX; i++) {
        struct owner *owner = &stock->owners[i];

        if (owner->names == 0) {
            *owner = (struct owner){0};
            ks_copy(owner->device, device, sizeof owner->device);
            return owner;
        }
    }
    return NULL;
}

static void add(struct ks_stock *stock, struct entry *entry, struct owner *owner,
                const struct ks_etsi014_id *id)
{
    uint32_t *head = head_of(stock, id);

    *entry = (struct entry){
        .state = WAITING, .next = *head, .owner = (uint32_t)(owner - stock->owners), .id = *id};
    *head = (uint32_t)(entry - stock->entries);
    owner->names++;
    owner->open++;
}

/* --- what others call --------------------------------------------------------------------- */

void ks_stock_forget(struct ks_stock *stock, const struct ks_etsi014_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        struct entry *entry = find(stock, &ids->ids[i]);

        if (entry != NULL && entry->state == WAITING) {
            stock->owners[entry->owner].open--;
            remove_entry(stock, entry);
        }
    }
}

enum ks_err ks_stock_announce(struct ks_stock *stock, const uint8_t device[KS_STOCK_DEVICE_LEN],
                              const struct ks_etsi014_ids *ids, uint64_t now_us)
{
    enum ks_err err = KS_OK;
    struct owner *owner = NULL;
    struct ks_etsi014_ids done = {0};
    char text[ID_SHOWN_SIZE];

    sweep(stock, now_us);
    for (size_t i = 0; i < ids->count; i++) {
        ks_etsi014_id_text(&ids->ids[i], text);
        KS_CHECK(find(stock, &ids->ids[i]) == NULL, KS_ERR_CONFLICT,
                 "key_ID %s was announced before", text);
    }
    owner = take_owner(stock, device);
    KS_CHECK(owner != NULL, KS_ERR_LIMIT, "%d devices have quantum keys here already",
             KS_STOCK_DEVICES_MAX);
    KS_CHECK(ids->count <= stock->rules.device_max &&
                 owner->open <= stock->rules.device_max - ids->count,
             KS_ERR_LIMIT, "%u quantum keys are here for this device, of at most %u",
             (unsigned)owner->open, (unsigned)stock->rules.device_max);
    for (size_t i = 0; i < ids->count; i++) {
        struct entry *entry = take_entry(stock);

        KS_CHECK(entry != NULL, KS_ERR_LIMIT, "%d quantum keys are here already",
                 KS_STOCK_KEYS_MAX);
        add(stock, entry, owner, &ids->ids[i]);
        done.ids[done.count++] = ids->ids[i];
    }
    done.count = 0; /* kept */
out:
    ks_stock_forget(stock, &done);
    return err;
}

void ks_stock_fill(struct ks_stock *stock, const struct ks_etsi014_key *keys, size_t count,
                   uint64_t now_us)
{
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = find(stock, &keys[i].id);

        KS_ASSERT(keys[i].len == KS_ONE_TIME_KEY_LEN);
        if (entry != NULL && entry->state == WAITING) {
            entry->state = HELD;
            entry->until_us = now_us + stock->rules.life_us;
            ks_copy(entry->key, keys[i].data, sizeof entry->key);
            stock->owners[entry->owner].held++;
        }
    }
}

static enum ks_err find_held(struct ks_stock *stock, const struct ks_etsi014_id *id,
                             const uint8_t device[KS_STOCK_DEVICE_LEN], uint64_t now_us,
                             struct entry **out_entry)
{
    enum ks_err err = KS_OK;
    struct entry *entry = NULL;

    sweep(stock, now_us);
    entry = find(stock, id);
    KS_CHECK(entry != NULL, KS_ERR_DENIED,
             "the quantum key is not known here: it was not announced since the site started");
    KS_CHECK(ks_bytes_equal(KS_BYTES(stock->owners[entry->owner].device),
                            ks_bytes_of(device, KS_STOCK_DEVICE_LEN)),
             KS_ERR_DENIED, "the quantum key was announced by another device");
    KS_CHECK(entry->state != WAITING, KS_ERR_DENIED,
             "the site's key manager has not delivered the quantum key yet");
    KS_CHECK(entry->state != USED, KS_ERR_DENIED, "the quantum key is spent");
    if (entry->state == HELD && now_us >= entry->until_us) {
        close_entry(stock, entry, EXPIRED, now_us);
    }
    KS_CHECK(entry->state == HELD, KS_ERR_DENIED, "the quantum key has expired");
    *out_entry = entry;
out:
    return err;
}

enum ks_err ks_stock_key(struct ks_stock *stock, const struct ks_etsi014_id *id,
                         const uint8_t device[KS_STOCK_DEVICE_LEN], uint64_t now_us,
                         uint8_t out_key[KS_ONE_TIME_KEY_LEN])
{
    enum ks_err err = KS_OK;
    struct entry *entry = NULL;

    KS_TRY(find_held(stock, id, device, now_us, &entry));
    ks_copy(out_key, entry->key, sizeof entry->key);
out:
    return err;
}

enum ks_err ks_stock_spend(struct ks_stock *stock, const struct ks_etsi014_id *id,
                           const uint8_t device[KS_STOCK_DEVICE_LEN], uint64_t now_us)
{
    enum ks_err err = KS_OK;
    struct entry *entry = NULL;

    KS_TRY(find_held(stock, id, device, now_us, &entry));
    close_entry(stock, entry, USED, now_us);
out:
    return err;
}

uint32_t ks_stock_left(const struct ks_stock *stock, const uint8_t device[KS_STOCK_DEVICE_LEN])
{
    const struct owner *owner = find_owner(stock, device);

    return owner == NULL ? 0 : owner->held;
}
