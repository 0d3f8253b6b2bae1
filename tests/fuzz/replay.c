/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* replay FOLDER: runs a fuzzer once on every file of its corpus, without a fuzzing engine. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX (1u << 20)

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(FILE_MAX);
    size_t size = 0;
    int failed = file == NULL || data == NULL;

    if (!failed) {
        size = fread(data, 1, FILE_MAX, file);
        failed = ferror(file) != 0;
    }
    if (!failed) {
        /* An exact allocation, so that a sanitizer sees a read past its end. */
        uint8_t *exact = realloc(data, size > 0 ? size : 1);
        data = exact != NULL ? exact : data;
        (void)LLVMFuzzerTestOneInput(data, size);
    } else {
        perror(path);
    }
    free(data);
    if (file != NULL) {
        (void)fclose(file);
    }
    return failed;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    unsigned count = 0;
    int failed = 0;

    if (folder == NULL) {
        (void)fprintf(stderr, "replay: cannot open the corpus\n");
        return 1;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[4096];
        struct stat info;

        if (snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name) < (int)sizeof path &&
            stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            failed |= replay(path);
            count++;
        }
    }
    (void)closedir(folder);
    (void)printf("%u inputs\n", count);
    return failed != 0 || count == 0; /* an empty corpus tests nothing */
}
