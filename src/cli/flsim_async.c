/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Asynchronous sessions: so many clients train at one time, each from the version that there
 * was when it began; who arrives goes into the buffer (fl/buffered.h), and another one begins.
 * When who arrives follows from the seed: clients have speeds of their own, and luck. */

#include <stdio.h>

#include "cli/flsim_work.h"
#include "crypto/digest.h"

#define FLIGHT_LEN (4 + 8 + 8)
#define REFUSED_MAX                                                                            \
    10 /* times as many in a row as there are clients: no other one would count */

/* --- who is on the way -------------------------------------------------------------------- */

/* In a time that is no clock's. */
static double duration(const struct ks_flsim *sim, size_t client)
{
    const double slow = ks_flsim_uniform(sim->plan, KS_FLSIM_DRAW_SPEED, client, 0);

    return (1 + ks_flsim_uniform(sim->plan, KS_FLSIM_DRAW_FLIGHT, sim->sent, 1)) *
           (1 + 3 * slow * slow);
}

static bool is_away(const struct ks_flsim *sim, size_t client)
{
    for (size_t i = 0; i < sim->flights_count; i++) {
        if (sim->flights[i].client == client) {
            return true;
        }
    }
    return false;
}

/* Another client begins, from the newest version. */
static void send_one(struct ks_flsim *sim)
{
    size_t client = (size_t)(ks_flsim_uniform(sim->plan, KS_FLSIM_DRAW_FLIGHT, sim->sent, 0) *
                             (double)sim->plan->count);

    while (is_away(sim, client)) {
        client = (client + 1) % sim->plan->count;
    }
    sim->flights[sim->flights_count++] = (struct ks_flsim_flight){
        (uint32_t)client, sim->state.ended, sim->clock + duration(sim, client)};
    sim->sent++;
}

static struct ks_flsim_flight next_arrival(struct ks_flsim *sim)
{
    struct ks_flsim_flight arrived = {0};
    size_t first = 0;

    for (size_t i = 1; i < sim->flights_count; i++) {
        first = sim->flights[i].at < sim->flights[first].at ? i : first;
    }
    arrived = sim->flights[first];
    sim->flights[first] = sim->flights[--sim->flights_count];
    sim->clock = arrived.at;
    return arrived;
}

void ks_flsim_flights_put(const struct ks_flsim *sim, struct ks_buf *out)
{
    ks_buf_put_u64(out, sim->sent);
    ks_buf_put_double(out, sim->clock);
    ks_buf_put_u32(out, (uint32_t)sim->flights_count);
    for (size_t i = 0; i < sim->flights_count; i++) {
        ks_buf_put_u32(out, sim->flights[i].client);
        ks_buf_put_u64(out, sim->flights[i].version);
        ks_buf_put_double(out, sim->flights[i].at);
    }
}

enum ks_err ks_flsim_flights_read(struct ks_flsim *sim, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "flights");
    uint32_t count = 0;

    KS_TRY(ks_read_u64(&reader, &sim->sent));
    KS_TRY(ks_read_double(&reader, &sim->clock));
    KS_TRY(ks_read_u32(&reader, &count));
    KS_CHECK(count <= sim->plan->concurrent && reader.rest.len == (size_t)count * FLIGHT_LEN,
             KS_ERR_FORMAT, "flights: %u of %u clients", count, sim->plan->concurrent);
    for (sim->flights_count = 0; sim->flights_count < count; sim->flights_count++) {
        struct ks_flsim_flight *flight = &sim->flights[sim->flights_count];

        KS_TRY(ks_read_u32(&reader, &flight->client));
        KS_TRY(ks_read_u64(&reader, &flight->version));
        KS_TRY(ks_read_double(&reader, &flight->at));
        KS_CHECK(flight->client < sim->plan->count && flight->version <= sim->state.ended,
                 KS_ERR_FORMAT, "flights: one that cannot be");
    }
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

/* --- a version ---------------------------------------------------------------------------- */

static bool has_counted(const struct ks_flsim *sim, size_t client)
{
    for (size_t i = 0; i < sim->state.members_count; i++) {
        if (sim->state.members[i].client == client) {
            return true;
        }
    }
    return false;
}

/* ABOUT's model, and the hash of its file, of an earlier version. */
static enum ks_err take_version(struct ks_flsim *sim, uint64_t version,
                                struct ks_flsim_about *about)
{
    enum ks_err err = KS_OK;
    struct ks_buf file;

    ks_buf_init(&file, sim->file.len);
    about->round = version + 1;
    about->subject = ks_flsim_subject(sim);
    about->subject.round = version + 1;
    about->model = ks_fl_server_model(sim->server);
    if (version != sim->state.ended) {
        KS_TRY(ks_flsim_version_load(sim, version, sim->version));
        ks_fl_model_write(&sim->model, sim->version, &file);
        KS_TRY(ks_buf_check(&file));
        ks_sha256(ks_buf_view(&file), about->subject.parent);
        about->model = sim->version;
    }
out:
    ks_buf_done(&file);
    return err;
}

/* One more was refused, as its stored detail says: where each is, no version would ever end. */
static enum ks_err note_refused(struct ks_flsim *sim)
{
    char detail[KS_ERR_DETAIL_MAX];

    (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
    return ++sim->refused_in_row <= REFUSED_MAX * sim->plan->count
               ? KS_OK
               : ks_fail(KS_ERR_LIMIT, "%llu updates in a row were refused: %s",
                         (unsigned long long)sim->refused_in_row, detail);
}

static enum ks_err land(struct ks_flsim *sim, const struct ks_flsim_flight *flight)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_buffer_params *params = ks_fl_buffer_params(sim->buffer);
    const uint64_t staleness = sim->state.ended - flight->version;
    struct ks_flsim_about about = {.client = flight->client};
    const struct ks_flsim_member *newest = NULL;
    struct ks_fl_member member;
    uint8_t id[KS_FL_HASH_LEN];
    bool counts = false;
    bool again = false;

    if (staleness > params->staleness_max || has_counted(sim, flight->client)) {
        sim->state.refused++;
        return KS_OK;
    }
    about.weight = ks_fl_staleness_weight(params->by, (uint32_t)staleness);
    KS_TRY(take_version(sim, flight->version, &about));
    KS_TRY(ks_flsim_turn(sim, &about, &counts));
    KS_TRY(counts ? KS_OK : note_refused(sim));
    if (counts) {
        sim->refused_in_row = 0;
        newest = &sim->state.members[sim->state.members_count - 1];
        ks_fl_client_id(sim->plan->clients[flight->client].name, id);
        KS_TRY(ks_fl_buffer_accept(sim->buffer, id, newest->update, flight->version, &member,
                                   &again));
        KS_CHECK(!again && member.weight == about.weight, KS_ERR_INTERNAL,
                 "the buffer weighs an update otherwise");
    }
out:
    return err;
}

static enum ks_err begin(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    struct ks_fl_buffer_params params = sim->plan->buffer;
    const struct ks_fl_subject subject = ks_flsim_subject(sim);

    if (sim->buffer == NULL) {
        ks_copy(params.session, sim->session, sizeof params.session);
        KS_TRY(ks_fl_buffer_new(&params, &sim->buffer));
        while (sim->flights_count < sim->plan->concurrent) {
            send_one(sim);
        }
    }
    sim->state.began_us = ks_clock_us();
    sim->state.refused = 0;
    sim->state.left = 0;
    sim->state.members_count = 0;
    sim->uploaded = 0;
    KS_TRY(ks_flsim_gather_begin(sim, &subject));
out:
    return err;
}

enum ks_err ks_flsim_fill_buffer(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;

    KS_TRY(sim->state.began_us == 0 ? begin(sim) : KS_OK);
    while (!ks_fl_buffer_is_full(sim->buffer)) {
        const struct ks_flsim_flight arrived = next_arrival(sim);
        const double luck =
            ks_flsim_uniform(sim->plan, KS_FLSIM_DRAW_LEAVE, sim->sent, arrived.client);

        send_one(sim);
        if (luck < sim->plan->dropout) {
            sim->state.left++;
        } else {
            KS_TRY(land(sim, &arrived));
        }
        KS_TRY(ks_flsim_commit_some(sim));
    }
out:
    return err;
}
