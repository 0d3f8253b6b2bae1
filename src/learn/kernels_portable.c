/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/internal.h"

static bool always(void)
{
    return true;
}

const struct ks_net_choice ks_net_choices[] = {
    {"openblas", &ks_net_single, always},
    {NULL, NULL, NULL},
};
