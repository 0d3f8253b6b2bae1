/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* verdict.h: a verdict for people and for programs: shared by `ketseal verify` and `ketseal-verify`, so
 * it links nothing but the verifier. */
#ifndef KS_CLI_VERDICT_H
#define KS_CLI_VERDICT_H

#include <stdbool.h>
#include <stdio.h>

#include "ketseal/verify.h"

/* JSON: {"checks":{…},"failed":…,"schema":"ketseal.verify/1","verified":…}. */
void ks_verdict_print(FILE *stream, const struct ks_verdict *verdict, bool verified, bool json,
                      bool explain);

#endif
