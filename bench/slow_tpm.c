/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* slow_tpm STATE_DIR QUOTE_MS [OTHER_MS]: a swtpm as slow as a chip, behind a character device
 * of its own. Prints the device's path, then answers its commands until it is killed: each
 * quote QUOTE_MS after it was sent, everything else OTHER_MS (0) after. The device serves one
 * user at a time, and the next one after him, like a chip. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "tpm/internal.h"
#include "tpm/tpm.h"

#define DELAY_MAX_MS 60000

struct relay {
    int user;  /* the device's other side */
    int swtpm; /* a socket */
    unsigned quote_ms;
    unsigned other_ms;
};

/* One command or answer from FD: u16 tag, u32 size, u32 code, the rest. */
static enum ks_err read_message(int fd, const char *what, struct ks_buf *out,
                                uint32_t *out_code)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[KS_TPM_FRAME_MAX] = {0};
    struct ks_reader reader = ks_reader_of(ks_bytes_of(bytes, KS_TPM_HEADER_LEN), what);
    uint16_t tag;
    uint32_t size;

    KS_TRY(ks_fd_read(fd, bytes, KS_TPM_HEADER_LEN, what));
    KS_TRY(ks_read_u16(&reader, &tag));
    KS_TRY(ks_read_u32(&reader, &size));
    KS_TRY(ks_read_u32(&reader, out_code));
    KS_CHECK(size >= KS_TPM_HEADER_LEN && size <= sizeof bytes, KS_ERR_FORMAT, "%s of %u bytes",
             what, (unsigned)size);
    KS_TRY(ks_fd_read(fd, bytes + KS_TPM_HEADER_LEN, size - KS_TPM_HEADER_LEN, what));
    ks_buf_clear(out);
    ks_buf_put(out, ks_bytes_of(bytes, size));
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

static void wait_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static enum ks_err answer_all(const struct relay *relay)
{
    enum ks_err err = KS_OK;
    struct ks_buf message;
    uint32_t code = 0;
    uint32_t result = 0;

    ks_buf_init(&message, KS_TPM_FRAME_MAX);
    for (;;) {
        KS_TRY(read_message(relay->user, "command", &message, &code));
        KS_TRY(ks_fd_write(relay->swtpm, ks_buf_view(&message), "swtpm"));
        KS_TRY(read_message(relay->swtpm, "answer", &message, &result));
        wait_ms(code == TPM2_CC_Quote ? relay->quote_ms : relay->other_ms);
        KS_TRY(ks_fd_write(relay->user, ks_buf_view(&message), "device"));
    }
out:
    ks_buf_done(&message);
    return err;
}

static enum ks_err run(const char *state_dir, struct relay *relay)
{
    enum ks_err err = KS_OK;
    struct termios raw = {0};
    char name[64];
    int device = -1; /* kept open, so that the terminal outlives its users */
    pid_t pid = -1;

    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    KS_CHECK(openpty(&relay->user, &device, name, &raw, NULL) == 0, KS_ERR_IO,
             "pseudo-terminal: %s", strerror(errno));
    KS_TRY(ks_tpm_start_swtpm(NULL, state_dir, &relay->swtpm, &pid));
    (void)printf("%s\n", name);
    (void)fflush(stdout);
    KS_TRY(answer_all(relay));
out:
    ks_fd_close(&relay->swtpm);
    ks_fd_close(&relay->user);
    ks_fd_close(&device);
    ks_tpm_stop_swtpm(pid);
    return err;
}

int main(int argc, char **argv)
{
    uint64_t quote_ms = 0;
    uint64_t other_ms = 0;
    struct relay relay = {.user = -1, .swtpm = -1};

    if (argc < 3 || argc > 4 ||
        ks_text_u64(ks_bytes_text(argv[2]), DELAY_MAX_MS, &quote_ms) != KS_OK ||
        (argc == 4 && ks_text_u64(ks_bytes_text(argv[3]), DELAY_MAX_MS, &other_ms) != KS_OK)) {
        (void)fprintf(stderr, "usage: slow_tpm STATE_DIR QUOTE_MS [OTHER_MS]\n");
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    relay.quote_ms = (unsigned)quote_ms;
    relay.other_ms = (unsigned)other_ms;
    enum ks_err err = run(argv[1], &relay);
    (void)fprintf(stderr, "slow_tpm: %s\n", ks_err_detail());
    return ks_err_exit_code(err);
}
