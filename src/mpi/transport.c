/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "mpi/transport.h"

#include <mpi.h>

#include "base/mem.h"

/* Words of one reduction: counts of MPI are int. */
#define WORDS_MAX ((size_t)1 << 20)

/* Errors never come back: MPI_ERRORS_ARE_FATAL is the default, and ends every process. */
static enum ks_err exchange(void *context, uint32_t partner, const void *send, void *receive,
                            size_t bytes)
{
    (void)context;
    KS_ASSERT(bytes <= KS_EXCHANGE_MAX);
    return MPI_Sendrecv(send, (int)bytes, MPI_BYTE, (int)partner, 0, receive, (int)bytes,
                        MPI_BYTE, (int)partner, 0, MPI_COMM_WORLD,
                        MPI_STATUS_IGNORE) == MPI_SUCCESS
               ? KS_OK
               : ks_fail(KS_ERR_IO, "MPI_Sendrecv");
}

static enum ks_err merge(void *context, uint64_t *words, size_t count)
{
    (void)context;
    for (size_t at = 0; at < count; at += WORDS_MAX) {
        const size_t step = count - at < WORDS_MAX ? count - at : WORDS_MAX;

        if (MPI_Allreduce(MPI_IN_PLACE, words + at, (int)step, MPI_UINT64_T, MPI_BOR,
                          MPI_COMM_WORLD) != MPI_SUCCESS) {
            return ks_fail(KS_ERR_IO, "MPI_Allreduce");
        }
    }
    return KS_OK;
}

enum ks_err ks_transport_begin(struct ks_ranks *out_ranks)
{
    enum ks_err err = KS_OK;
    int provided = MPI_THREAD_SINGLE;
    int rank = 0;
    int count = 0;

    KS_CHECK(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) == MPI_SUCCESS &&
                 provided >= MPI_THREAD_FUNNELED,
             KS_ERR_UNAVAILABLE, "MPI with threads beside its own");
    KS_CHECK(MPI_Comm_rank(MPI_COMM_WORLD, &rank) == MPI_SUCCESS &&
                 MPI_Comm_size(MPI_COMM_WORLD, &count) == MPI_SUCCESS,
             KS_ERR_UNAVAILABLE, "MPI_COMM_WORLD");
    *out_ranks = (struct ks_ranks){
        .rank = (uint32_t)rank,
        .count = (uint32_t)count,
        .exchange = exchange,
        .merge = merge,
    };
out:
    return err;
}

void ks_transport_end(void)
{
    (void)MPI_Finalize(); /* an error has ended the process */
}

uint32_t ks_transport_neighbours(void)
{
    MPI_Comm node = MPI_COMM_NULL;
    int count = 1;

    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node) ==
        MPI_SUCCESS) {
        (void)MPI_Comm_size(node, &count); /* stays 1 where it fails */
        (void)MPI_Comm_free(&node);
    }
    return (uint32_t)count;
}
