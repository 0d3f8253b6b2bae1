/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_ledger DIRECTORY [SECONDS]: a ledger as ketseald keeps it: 1, 64 and 256 clients append
 * an entry of 300 bytes each, and the next when that one is durable. One commit of the database
 * for all that wait; meanwhile a thread publishes tiles and bundles as files, reads them back
 * and hashes them (server/publish.h), and then a checkpoint is signed with both keys and
 * published. Beside it, taking turns, what the device does under the same conditions: 4 KiB
 * appended to a file and fdatasync; and, with KETSEAL_PEER_LEDGER set to a command, that
 * command with a folder, the clients, the seconds of a turn and the bytes of an entry as
 * arguments, which answers with a line of JSON (bench/peers/tessera).
 *
 *   p50_us, p99_us        from a client's append until it is durable
 *   published_p99_us      until a checkpoint that covers it is there for everybody
 *   peer_…                of the peer: median of the turns
 *
 * Then proofs over the ledger that came of it: making them from memory and from the files, and
 * checking them. One JSON line each. DIRECTORY must not exist; it is left for the caller to
 * remove. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "ledger/checkpoint.h"
#include "ledger/tiles.h"
#include "server/publish.h"

#define SECONDS_DEFAULT 3
#define SECONDS_MAX     600
#define ENTRY_LEN       300
#define BLOCK_LEN       4096
#define SYNC_US         500000 /* of plain syncs, before and after each turn */
#define LATENCIES_MAX   4000000
#define CLIENTS_MAX     256
#define PROOFS          2000
#define ORIGIN          "bench.example/ledger"

/* A batch that is durable, and waits for its checkpoint. */
struct waiting {
    uint64_t size; /* of the ledger with it */
    uint64_t asked_us;
};

struct bench {
    const char *directory;
    struct ks_store *store;
    struct ks_store_reader *reader;
    struct ks_publisher publisher;
    int wake;
    struct ks_tile_store tiles;
    struct ks_ledger *ledger;
    struct ks_sign_key *ed25519;
    struct ks_sign_key *mldsa44;
    struct ks_buf note;
    uint64_t signed_size;
    int blocks;
    uint64_t made; /* entries */
    uint64_t *durable_us;
    size_t durable_count;
    uint64_t *published_us;
    size_t published_count;
    struct waiting *waiting;
    size_t waiting_count; /* from published_count on they wait */
    uint64_t checkpoints;
};

struct numbers {
    double rate;
    double p50_us;
    double p99_us;
};

static int ascending(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return (*left > *right) - (*left < *right);
}

static double quantile(uint64_t *values, size_t count, unsigned percent)
{
    qsort(values, count, sizeof values[0], ascending);
    return count == 0 ? 0 : (double)values[count * percent / 100];
}

/* --- the ledger --------------------------------------------------------------------------- */

static enum ks_err commit(struct bench *bench, unsigned clients)
{
    enum ks_err err = KS_OK;
    uint8_t entry[ENTRY_LEN] = {0};
    uint8_t leaves[CLIENTS_MAX][KS_MERKLE_LEN];
    uint64_t index = 0;

    KS_TRY(ks_store_begin(bench->store));
    for (unsigned i = 0; i < clients; i++) {
        bench->made++;
        ks_copy(entry, &bench->made, sizeof bench->made);
        ks_merkle_leaf(KS_BYTES(entry), leaves[i]);
        KS_TRY(ks_store_append(bench->store, KS_BYTES(entry), leaves[i], &index));
    }
    KS_TRY(ks_store_commit(bench->store));
    KS_TRY(ks_ledger_append(bench->ledger, leaves[0], clients, &index));
out:
    ks_store_rollback(bench->store);
    return err;
}

static enum ks_err sign(struct bench *bench)
{
    enum ks_err err = KS_OK;
    const struct ks_head *head = &bench->publisher.checked;
    const struct ks_bytes origin = KS_LITERAL(ORIGIN);
    const struct ks_note_signer signers[] = {
        {origin, KS_NOTE_ED25519, bench->ed25519},
        {origin, KS_NOTE_COSIGNED_MLDSA44, bench->mldsa44},
    };
    struct ks_checkpoint checkpoint = {.origin = origin, .size = head->size};

    ks_copy(checkpoint.root, head->root, sizeof checkpoint.root);
    ks_buf_clear(&bench->note);
    KS_TRY(ks_checkpoint_sign(&checkpoint, signers, 2, ks_clock_us() / 1000000, &bench->note));
    bench->signed_size = head->size;
    KS_TRY(ks_publish_checkpoint(&bench->publisher, ks_buf_view(&bench->note)));
out:
    return err;
}

/* What the server does between two commits: files, then their checkpoint, then the next files.
 */
static enum ks_err advance(struct bench *bench)
{
    enum ks_err err = KS_OK;
    enum ks_publish_work work = KS_PUBLISH_IDLE;

    KS_TRY(ks_publish_take(&bench->publisher, &work));
    if (work == KS_PUBLISH_FILES) {
        KS_TRY(sign(bench));
    } else if (work == KS_PUBLISH_CHECKPOINT) {
        const uint64_t now_us = ks_clock_monotonic_us();

        bench->checkpoints++;
        while (bench->published_count < bench->waiting_count &&
               bench->waiting[bench->published_count].size <= bench->signed_size) {
            bench->published_us[bench->published_count] =
                now_us - bench->waiting[bench->published_count].asked_us;
            bench->published_count++;
        }
    }
    if (!ks_publish_busy(&bench->publisher) && bench->published_count < bench->waiting_count) {
        KS_TRY(ks_publish_grow(&bench->publisher, bench->ledger));
    }
out:
    return err;
}

/* Every client appends again as soon as it is told. The turn ends when all is published. */
static enum ks_err append_turn(struct bench *bench, unsigned clients, uint64_t seconds,
                               uint64_t *out_spent_us)
{
    enum ks_err err = KS_OK;
    const uint64_t start_us = ks_clock_monotonic_us();
    uint64_t asked_us = start_us;
    uint64_t now_us = start_us;

    while (now_us - start_us < seconds * 1000000 && bench->waiting_count < LATENCIES_MAX) {
        KS_TRY(commit(bench, clients));
        now_us = ks_clock_monotonic_us();
        bench->durable_us[bench->durable_count++] = now_us - asked_us;
        bench->waiting[bench->waiting_count++] =
            (struct waiting){ks_ledger_head(bench->ledger)->size, asked_us};
        asked_us = now_us;
        KS_TRY(advance(bench));
    }
    *out_spent_us += now_us - start_us;
    while (bench->published_count < bench->waiting_count) {
        uint64_t count = 0;

        KS_TRY(advance(bench));
        KS_TRY(bench->published_count < bench->waiting_count
                   ? ks_fd_read(bench->wake, &count, sizeof count, "eventfd")
                   : KS_OK);
    }
out:
    return err;
}

/* --- beside it ---------------------------------------------------------------------------- */

static enum ks_err sync_turn(struct bench *bench, uint64_t *operations, uint64_t *spent_us)
{
    static const uint8_t block[BLOCK_LEN];
    enum ks_err err = KS_OK;
    const uint64_t start_us = ks_clock_monotonic_us();
    uint64_t now_us = start_us;

    while (now_us - start_us < SYNC_US) {
        KS_TRY(ks_fd_write(bench->blocks, KS_BYTES(block), "blocks"));
        KS_CHECK(fdatasync(bench->blocks) == 0, KS_ERR_IO, "fdatasync");
        now_us = ks_clock_monotonic_us();
        (*operations)++;
    }
    *spent_us += now_us - start_us;
out:
    return err;
}

/* One turn of the peer; zeros without one. */
static enum ks_err peer_turn(const struct bench *bench, unsigned clients, uint64_t seconds,
                             unsigned turn, struct numbers *out)
{
    static const struct ks_json_limits limits = {.len_max = 4096, .nodes_max = 16};
    enum ks_err err = KS_OK;
    const char *peer = getenv("KETSEAL_PEER_LEDGER");
    struct ks_json_doc *doc = NULL;
    char command[8192];
    char line[4096] = "";
    FILE *answer = NULL;
    uint64_t rate = 0;
    uint64_t p50_us = 0;
    uint64_t p99_us = 0;

    *out = (struct numbers){0};
    if (peer == NULL) {
        return KS_OK;
    }
    (void)snprintf(command, sizeof command, "%s %s/peer-%u-%u %u %llu %d 2>/dev/null", peer,
                   bench->directory, clients, turn, clients, (unsigned long long)seconds,
                   ENTRY_LEN);
    answer = popen(command, "r");
    KS_CHECK(answer != NULL && fgets(line, sizeof line, answer) != NULL, KS_ERR_IO,
             "the peer does not answer");
    KS_TRY(ks_json_parse(ks_bytes_of(line, strcspn(line, "\n")), &limits, &doc));
    KS_TRY(ks_json_get_u64(ks_json_root(doc), "entries_per_s", UINT32_MAX, &rate));
    KS_TRY(ks_json_get_u64(ks_json_root(doc), "p50_us", UINT32_MAX, &p50_us));
    KS_TRY(ks_json_get_u64(ks_json_root(doc), "p99_us", UINT32_MAX, &p99_us));
    *out = (struct numbers){(double)rate, (double)p50_us, (double)p99_us};
out:
    ks_json_doc_free(doc);
    if (answer != NULL) {
        (void)pclose(answer);
    }
    return err;
}

#define TURNS 3

static double median(double a, double b, double c)
{
    const double low = a < b ? a : b;
    const double high = a < b ? b : a;

    return c < low ? low : c > high ? high : c;
}

static enum ks_err measure(struct bench *bench, unsigned clients, uint64_t seconds)
{
    enum ks_err err = KS_OK;
    struct numbers peer[TURNS];
    uint64_t spent_us = 0;
    uint64_t syncs = 0;
    uint64_t sync_us = 0;

    bench->durable_count = 0;
    bench->published_count = 0;
    bench->waiting_count = 0;
    bench->checkpoints = 0;
    for (unsigned i = 0; i < TURNS; i++) {
        KS_TRY(sync_turn(bench, &syncs, &sync_us));
        KS_TRY(append_turn(bench, clients, seconds, &spent_us));
        KS_TRY(sync_turn(bench, &syncs, &sync_us));
        KS_TRY(peer_turn(bench, clients, seconds, i, &peer[i]));
    }
    (void)printf("{\"bench\":\"ledger.append\",\"clients\":%u,\"entry_bytes\":%d,"
                 "\"entries_per_s\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,"
                 "\"published_p99_us\":%.0f,\"checkpoints_per_s\":%.1f,"
                 "\"fdatasync_per_s\":%.0f",
                 clients, ENTRY_LEN,
                 (double)bench->durable_count * clients * 1e6 / (double)spent_us,
                 quantile(bench->durable_us, bench->durable_count, 50),
                 quantile(bench->durable_us, bench->durable_count, 99),
                 quantile(bench->published_us, bench->published_count, 99),
                 (double)bench->checkpoints * 1e6 / (double)spent_us,
                 (double)syncs * 1e6 / (double)sync_us);
    if (peer[0].rate > 0) {
        (void)printf(",\"peer_entries_per_s\":%.0f,\"peer_p50_us\":%.0f,\"peer_p99_us\":%.0f",
                     median(peer[0].rate, peer[1].rate, peer[2].rate),
                     median(peer[0].p50_us, peer[1].p50_us, peer[2].p50_us),
                     median(peer[0].p99_us, peer[1].p99_us, peer[2].p99_us));
    }
    (void)printf("}\n");
    (void)fflush(stdout);
out:
    return err;
}

/* --- proofs ------------------------------------------------------------------------------- */

struct proof_times {
    uint64_t make_us;
    uint64_t check_us;
};

static enum ks_err prove(struct ks_ledger *ledger, uint64_t index, bool consistency,
                         struct proof_times *times)
{
    enum ks_err err = KS_OK;
    const struct ks_head head = *ks_ledger_head(ledger);
    struct ks_merkle_proof proof;
    uint8_t other[KS_MERKLE_LEN];
    uint64_t start_us = ks_clock_monotonic_us();

    if (consistency) {
        KS_TRY(ks_ledger_prove_consistency(ledger, index + 1, head.size, &proof));
    } else {
        KS_TRY(ks_ledger_prove_inclusion(ledger, index, head.size, &proof));
    }
    times->make_us += ks_clock_monotonic_us() - start_us;
    if (consistency) {
        KS_TRY(ks_ledger_root(ledger, index + 1, other));
    } else {
        uint8_t hashes[KS_TILE_WIDTH * KS_MERKLE_LEN];
        const uint64_t place = index % KS_TILE_WIDTH;

        KS_TRY(ks_ledger_tile(ledger, 0, index / KS_TILE_WIDTH, (unsigned)place + 1, hashes));
        ks_copy(other, hashes + place * KS_MERKLE_LEN, sizeof other);
    }
    start_us = ks_clock_monotonic_us();
    for (unsigned i = 0; i < 10; i++) { /* one is below the clock's step */
        KS_TRY(consistency ? ks_merkle_check_consistency(index + 1, other, head.size, head.root,
                                                         proof.hashes[0], proof.count)
                           : ks_merkle_check_inclusion(index, head.size, other, proof.hashes[0],
                                                       proof.count, head.root));
    }
    times->check_us += ks_clock_monotonic_us() - start_us;
out:
    return err;
}

static enum ks_err measure_proofs(struct ks_ledger *ledger, const char *from, bool consistency)
{
    enum ks_err err = KS_OK;
    const uint64_t size = ks_ledger_head(ledger)->size;
    struct proof_times times = {0};
    uint64_t index = 0;

    for (unsigned i = 0; i < PROOFS; i++) {
        index = (index + UINT64_C(7046029254386353131)) % size; /* all over the ledger */
        KS_TRY(prove(ledger, index, consistency, &times));
    }
    (void)printf("{\"bench\":\"ledger.proof\",\"kind\":\"%s\",\"from\":\"%s\",\"size\":%llu,"
                 "\"make_us\":%.2f,\"check_us\":%.2f}\n",
                 consistency ? "consistency" : "inclusion", from, (unsigned long long)size,
                 (double)times.make_us / PROOFS, (double)times.check_us / PROOFS / 10);
out:
    return err;
}

static enum ks_err measure_checkpoint(struct bench *bench)
{
    enum ks_err err = KS_OK;
    struct ks_note_key *keys[2] = {NULL, NULL};
    const struct ks_note_trust trust = {.keys = (const struct ks_note_key *const *)keys,
                                        .count = 2};
    const struct ks_bytes origin = KS_LITERAL(ORIGIN);
    const struct ks_note_signer signers[] = {
        {origin, KS_NOTE_ED25519, bench->ed25519},
        {origin, KS_NOTE_COSIGNED_MLDSA44, bench->mldsa44},
    };
    struct ks_checkpoint_opened opened;
    struct ks_buf vkey;
    uint64_t start_us = 0;

    ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
    for (size_t i = 0; i < 2; i++) {
        ks_buf_clear(&vkey);
        KS_TRY(ks_note_signer_vkey(&signers[i], &vkey));
        KS_TRY(ks_note_key_parse(ks_buf_view(&vkey), &keys[i]));
    }
    start_us = ks_clock_monotonic_us();
    for (unsigned i = 0; i < 200; i++) {
        KS_TRY(ks_checkpoint_open(ks_buf_view(&bench->note), origin, &trust, &opened));
    }
    (void)printf("{\"bench\":\"ledger.checkpoint\",\"bytes\":%zu,\"open_us\":%.1f}\n",
                 bench->note.len, (double)(ks_clock_monotonic_us() - start_us) / 200);
out:
    ks_note_key_free(keys[0]);
    ks_note_key_free(keys[1]);
    ks_buf_done(&vkey);
    return err;
}

static enum ks_err measure_all_proofs(struct bench *bench)
{
    enum ks_err err = KS_OK;
    const struct ks_head head = *ks_ledger_head(bench->ledger);
    const struct ks_tree_source source = ks_tree_source_of(bench->publisher.served);
    struct ks_tree_tiles tiles;
    struct ks_tile_store store;
    struct ks_ledger *files = NULL;

    ks_tree_tiles_init(&tiles, &source, head.size, &store);
    KS_TRY(ks_ledger_open(&store, &head, &files));
    for (unsigned i = 0; i < 2; i++) {
        KS_TRY(measure_proofs(bench->ledger, "memory", i == 1));
        KS_TRY(measure_proofs(files, "files", i == 1));
    }
    KS_TRY(measure_checkpoint(bench));
out:
    ks_ledger_close(files);
    ks_tree_tiles_done(&tiles);
    return err;
}

/* --- all of it ---------------------------------------------------------------------------- */

static enum ks_err open_bench(struct bench *bench)
{
    enum ks_err err = KS_OK;
    const struct ks_store_options options = {.version = 1, .directory = bench->directory};
    const uint8_t seed[32] = {1};
    char path[KS_PATH_MAX];

    struct ks_head empty;

    ks_head_empty(&empty);
    bench->durable_us = ks_calloc(LATENCIES_MAX, sizeof *bench->durable_us);
    bench->published_us = ks_calloc(LATENCIES_MAX, sizeof *bench->published_us);
    bench->waiting = ks_calloc(LATENCIES_MAX, sizeof *bench->waiting);
    KS_CHECK(bench->durable_us != NULL && bench->published_us != NULL && bench->waiting != NULL,
             KS_ERR_NOMEM, "latencies");
    bench->wake = eventfd(0, EFD_CLOEXEC);
    KS_CHECK(bench->wake >= 0, KS_ERR_IO, "eventfd");
    KS_TRY(ks_store_open(&options, &bench->store));
    KS_TRY(ks_store_reader_new(&options, &bench->reader));
    KS_TRY(ks_publish_open(bench->directory, &options, bench->reader, bench->wake,
                           &bench->publisher));
    KS_TRY(ks_publish_start(&bench->publisher));
    KS_TRY(ks_path_join(bench->directory, "blocks", path));
    bench->blocks = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    KS_CHECK(bench->blocks >= 0, KS_ERR_IO, "create %s", path);
    KS_TRY(ks_tiles_memory_new(&bench->tiles));
    KS_TRY(ks_ledger_open(&bench->tiles, &empty, &bench->ledger));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seed), &bench->ed25519));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA44, KS_BYTES(seed), &bench->mldsa44));
out:
    return err;
}

static enum ks_err run(const char *directory, uint64_t seconds)
{
    enum ks_err err = KS_OK;
    static const unsigned clients[] = {1, 64, 256};
    struct bench bench = {.directory = directory, .blocks = -1, .wake = -1};

    ks_buf_init(&bench.note, KS_NOTE_LEN_MAX);
    KS_CHECK(access(directory, F_OK) != 0, KS_ERR_CONFLICT, "%s is there already", directory);
    KS_TRY(open_bench(&bench));
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        KS_TRY(measure(&bench, clients[i], seconds));
    }
    KS_TRY(measure_all_proofs(&bench));
out:
    ks_fd_close(&bench.blocks);
    ks_publish_close(&bench.publisher);
    ks_fd_close(&bench.wake);
    ks_ledger_close(bench.ledger);
    ks_tiles_memory_free(&bench.tiles);
    ks_store_reader_free(bench.reader);
    ks_store_close(bench.store);
    ks_sign_key_free(bench.ed25519);
    ks_sign_key_free(bench.mldsa44);
    ks_buf_done(&bench.note);
    ks_free(bench.durable_us);
    ks_free(bench.published_us);
    ks_free(bench.waiting);
    return err;
}

int main(int argc, char **argv)
{
    uint64_t seconds = SECONDS_DEFAULT;

    if (argc < 2 || argc > 3 ||
        (argc == 3 && ks_text_u64(ks_bytes_text(argv[2]), SECONDS_MAX, &seconds) != KS_OK)) {
        (void)fprintf(stderr, "usage: bench_ledger DIRECTORY [SECONDS]\n");
        return 2;
    }
    enum ks_err err = run(argv[1], seconds);
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_ledger: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
