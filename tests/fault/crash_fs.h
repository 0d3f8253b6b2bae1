/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* crash_fs.h: a struct ks_fs over a crash disk. The disk and the layer outlive what uses them;
 * the layer is a value and owns nothing. */
#ifndef KS_TESTS_FAULT_CRASH_FS_H
#define KS_TESTS_FAULT_CRASH_FS_H

#include "base/sys.h"
#include "fault/crash_disk.h"

struct ks_fs crash_fs_of(struct crash_disk *disk);

#endif
