/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-worker-fl, as the enclave sees it: a round of two updates whose model is the weighted
 * mean by hand, a checkpoint from which another worker goes on, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/tensors.h"
#include "crypto/digest.h"
#include "enclave/fl_work.h"
#include "enclave/frame.h"
#include "fl/model.h"
#include "fl/state.h"

#define PARAMS     5
#define CLIENTS    5
#define MEMORY_MAX "1073741824"

static const char *program;

static const float parent_values[PARAMS] = {1, 2, 3, 4, 5};
static const float changes[CLIENTS][PARAMS] = {{1, 0, -1, 0.5f, 2},
                                               {-2, 3, 0, 0.25f, 8},
                                               {-1, 2.5f, 0.125f, 0, 7},
                                               {-1.5f, 3, 0.25f, 0.5f, 7.5f},
                                               {60, -60, 60, -60, 60}};
static const uint32_t samples[CLIENTS] = {100, 300, 7, 50, 1000};
static const char *const clients[CLIENTS] = {"edge_01", "edge_02", "edge_03", "edge_04",
                                             "edge_05"};

struct worker {
    pid_t pid;
    struct ks_channel channel;
    uint32_t id;
};

struct scene {
    struct worker worker;
    struct ks_fl_work_begin begin;
    struct ks_buf parent;
    struct ks_fl_model model;
    int checkpoints[2];
    int result;
    int next; /* what the rules remember */
};

static void start(struct worker *worker)
{
    int ends[2];
    char name[] = "ketseal-worker-fl";
    char threads[] = "2";
    char memory[] = MEMORY_MAX;
    char *argv[] = {name, threads, memory, NULL};

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    worker->pid = fork();
    assert_true(worker->pid >= 0);
    if (worker->pid == 0) {
        if (ends[1] != 3 && dup2(ends[1], 3) != 3) {
            _exit(70);
        }
        if (ends[1] == 3 && fcntl(3, F_SETFD, 0) != 0) {
            _exit(70);
        }
        (void)execv(program, argv);
        _exit(70);
    }
    (void)close(ends[1]);
    ks_channel_init(&worker->channel, ends[0], "worker");
    worker->id = 0;
}

/* Its exit status, once it has nobody to speak to; -1 where a signal ended it. */
static int stop(struct worker *worker)
{
    int status = 0;

    ks_channel_done(&worker->channel);
    assert_int_equal(waitpid(worker->pid, &status, 0), worker->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int memory_file(struct ks_bytes bytes)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ks_fd_write(fd, bytes, "test"), KS_OK);
    return fd;
}

static void contents(int fd, struct ks_buf *out)
{
    const off_t len = lseek(fd, 0, SEEK_END);
    uint8_t *room = ks_buf_reserve(out, (size_t)len);

    assert_non_null(room);
    assert_int_equal(pread(fd, room, (size_t)len, 0), len);
    ks_buf_grew(out, (size_t)len);
}

static void send_file(struct worker *worker, enum ks_fl_file file, int fd)
{
    const struct ks_fl_work_file work = {file, (uint64_t)lseek(fd, 0, SEEK_END)};
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    ks_fl_work_file_put(&work, &payload);
    assert_int_equal(
        ks_channel_send_fd(&worker->channel, KS_FRAME_FL_FILE, 0, ks_buf_view(&payload), fd),
        KS_OK);
    ks_buf_done(&payload);
}

/* OUT_READER borrows from the channel. */
static enum ks_err ask(struct worker *worker, uint16_t type, struct ks_bytes payload,
                       struct ks_reader *out_reader)
{
    struct ks_frame frame;
    const size_t begin = ks_frame_begin(&worker->channel.out, type, ++worker->id);

    ks_buf_put(&worker->channel.out, payload);
    ks_frame_end(&worker->channel.out, begin);
    assert_int_equal(ks_channel_flush(&worker->channel), KS_OK);
    assert_int_equal(ks_channel_receive(&worker->channel, &frame), KS_OK);
    assert_int_equal(frame.type, type | KS_FRAME_ANSWER);
    assert_int_equal(frame.id, worker->id);
    return ks_answer_open(&frame, out_reader);
}

static enum ks_err begin_round(struct scene *scene, struct ks_fl_work_begun *out_begun)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    struct ks_buf payload;
    int fd = memory_file(ks_buf_view(&scene->parent));

    ks_buf_init(&payload, 4096);
    send_file(&scene->worker, KS_FL_FILE_PARENT, fd);
    (void)close(fd);
    ks_fl_work_begin_put(&scene->begin, &payload);
    err = ask(&scene->worker, KS_FRAME_FL_BEGIN, ks_buf_view(&payload), &reader);
    if (err == KS_OK) {
        assert_int_equal(ks_fl_work_begun_read(&reader, out_begun), KS_OK);
    }
    ks_buf_done(&payload);
    return err;
}

/* What client INDEX sends; FRESH changes the update, or is NULL. */
static enum ks_err send_update(struct scene *scene, size_t index,
                               void (*fresh)(struct ks_fl_update *update),
                               struct ks_fl_work_added *out_added)
{
    static const uint8_t key[KS_AEAD_KEY_LEN] = {7};
    static const uint8_t ciphertext[KS_KEM_CIPHERTEXT_LEN] = {8};
    const struct ks_fl_encode encode = {.encoding = KS_FL_F32};
    struct ks_fl_work_update work = {.client = ks_bytes_text(clients[index]),
                                     .place = (uint32_t)index,
                                     .samples = samples[index],
                                     .encoding = KS_FL_F32};
    struct ks_fl_update update = {
        .subject = scene->begin.subject, .samples = samples[index], .encoding = KS_FL_F32};
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    struct ks_buf payload;
    struct ks_buf plain;
    struct ks_buf sealed;
    int fd = -1;

    ks_buf_init(&payload, 4096);
    ks_buf_init(&plain, 4096);
    ks_buf_init(&sealed, 4096);
    assert_int_equal(ks_fl_encode(&encode, changes[index], PARAMS, &payload), KS_OK);
    update.payload = ks_buf_view(&payload);
    if (fresh != NULL) {
        fresh(&update);
    }
    ks_fl_update_write(&update, &plain);
    assert_int_equal(ks_fl_seal(key, ciphertext, ks_buf_view(&plain), &sealed), KS_OK);
    ks_copy(work.key, key, sizeof work.key);
    ks_sha256(ks_buf_view(&sealed), work.sealed);
    fd = memory_file(ks_buf_view(&sealed));
    send_file(&scene->worker, KS_FL_FILE_UPDATE, fd);
    (void)close(fd);
    ks_buf_clear(&payload);
    ks_fl_work_update_put(&work, &payload);
    err = ask(&scene->worker, KS_FRAME_FL_UPDATE, ks_buf_view(&payload), &reader);
    if (err == KS_OK) {
        uint8_t digest[32];

        assert_int_equal(ks_fl_work_added_read(&reader, out_added), KS_OK);
        ks_sha256(ks_buf_view(&plain), digest);
        assert_memory_equal(out_added->update, digest, sizeof digest);
    }
    ks_buf_done(&payload);
    ks_buf_done(&plain);
    ks_buf_done(&sealed);
    return err;
}

static enum ks_err write_checkpoint(struct scene *scene, enum ks_fl_file file,
                                    struct ks_fl_work_written *out_written)
{
    const struct ks_fl_work_checkpoint work = {file, {(uint8_t)(9 + file)}};
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    ks_fl_work_checkpoint_put(&work, &payload);
    send_file(&scene->worker, file, scene->checkpoints[file - KS_FL_FILE_FIRST]);
    err = ask(&scene->worker, KS_FRAME_FL_CHECKPOINT, ks_buf_view(&payload), &reader);
    if (err == KS_OK) {
        assert_int_equal(ks_fl_work_written_read(&reader, out_written), KS_OK);
    }
    ks_buf_done(&payload);
    return err;
}

static enum ks_err finish_scored(struct scene *scene, struct ks_fl_work_finished *out_finished)
{
    const struct ks_fl_work_finish work = {.nonce = {77}};
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    ks_fl_work_finish_put(&work, &payload);
    send_file(&scene->worker, KS_FL_FILE_MODEL, scene->result);
    send_file(&scene->worker, KS_FL_FILE_NEXT, scene->next);
    err = ask(&scene->worker, KS_FRAME_FL_FINISH, ks_buf_view(&payload), &reader);
    if (err == KS_OK) {
        assert_int_equal(ks_fl_work_finished_read(&reader, CLIENTS, out_finished), KS_OK);
    }
    ks_buf_done(&payload);
    return err;
}

/* Of one sum, which scores nobody. */
static enum ks_err finish(struct scene *scene, struct ks_fl_work_written *out_written)
{
    struct ks_fl_work_finished finished = {.count = 1};
    const enum ks_err err = finish_scored(scene, &finished);

    if (err == KS_OK) {
        static const uint8_t zeros[32] = {0};

        assert_int_equal(finished.count, 0);
        assert_memory_equal(finished.state, zeros, sizeof zeros); /* FedAvg */
        *out_written = finished.model;
    }
    return err;
}

static int set_scene(void **state)
{
    static struct scene scene;
    const struct ks_tensor tensor = {.name = KS_LITERAL("w"),
                                     .dtype = KS_DTYPE_F32,
                                     .dims = 1,
                                     .shape = {PARAMS},
                                     .data = ks_tensor_data(parent_values, PARAMS)};

    scene = (struct scene){
        .checkpoints = {memory_file(KS_LITERAL("")), memory_file(KS_LITERAL(""))},
        .result = memory_file(KS_LITERAL("longer than nothing")),
        .next = memory_file(KS_LITERAL(""))};
    ks_buf_init(&scene.parent, 4096);
    ks_tensors_write(&tensor, 1, NULL, 0, &scene.parent);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&scene.parent), PARAMS, &scene.model), KS_OK);
    scene.begin =
        (struct ks_fl_work_begin){.subject = {.session = {1}, .round = 3, .params = PARAMS},
                                  .members_max = 2,
                                  .clients = 2,
                                  .server = ks_fl_server_defaults(KS_FL_FEDAVG, PARAMS),
                                  .checkpoint_key = {5}};
    memcpy(scene.begin.subject.parent, scene.model.hash, 32);
    memcpy(scene.begin.subject.shape, scene.model.shape, 32);
    start(&scene.worker);
    *state = &scene;
    return 0;
}

static int clear_scene(void **state)
{
    struct scene *scene = *state;

    assert_int_equal(stop(&scene->worker), 0);
    ks_buf_done(&scene->parent);
    (void)close(scene->checkpoints[0]);
    (void)close(scene->checkpoints[1]);
    (void)close(scene->result);
    (void)close(scene->next);
    return 0;
}

/* parent + (100 a + 300 b) / 400, to the bit: the numbers are such that nothing is rounded. */
static void assert_mean(struct scene *scene, const struct ks_fl_work_written *written)
{
    struct ks_fl_model model;
    struct ks_buf file;
    float values[PARAMS];

    ks_buf_init(&file, 4096);
    contents(scene->result, &file);
    assert_int_equal(file.len, written->length);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), PARAMS, &model), KS_OK);
    assert_memory_equal(model.hash, written->hash, 32);
    assert_memory_equal(model.shape, scene->model.shape, 32);
    ks_fl_model_values(&model, values);
    for (size_t i = 0; i < PARAMS; i++) {
        const float want = parent_values[i] + (changes[0][i] + 3 * changes[1][i]) / 4;

        assert_true(values[i] == want);
    }
    assert_int_equal(written->members, 2);
    assert_int_equal(written->weight, 400);
    ks_buf_done(&file);
}

static void test_round(void **state)
{
    struct scene *scene = *state;
    struct ks_fl_work_begun begun;
    struct ks_fl_work_added added;
    struct ks_fl_work_written written;

    assert_int_equal(begin_round(scene, &begun), KS_OK);
    assert_int_equal(begun.threads, 2);
    assert_int_equal(begun.members, 0);
    assert_int_equal(send_update(scene, 0, NULL, &added), KS_OK);
    assert_true(added.norm == sqrt(1 + 1 + 0.25 + 4));
    assert_true(ks_bytes_is(added.reason, "none") && added.suspicion == 0);
    assert_int_equal(send_update(scene, 1, NULL, &added), KS_OK);
    assert_int_equal(finish(scene, &written), KS_OK);
    assert_mean(scene, &written);
}

/* The second worker has the first one's update from the checkpoint alone. */
static void test_goes_on(void **state)
{
    struct scene *scene = *state;
    struct ks_fl_work_begun begun;
    struct ks_fl_work_added added;
    struct ks_fl_work_written written;

    assert_int_equal(begin_round(scene, &begun), KS_OK);
    assert_int_equal(send_update(scene, 0, NULL, &added), KS_OK);
    assert_int_equal(write_checkpoint(scene, KS_FL_FILE_SECOND, &written), KS_OK);
    assert_int_equal(written.members, 1);
    assert_int_equal(kill(scene->worker.pid, SIGKILL), 0);
    assert_int_equal(stop(&scene->worker), -1);
    start(&scene->worker);
    scene->begin.resumes = true;
    scene->begin.checkpoint = KS_FL_FILE_SECOND;
    memcpy(scene->begin.checkpoint_hash, written.hash, 32);
    send_file(&scene->worker, KS_FL_FILE_SECOND, scene->checkpoints[1]);
    assert_int_equal(begin_round(scene, &begun), KS_OK);
    assert_int_equal(begun.members, 1);
    assert_int_equal(send_update(scene, 0, NULL, &added), KS_ERR_CONFLICT); /* counts once */
    assert_int_equal(send_update(scene, 1, NULL, &added), KS_OK);
    assert_int_equal(finish(scene, &written), KS_OK);
    assert_mean(scene, &written);
}

static void test_checkpoint_of_others(void **state)
{
    struct scene *scene = *state;
    struct ks_fl_work_begun begun;
    struct ks_fl_work_added added;
    struct ks_fl_work_written written;

    assert_int_equal(begin_round(scene, &begun), KS_OK);
    assert_int_equal(send_update(scene, 0, NULL, &added), KS_OK);
    assert_int_equal(write_checkpoint(scene, KS_FL_FILE_FIRST, &written), KS_OK);
    scene->begin.resumes = true;
    scene->begin.checkpoint = KS_FL_FILE_FIRST;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(stop(&scene->worker), 0);
        start(&scene->worker);
        memcpy(scene->begin.checkpoint_hash, written.hash, 32);
        scene->begin.subject.round = i == 0 ? 4 : 3;
        scene->begin.checkpoint_key[0] = i == 1 ? 6 : 5;
        scene->begin.checkpoint_hash[0] ^= i == 2 ? 1 : 0;
        send_file(&scene->worker, KS_FL_FILE_FIRST, scene->checkpoints[0]);
        assert_int_equal(begin_round(scene, &begun), KS_ERR_VERIFY);
    }
}

/* --- rules that look at updates ----------------------------------------------------------- */

struct rule_case {
    struct ks_fl_robust robust;
    unsigned bucket;
    double bound;
    size_t order[CLIENTS]; /* in which they come */
};

/* The change that RULES make of the updates, by src/fl itself: rows by the clients' ids, which
 * is no order of the names. */
static void change_of(const struct rule_case *rule, const float *center, float *out_change,
                      struct ks_fl_score *out_scores)
{
    float rows[CLIENTS][PARAMS];
    uint8_t ids[CLIENTS][32];
    const float *sorted[CLIENTS];
    size_t by_id[CLIENTS] = {0, 1, 2, 3, 4};
    struct ks_fl_score scores[CLIENTS];
    const struct ks_fl_robust_input input = {.rows = {sorted, CLIENTS, PARAMS},
                                             .center = center};

    memcpy(rows, changes, sizeof rows);
    for (size_t i = 0; i < CLIENTS; i++) {
        ks_fl_client_id(ks_bytes_text(clients[i]), ids[i]);
        (void)ks_fl_bound_norm(rows[i], PARAMS, rule->bound, NULL);
    }
    for (size_t i = 1; i < CLIENTS; i++) {
        for (size_t j = i; j > 0 && memcmp(ids[by_id[j]], ids[by_id[j - 1]], 32) < 0; j--) {
            const size_t other = by_id[j];

            by_id[j] = by_id[j - 1];
            by_id[j - 1] = other;
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        sorted[i] = rows[by_id[i]];
    }
    assert_int_equal(ks_fl_robust_aggregate(&rule->robust, &input, NULL, out_change, scores),
                     KS_OK);
    for (size_t i = 0; i < CLIENTS; i++) {
        out_scores[by_id[i]] = scores[i];
    }
}

static void run_rule(struct scene *scene, const struct rule_case *rule,
                     struct ks_fl_work_finished *out_finished, float *out_model)
{
    struct ks_fl_work_begun begun;
    struct ks_fl_work_added added;
    struct ks_fl_work_written written;
    struct ks_fl_model model;
    struct ks_buf file;

    assert_int_equal(stop(&scene->worker), 0);
    start(&scene->worker);
    scene->begin.members_max = scene->begin.clients = CLIENTS;
    scene->begin.robust = rule->robust;
    scene->begin.bucket = rule->bucket;
    scene->begin.bound = rule->bound;
    assert_int_equal(begin_round(scene, &begun), KS_OK);
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(send_update(scene, rule->order[i], NULL, &added), KS_OK);
    }
    assert_int_equal(send_update(scene, 3, NULL, &added), KS_ERR_LIMIT);
    assert_int_equal(write_checkpoint(scene, KS_FL_FILE_FIRST, &written), KS_ERR_CONFLICT);
    assert_int_equal(finish_scored(scene, out_finished), KS_OK);
    assert_int_equal(out_finished->count, CLIENTS);
    assert_int_equal(out_finished->model.members, CLIENTS);
    assert_int_equal(out_finished->model.weight, 1457);
    ks_buf_init(&file, 4096);
    contents(scene->result, &file);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), PARAMS, &model), KS_OK);
    assert_memory_equal(model.hash, out_finished->model.hash, 32);
    ks_fl_model_values(&model, out_model);
    ks_buf_done(&file);
}

static void assert_score(const struct ks_fl_score *got, const struct ks_fl_score *want)
{
    assert_true(got->score == want->score && got->reason == want->reason &&
                got->norm == want->norm && got->distance == want->distance &&
                got->cosine == want->cosine && got->share == want->share);
}

static void test_rules(void **state)
{
    static const struct rule_case cases[] = {
        {{.rule = KS_FL_MEDIAN, .attackers = 1}, 0, 0, {0, 1, 2, 3, 4}},
        {{.rule = KS_FL_MEDIAN, .attackers = 2}, 1, 2.5, {4, 3, 2, 1, 0}},
        {{.rule = KS_FL_TRIMMED_MEAN, .attackers = 1}, 0, 0, {2, 0, 4, 1, 3}},
        {{.rule = KS_FL_KRUM, .attackers = 1}, 0, 0, {4, 0, 1, 2, 3}},
        {{.rule = KS_FL_MULTI_KRUM, .attackers = 1, .keep = 2}, 0, 0, {3, 4, 0, 1, 2}},
        {{.rule = KS_FL_BULYAN, .attackers = 0}, 0, 0, {0, 2, 1, 4, 3}},
        {{.rule = KS_FL_RFA, .attackers = 1, .smoothing = 1e-3}, 0, 9, {1, 3, 0, 2, 4}},
        {{.rule = KS_FL_CENTERED_CLIP, .attackers = 1, .radius = 2}, 0, 0, {4, 2, 0, 1, 3}},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_fl_score got[CLIENTS];
        struct ks_fl_score want[CLIENTS];
        struct ks_fl_work_finished finished = {.scores = got};
        float change[PARAMS];
        float values[PARAMS];

        run_rule(scene, &cases[i], &finished, values);
        change_of(&cases[i], NULL, change, want);
        for (size_t j = 0; j < PARAMS; j++) {
            assert_true(values[j] == parent_values[j] + change[j]);
        }
        for (size_t j = 0; j < CLIENTS; j++) {
            assert_score(&got[j], &want[cases[i].order[j]]);
        }
    }
}

/* Members of a bucket share a score, and their shares add up to 1; the order says nothing. */
static void test_buckets(void **state)
{
    static const struct rule_case first = {
        {.rule = KS_FL_MEDIAN, .attackers = 1}, 2, 0, {0, 1, 2, 3, 4}};
    static const struct rule_case second = {
        {.rule = KS_FL_MEDIAN, .attackers = 1}, 2, 0, {4, 2, 1, 0, 3}};
    struct scene *scene = *state;
    struct ks_fl_score scores[2][CLIENTS];
    struct ks_fl_work_finished finished = {.scores = scores[0]};
    float models[2][PARAMS];
    double shares = 0;

    run_rule(scene, &first, &finished, models[0]);
    finished.scores = scores[1];
    run_rule(scene, &second, &finished, models[1]);
    assert_memory_equal(models[0], models[1], sizeof models[0]);
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_score(&scores[1][i], &scores[0][second.order[i]]);
        shares += scores[0][i].share;
    }
    assert_true(fabs(shares - 1) < 1e-12);
}

/* --- rules that remember ------------------------------------------------------------------ */

/* The mean of both updates, as the accumulator has it. */
static void mean_of_changes(const struct scene *scene, float *out_values)
{
    struct ks_fl_accumulator_params params = {.params = PARAMS,
                                              .members_max = 2,
                                              .width = KS_FL_WIDTH_64,
                                              .fraction_bits = KS_FL_FRACTION_BITS};
    struct ks_fl_accumulator *sum = NULL;

    ks_fl_update_context(&scene->begin.subject, params.context);
    assert_int_equal(ks_fl_accumulator_new(&params, &sum), KS_OK);
    for (size_t i = 0; i < 2; i++) {
        struct ks_fl_member member = {.weight = samples[i]};

        ks_fl_client_id(ks_bytes_text(clients[i]), member.client);
        assert_int_equal(ks_fl_accumulator_add(sum, &member, changes[i], 1, NULL), KS_OK);
    }
    assert_int_equal(ks_fl_accumulator_mean(sum, 0, out_values), KS_OK);
    ks_fl_accumulator_free(sum);
}

/* A whole round, by a worker of its own, that has to end with the model of SERVER after one
 * more step, and to remember it: by RULE, of all clients, from AGGREGATE on, where that is the
 * last one; NULL: the mean of two. AGGREGATE becomes this one's; the scene then stands before
 * the next round. */
static void whole_round(struct scene *scene, const struct rule_case *rule, float *aggregate,
                        struct ks_fl_server *server)
{
    struct ks_fl_work_begun begun;
    struct ks_fl_work_added added;
    struct ks_fl_score scores[CLIENTS];
    struct ks_fl_work_finished finished = {.scores = scores};
    struct ks_fl_model model;
    struct ks_fl_state state;
    struct ks_buf sealed;
    struct ks_buf open;
    float change[PARAMS];
    float values[PARAMS];
    uint8_t digest[32];

    ks_buf_init(&sealed, 4096);
    ks_buf_init(&open, 4096);
    if (scene->begin.has_state) {
        send_file(&scene->worker, KS_FL_FILE_STATE, scene->next);
    }
    assert_int_equal(begin_round(scene, &begun), KS_OK);
    for (size_t i = rule == NULL ? 2 : CLIENTS; i > 0; i--) {
        assert_int_equal(send_update(scene, i - 1, NULL, &added), KS_OK);
    }
    assert_int_equal(finish_scored(scene, &finished), KS_OK);
    if (rule == NULL) {
        mean_of_changes(scene, change);
    } else {
        change_of(rule, scene->begin.has_state ? aggregate : NULL, change, scores);
    }
    memcpy(aggregate, change, sizeof change);
    assert_int_equal(ks_fl_server_step(server, change, NULL, 0, NULL), KS_OK);

    ks_buf_clear(&scene->parent);
    contents(scene->result, &scene->parent);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&scene->parent), PARAMS, &model), KS_OK);
    ks_fl_model_values(&model, values);
    assert_memory_equal(values, ks_fl_server_model(server), sizeof values); /* to the bit */
    contents(scene->next, &sealed);
    assert_int_equal(ks_fl_state_unseal(scene->begin.state_key, ks_buf_view(&sealed), &open),
                     KS_OK);
    ks_sha256(ks_buf_view(&open), digest);
    assert_memory_equal(finished.state, digest, sizeof digest);
    assert_int_equal(ks_fl_state_read(ks_buf_view(&open), PARAMS, &state), KS_OK);
    assert_int_equal(state.round, scene->begin.subject.round);
    assert_int_equal(ks_fl_server_steps(state.server), ks_fl_server_steps(server));
    assert_memory_equal(state.aggregate, change, sizeof change);
    ks_fl_state_done(&state);

    memcpy(scene->begin.subject.parent, model.hash, 32);
    memcpy(scene->begin.state_hash, digest, sizeof digest);
    scene->begin.subject.round++;
    scene->begin.has_state = true;
    assert_int_equal(stop(&scene->worker), 0);
    start(&scene->worker);
    ks_buf_done(&sealed);
    ks_buf_done(&open);
}

static struct ks_fl_server *begin_rule(struct scene *scene, enum ks_fl_server_rule rule)
{
    struct ks_fl_server *server = NULL;

    scene->begin.server = ks_fl_server_defaults(rule, PARAMS);
    scene->begin.keeps_aggregate = true;
    scene->begin.state_key[0] = 8;
    assert_int_equal(ks_fl_server_new(&scene->begin.server, parent_values, &server), KS_OK);
    return server;
}

static void test_server_rules(void **state)
{
    static const enum ks_fl_server_rule rules[] = {KS_FL_FEDAVGM, KS_FL_FEDADAGRAD,
                                                   KS_FL_FEDADAM, KS_FL_FEDYOGI};
    struct scene *scene = *state;
    const struct ks_fl_work_begin first = scene->begin;
    struct ks_buf parent;

    ks_buf_init(&parent, 4096);
    ks_buf_put(&parent, ks_buf_view(&scene->parent));
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct ks_fl_server *server = NULL;
        float aggregate[PARAMS];

        scene->begin = first;
        ks_buf_clear(&scene->parent);
        ks_buf_put(&scene->parent, ks_buf_view(&parent));
        server = begin_rule(scene, rules[i]);
        for (unsigned round = 0; round < 3; round++) {
            whole_round(scene, NULL, aggregate, server);
        }
        assert_int_equal(ks_fl_server_steps(server), 3);
        ks_fl_server_free(server);
    }
    ks_buf_done(&parent);
}

/* RFA and centered clipping begin where the round before has ended, also under a server rule.
 */
static void test_last_aggregate(void **state)
{
    static const struct rule_case cases[] = {
        {{.rule = KS_FL_RFA, .attackers = 1, .iterations = 2}, 0, 0, {0}},
        {{.rule = KS_FL_CENTERED_CLIP, .attackers = 1, .radius = 1}, 0, 0, {0}},
    };
    struct scene *scene = *state;
    const struct ks_fl_work_begin first = scene->begin;
    struct ks_buf parent;

    ks_buf_init(&parent, 4096);
    ks_buf_put(&parent, ks_buf_view(&scene->parent));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_fl_server *server = NULL;
        struct ks_fl_score scores[CLIENTS];
        float aggregates[3][PARAMS] = {{0}};
        float from_zero[PARAMS];

        scene->begin = first;
        scene->begin.members_max = scene->begin.clients = CLIENTS;
        scene->begin.robust = cases[i].robust;
        ks_buf_clear(&scene->parent);
        ks_buf_put(&scene->parent, ks_buf_view(&parent));
        server = begin_rule(scene, KS_FL_FEDAVGM);
        for (size_t round = 0; round < 3; round++) {
            memcpy(aggregates[round], aggregates[round == 0 ? 0 : round - 1],
                   sizeof aggregates[0]);
            whole_round(scene, &cases[i], aggregates[round], server);
        }
        change_of(&cases[i], NULL, from_zero, scores);
        assert_memory_equal(aggregates[0], from_zero, sizeof from_zero);
        assert_memory_not_equal(aggregates[1], from_zero, sizeof from_zero);
        ks_fl_server_free(server);
    }
    ks_buf_done(&parent);
}

/* A state of another round, session, rule, key, or of other bytes, is not gone on from. */
static void test_state_of_others(void **state)
{
    struct scene *scene = *state;
    struct ks_fl_server *server = begin_rule(scene, KS_FL_FEDADAM);
    struct ks_fl_work_begin begin;
    struct ks_fl_work_begun begun;
    float aggregate[PARAMS];

    whole_round(scene, NULL, aggregate, server);
    begin = scene->begin;
    for (unsigned i = 0; i < 8; i++) {
        scene->begin = begin;
        scene->begin.subject.round += i == 0;
        scene->begin.subject.session[0] ^= i == 1;
        scene->begin.server.rule = i == 2 ? KS_FL_FEDYOGI : KS_FL_FEDADAM;
        scene->begin.server.beta2 = i == 3 ? 0.5 : begin.server.beta2;
        scene->begin.keeps_aggregate = i != 4;
        scene->begin.state_key[1] ^= i == 5;
        scene->begin.state_hash[0] ^= i == 6;
        if (i != 7) { /* else none is sent */
            send_file(&scene->worker, KS_FL_FILE_STATE, scene->next);
        }
        if (begin_round(scene, &begun) != (i == 4   ? KS_ERR_LIMIT /* longer than it may be */
                                           : i == 7 ? KS_ERR_NOT_FOUND
                                                    : KS_ERR_VERIFY)) {
            fail_msg("state %u: '%s'", i, ks_err_detail());
        }
        assert_int_equal(stop(&scene->worker), 0);
        start(&scene->worker);
    }
    ks_fl_server_free(server);
}

/* --- what it refuses ---------------------------------------------------------------------- */

static void other_round(struct ks_fl_update *update)
{
    update->subject.round++;
}
static void other_parent(struct ks_fl_update *update)
{
    update->subject.parent[0] ^= 1;
}
static void other_shape(struct ks_fl_update *update)
{
    update->subject.shape[0] ^= 1;
}
static void other_samples(struct ks_fl_update *update)
{
    update->samples++;
}
/* The payload with number INDEX replaced: floats travel big-endian. */
static void replace(struct ks_fl_update *update, size_t index, float value)
{
    static uint8_t bytes[4 * PARAMS];
    struct ks_buf payload = {.data = bytes, .cap = sizeof bytes, .max = sizeof bytes};

    for (size_t i = 0; i < PARAMS; i++) {
        const float number = i == index ? value : changes[0][i];
        uint32_t bits = 0;

        memcpy(&bits, &number, sizeof bits);
        ks_buf_put_u32(&payload, bits);
    }
    update->payload = KS_BYTES(bytes);
}
static void not_a_number(struct ks_fl_update *update)
{
    replace(update, 3, NAN);
}
static void infinite(struct ks_fl_update *update)
{
    replace(update, 0, -INFINITY);
}
static void out_of_range(struct ks_fl_update *update)
{
    replace(update, 1, 1e6f);
}
static void truncated(struct ks_fl_update *update)
{
    update->payload.len -= 4;
}

static void test_bad_updates(void **state)
{
    static const struct {
        void (*fresh)(struct ks_fl_update *update);
        enum ks_err err;
    } bad[] = {
        {other_round, KS_ERR_CONFLICT}, {other_parent, KS_ERR_CONFLICT},
        {other_shape, KS_ERR_CONFLICT}, {other_samples, KS_ERR_CONFLICT},
        {not_a_number, KS_ERR_FORMAT},  {infinite, KS_ERR_FORMAT},
        {out_of_range, KS_ERR_FORMAT},  {truncated, KS_ERR_FORMAT},
    };
    struct scene *scene = *state;
    struct ks_fl_work_begun begun;
    struct ks_fl_work_added added;
    struct ks_fl_work_written written;

    assert_int_equal(send_update(scene, 0, NULL, &added), KS_ERR_CONFLICT); /* too early */
    assert_int_equal(write_checkpoint(scene, KS_FL_FILE_FIRST, &written), KS_ERR_CONFLICT);
    assert_int_equal(finish(scene, &written), KS_ERR_CONFLICT);
    assert_int_equal(begin_round(scene, &begun), KS_OK);
    assert_int_equal(finish(scene, &written), KS_ERR_NOT_FOUND); /* of nothing */
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const enum ks_err err = send_update(scene, 0, bad[i].fresh, &added);

        if (err != bad[i].err) {
            fail_msg("update %zu: %d '%s'", i, (int)err, ks_err_detail());
        }
    }
    /* none of them left a trace */
    assert_int_equal(send_update(scene, 0, NULL, &added), KS_OK);
    assert_int_equal(send_update(scene, 1, NULL, &added), KS_OK);
    assert_int_equal(send_update(scene, 1, NULL, &added), KS_ERR_CONFLICT);
    assert_int_equal(begin_round(scene, &begun), KS_ERR_CONFLICT);
    assert_int_equal(finish(scene, &written), KS_OK);
    assert_mean(scene, &written);
}

static void test_bad_rounds(void **state)
{
    struct scene *scene = *state;
    struct ks_fl_work_begun begun;

    for (unsigned i = 0; i < 4; i++) {
        struct ks_fl_work_begin begin = scene->begin;

        assert_int_equal(stop(&scene->worker), 0);
        start(&scene->worker);
        scene->begin.subject.parent[0] ^= i == 0 ? 1 : 0;
        scene->begin.subject.shape[0] ^= i == 1 ? 1 : 0;
        scene->begin.subject.params = i == 2 ? PARAMS + 1 : PARAMS;
        scene->begin.server.rule = i == 3 ? KS_FL_SCAFFOLD : KS_FL_FEDAVG;
        assert_int_equal(begin_round(scene, &begun), i == 0   ? KS_ERR_VERIFY
                                                     : i == 3 ? KS_ERR_UNAVAILABLE
                                                              : KS_ERR_CONFLICT);
        scene->begin = begin;
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_goes_on, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_checkpoint_of_others, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_rules, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_buckets, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_server_rules, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_last_aggregate, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_state_of_others, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_bad_updates, set_scene, clear_scene),
        cmocka_unit_test_setup_teardown(test_bad_rounds, set_scene, clear_scene),
    };

    KS_ASSERT(argc == 2);
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
