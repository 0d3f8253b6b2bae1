/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/build.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/actor.h"
#include "cli/build_file.h"
#include "cli/hogs.h"
#include "cli/impostor.h"
#include "cli/join.h"

#define BLOCK_MAX   200 /* rows that a crash costs at most */
#define EVE_SHARE   0.8 /* of the pulses, intercepted and sent again */
#define MIB         ((size_t)1 << 20)
#define HOG_MIB_MAX 4096
#define DETAIL_MAX  512

/* A site, and the devices that work on it. */
struct room {
    struct ks_lab *lab; /* NULL: not started */
    struct ks_join *join;
    struct ks_actor *actors[KS_BUILD_LANES_MAX];
    bool listened; /* somebody listens on its quantum link */
};

/* The steps of a block that one device carries out: every LANES-th. */
struct lane {
    struct build *build;
    struct ks_actor *actor;
    size_t begin;
    size_t end;
    enum ks_err err;
    char detail[DETAIL_MAX];
    pthread_t thread;
    bool running;
};

struct build {
    const struct ks_build_spec *spec;
    struct ks_build_report report;
    struct room rooms[KS_PLAN_ROOMS];
    struct lane lanes[KS_BUILD_LANES_MAX];
    struct ks_trace *traces;   /* BLOCK_MAX, of the block that is done */
    uint64_t *ended_us;        /* BLOCK_MAX: realtime */
    uint64_t *busy_us;         /* BLOCK_MAX */
    size_t first;              /* step of traces[0] */
    atomic_size_t carried_out; /* of this block */
    struct ks_tls *impostor;
    struct ks_tls *classical;
    uint64_t begin_us;
    int fd;
};

/* --- rooms -------------------------------------------------------------------------------- */

static void close_room(struct room *room, unsigned lanes)
{
    for (unsigned i = 0; i < lanes; i++) {
        ks_actor_close(room->actors[i]);
    }
    ks_join_close(room->join);
    ks_lab_kill(room->lab);
    *room = (struct room){0};
}

static enum ks_err start_lab(const struct build *build, enum ks_plan_room which,
                             struct ks_lab **out_lab)
{
    static const char *const programs[KS_PLAN_ROOMS] = {
        [KS_PLAN_ROOM_POISONED] = "ketseal-worker",
        [KS_PLAN_ROOM_ALTERING] = "ketseald",
        [KS_PLAN_ROOM_EXTENDED] = "ketseal-enclave",
    };
    enum ks_err err = KS_OK;
    const struct ks_build_spec *spec = build->spec;
    char folder[KS_PATH_MAX];
    char authority[KS_PATH_MAX];
    const struct ks_lab_spec lab = {
        .version = 1,
        .directory = folder,
        .libexec = spec->libexec,
        .authority = authority, /* the SLH-DSA signatures are made once */
        .workers = spec->lanes,
        .devices = spec->lanes,
        .program = programs[which],
        .instead = spec->instead[which],
        .quantum = which == KS_PLAN_ROOM_QUANTUM,
    };

    KS_TRY(ks_path_join(spec->state, ks_plan_room_name(which), folder));
    KS_TRY(ks_path_join(spec->state, "authority", authority));
    KS_TRY(ks_lab_start(&lab, out_lab));
out:
    return err;
}

static enum ks_err open_room(struct build *build, enum ks_plan_room which)
{
    enum ks_err err = KS_OK;
    struct room *room = &build->rooms[which];
    struct ks_actor_spec actor = {
        .seed = build->spec->seed, .impostor = build->impostor, .classical = build->classical};

    if (room->lab != NULL) {
        return KS_OK;
    }
    KS_TRY(ks_fail_prefix(start_lab(build, which, &room->lab), "the site '%s'",
                          ks_plan_room_name(which)));
    KS_TRY(ks_join_open(ks_lab_directory(room->lab), &room->join));
    actor.lab = room->lab;
    for (unsigned i = 0; i < build->spec->lanes; i++) {
        actor.device = i;
        actor.seed++;
        KS_TRY(ks_actor_open(&actor, &room->actors[i]));
        if (which != KS_PLAN_ROOM_ALTERING) { /* where no job gets through */
            KS_TRY(ks_actor_warm_up(room->actors[i]));
        }
    }
out:
    return err;
}

/* Quantum keys as STEP wants them: listened to or not. */
static enum ks_err set_link(struct build *build, const struct ks_plan_step *step)
{
    enum ks_err err = KS_OK;
    struct room *room = &build->rooms[KS_PLAN_ROOM_QUANTUM];
    const bool listened = step->kind == KS_PLAN_EAVESDROP;

    if (room->listened != listened) {
        KS_TRY(ks_lab_eavesdrop(room->lab, listened ? EVE_SHARE : 0));
        room->listened = listened;
    }
    for (unsigned i = 0; i < build->spec->lanes; i++) {
        KS_TRY(listened ? ks_actor_forget_keys(room->actors[i])
                        : ks_actor_await_quantum(room->actors[i]));
    }
out:
    return err;
}

/* --- a block ------------------------------------------------------------------------------ */

static void *run_lane(void *context)
{
    enum ks_err err = KS_OK;
    struct lane *lane = context;
    struct build *build = lane->build;

    for (size_t i = lane->begin; i < lane->end; i += build->spec->lanes) {
        const uint64_t begin_us = ks_clock_monotonic_us();
        const size_t at = i - build->first;

        KS_TRY(ks_fail_prefix(
            ks_actor_perform(lane->actor, ks_plan_at(build->spec->plan, i), &build->traces[at]),
            "row %zu", i + 1));
        build->ended_us[at] = ks_clock_us();
        build->busy_us[at] = ks_clock_monotonic_us() - begin_us;
        atomic_fetch_add(&build->carried_out, 1);
    }
out:
    lane->err = err;
    if (err != KS_OK) {
        (void)snprintf(lane->detail, sizeof lane->detail, "%s", ks_err_detail());
    }
    return NULL;
}

static void report(struct build *build, size_t more)
{
    struct ks_build_progress progress = build->report.progress;

    progress.done += more;
    progress.elapsed_us = ks_clock_monotonic_us() - build->begin_us;
    if (build->spec->progress != NULL) {
        build->spec->progress(build->spec->context, &progress);
    }
}

/* Until LANE has ended; tells meanwhile how far they all are. */
static void await_lane(struct build *build, struct lane *lane)
{
    struct timespec until;

    do {
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        report(build, atomic_load(&build->carried_out));
    } while (pthread_timedjoin_np(lane->thread, NULL, &until) == ETIMEDOUT);
}

/* Each step by its device, those of different ones at once. */
static enum ks_err run_lanes(struct build *build, struct room *room, size_t begin, size_t end)
{
    enum ks_err err = KS_OK;
    const unsigned lanes = build->spec->lanes;

    build->first = begin;
    atomic_store(&build->carried_out, 0);
    for (unsigned i = 0; i < lanes; i++) {
        struct lane *lane = &build->lanes[i];

        *lane = (struct lane){
            .build = build, .actor = room->actors[i], .begin = begin + i, .end = end};
        lane->running = pthread_create(&lane->thread, NULL, run_lane, lane) == 0;
    }
    for (unsigned i = 0; i < lanes; i++) {
        struct lane *lane = &build->lanes[i];

        if (lane->running) {
            await_lane(build, lane);
        }
        if (err == KS_OK && !lane->running) {
            err = ks_fail(KS_ERR_NOMEM, "a thread for a device");
        } else if (err == KS_OK && lane->err != KS_OK) {
            err = ks_fail(lane->err, "%s", lane->detail);
        }
    }
    return err;
}

/* The site's rows of a block that is done. */
static enum ks_err join(struct build *build, struct room *room, size_t count)
{
    enum ks_err err = KS_OK;
    const struct ks_join_block block = {
        .traces = build->traces, .ended_us = build->ended_us, .count = count};

    /* A row is complete with the next transaction: so there is one. */
    if (room != &build->rooms[KS_PLAN_ROOM_ALTERING]) {
        KS_TRY(ks_actor_warm_up(room->actors[0]));
    }
    KS_TRY(ks_join_block(room->join, &block));
out:
    return err;
}

static void tell(struct build *build, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const enum ks_plan_kind kind = ks_plan_at(build->spec->plan, build->first + i)->kind;

        build->report.kinds[kind].rows++;
        build->report.kinds[kind].failed += build->traces[i].values[KS_TRACE_ERROR] != 0;
        build->report.kinds[kind].busy_us += build->busy_us[i];
    }
    build->report.progress.done += count;
    report(build, 0);
}

static enum ks_err run_block(struct build *build, struct room *room, size_t begin, size_t end)
{
    enum ks_err err = KS_OK;

    KS_TRY(run_lanes(build, room, begin, end));
    KS_TRY(join(build, room, end - begin));
    KS_TRY(
        ks_build_file_append(build->fd, build->spec->plan, begin, build->traces, end - begin));
    tell(build, end - begin);
out:
    return err;
}

/* So many for each processor; together they stop at HOG_MIB_MAX. */
static enum ks_err start_hogs(const struct ks_plan_step *step, struct ks_hogs **out_hogs)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const unsigned count = step->amount * (processors < 1 ? 1U : (unsigned)processors);
    size_t mib = HOG_MIB_MAX / count;

    mib = mib > step->more ? step->more : mib;
    return ks_hogs_start(count, (mib == 0 ? 1 : mib) * MIB, out_hogs);
}

/* Steps with the same surroundings. */
static enum ks_err run_segment(struct build *build, size_t begin, size_t end)
{
    enum ks_err err = KS_OK;
    const struct ks_plan_step *step = ks_plan_at(build->spec->plan, begin);
    struct room *room = &build->rooms[step->room];
    struct ks_hogs *hogs = NULL;

    KS_TRY(open_room(build, step->room));
    if (step->room == KS_PLAN_ROOM_QUANTUM) {
        KS_TRY(set_link(build, step));
    }
    if (step->kind == KS_PLAN_EXHAUSTION) {
        KS_TRY(start_hogs(step, &hogs));
    }
    for (size_t at = begin; at < end; at += BLOCK_MAX) {
        KS_TRY(run_block(build, room, at, end - at < BLOCK_MAX ? end : at + BLOCK_MAX));
    }
out:
    ks_hogs_stop(hogs);
    return err;
}

/* --- the whole ---------------------------------------------------------------------------- */

static enum ks_err prepare(struct build *build)
{
    enum ks_err err = KS_OK;
    const struct ks_build_spec *spec = build->spec;
    char folder[KS_PATH_MAX];

    build->traces = ks_calloc(BLOCK_MAX, sizeof *build->traces);
    build->ended_us = ks_calloc(BLOCK_MAX, sizeof *build->ended_us);
    build->busy_us = ks_calloc(BLOCK_MAX, sizeof *build->busy_us);
    KS_CHECK(build->traces != NULL && build->ended_us != NULL && build->busy_us != NULL,
             KS_ERR_NOMEM, "%d rows", BLOCK_MAX);
    KS_TRY(
        ks_build_file_open(spec->out, spec->plan, &build->fd, &build->report.progress.resumed));
    build->report.progress.done = build->report.progress.resumed;
    build->report.progress.count = ks_plan_count(spec->plan);
    KS_TRY(ks_dir_make(spec->state, 0700));
    KS_TRY(ks_path_join(spec->state, "impostor", folder));
    KS_TRY(ks_dir_make(folder, 0700));
    KS_TRY(ks_impostor_open(folder, &build->impostor));
    KS_TRY(ks_impostor_open_classical(&build->classical));
out:
    return err;
}

static enum ks_err stop_rooms(struct build *build)
{
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < KS_PLAN_ROOMS; i++) {
        struct ks_lab *lab = build->rooms[i].lab;
        enum ks_err stopped = KS_OK;

        build->rooms[i].lab = NULL; /* transferred */
        close_room(&build->rooms[i], build->spec->lanes);
        stopped = ks_lab_stop(lab);
        err = err == KS_OK ? stopped : err;
    }
    return err;
}

enum ks_err ks_build_run(const struct ks_build_spec *spec, struct ks_build_report *out_report)
{
    enum ks_err err = KS_OK;
    struct build *build = NULL;
    size_t at = 0;
    size_t end = 0;

    KS_ASSERT(spec->lanes >= 1 && spec->lanes <= KS_BUILD_LANES_MAX);
    build = ks_calloc(1, sizeof *build);
    KS_CHECK(build != NULL, KS_ERR_NOMEM, "build");
    build->fd = -1;
    build->spec = spec;
    build->begin_us = ks_clock_monotonic_us();
    KS_TRY(prepare(build));
    for (at = build->report.progress.done; at < ks_plan_count(spec->plan); at = end) {
        const unsigned segment = ks_plan_at(spec->plan, at)->segment;

        end = at + 1;
        while (end < ks_plan_count(spec->plan) &&
               ks_plan_at(spec->plan, end)->segment == segment) {
            end++;
        }
        KS_TRY(run_segment(build, at, end));
    }
    build->report.progress.elapsed_us = ks_clock_monotonic_us() - build->begin_us;
    KS_TRY(stop_rooms(build));
    *out_report = build->report;
out:
    if (build != NULL) {
        for (unsigned i = 0; i < KS_PLAN_ROOMS; i++) {
            close_room(&build->rooms[i], spec->lanes);
        }
        ks_tls_free(build->impostor);
        ks_tls_free(build->classical);
        ks_free(build->traces);
        ks_free(build->ended_us);
        ks_free(build->busy_us);
        ks_fd_close(&build->fd);
    }
    ks_free(build);
    return err;
}
