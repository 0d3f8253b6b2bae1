/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Settings of a command in YAML: what passes has texts within the limits, on lines of the file.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ks_settings_key keys[] = {
        {"rounds", false, false}, {"device", true, false}, {"first", false, true}};
    const size_t count = sizeof keys / sizeof keys[0];
    char path[32];
    struct ks_settings *settings = NULL;
    const int fd = memfd_create("settings", MFD_CLOEXEC);

    KS_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (ks_settings_open(path, keys, count, &settings) == KS_OK) {
        for (size_t i = 0; i < count; i++) {
            const char *const *values = NULL;
            const size_t values_count = ks_settings_values(settings, i, &values);

            KS_ASSERT(values_count <= (keys[i].list ? KS_SETTINGS_VALUES_MAX : 1));
            KS_ASSERT(ks_settings_line(settings, i) <= size + 1);
            for (size_t j = 0; j < values_count; j++) {
                KS_ASSERT(strlen(values[j]) <= KS_SETTINGS_TEXT_MAX + strlen(path));
            }
        }
        ks_settings_close(settings);
    }
    KS_ASSERT(close(fd) == 0);
    return 0;
}
