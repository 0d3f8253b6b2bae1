/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* table.h: where base/table.h stood before others than the detector read tables. */
#ifndef KS_DETECT_TABLE_H
#define KS_DETECT_TABLE_H

#include "base/table.h"

#endif
