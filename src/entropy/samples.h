/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* samples.h: one sample of many, for the loops of this module. */
#ifndef KS_ENTROPY_SAMPLES_H
#define KS_ENTROPY_SAMPLES_H

#include "entropy/entropy.h"

static inline unsigned ks_sample_at(struct ks_samples samples, uint64_t index)
{
    return samples.width == 8 ? samples.data[index]
                              : (unsigned)samples.data[index / 8] >> (7 - index % 8) & 1;
}

#endif
