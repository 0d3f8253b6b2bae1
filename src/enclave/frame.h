/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* frame.h: what ketseald, the enclave, the launcher and the workers say to each other over
 * socketpairs (docs/formats/frames.md). A frame: u32 length of what follows, u16 type, u32 id,
 * payload. An answer carries the request's id and its type with KS_FRAME_ANSWER set, and begins
 * with a u16 error code; if that is not 0, a lp16 detail ends it. */
#ifndef KS_ENCLAVE_FRAME_H
#define KS_ENCLAVE_FRAME_H

#include "base/buf.h"

#define KS_FRAME_MAX        (40 * 1024 * 1024)
#define KS_FRAME_HEADER_LEN 10
#define KS_FRAME_ANSWER     0x8000

enum ks_frame_type {
    /* ketseald -> enclave */
    KS_FRAME_HELLO = 1,      /* -> site document */
    KS_FRAME_KEYS = 2,       /* one-time keys for a device */
    KS_FRAME_AUTH = 3,       /* a signed request: spend its key, name its device */
    KS_FRAME_ADMIT = 4,      /* a signed job: spend its key, check all, give the intent */
    KS_FRAME_RUN = 5,        /* run an admitted job whose intent is durable -> sealed record */
    KS_FRAME_CANCEL = 6,     /* end a job before its record */
    KS_FRAME_CHECKPOINT = 7, /* sign the ledger's head after checking consistency */
    KS_FRAME_ATTEST = 8,     /* a quote over a caller's nonce */
    KS_FRAME_ENROL = 9,      /* a token and a TPM -> a challenge for that TPM */
    KS_FRAME_ENROL_FINISH = 10,     /* its answer -> a device's certificate, an entry */
    KS_FRAME_DEVICE_CHALLENGE = 11, /* a device is to attest, or to rotate -> nonce, PCRs */
    KS_FRAME_DEVICE_EVIDENCE = 12,  /* what it shows -> the verdict, an entry */
    KS_FRAME_ROTATE = 13,           /* a new key for a device -> its certificate, an entry */
    KS_FRAME_ORDER = 14,            /* an operator's order about a device -> device, entry */
    KS_FRAME_DEVICES = 15,          /* an operator looks -> devices */
    KS_FRAME_SITE_REQUEST = 16,     /* what the operator's CA is to certify */
    KS_FRAME_SITE_ACTIVATE = 17,    /* a credential for our TPM -> the proof that it is ours */
    KS_FRAME_SITE_CERTIFY = 18,     /* the site's document, certified -> in use */
    KS_FRAME_ANNOUNCE = 19,         /* a device names quantum keys that it holds */
    KS_FRAME_ALERT = 23,            /* a job that ran is an anomaly -> how many, an entry */
    KS_FRAME_FL_ORDER = 24,    /* an operator's order about federated learning -> session */
    KS_FRAME_FL_STATUS = 25,   /* what enum ks_fl_ask says -> a document */
    KS_FRAME_FL_JOIN = 26,     /* a device takes part, or does not -> the round */
    KS_FRAME_FL_OFFER = 27,    /* time passes -> rounds whose records want an intent */
    KS_FRAME_FL_RECORDED = 28, /* the record of a round is durable */
    KS_FRAME_FL_LIST = 29,     /* a round has ended -> its list */
    KS_FRAME_FL_UPLOAD = 36,   /* a device begins to send a file ahead: may it? -> nothing */
    /* enclave -> launcher */
    KS_FRAME_KILL = 20, /* end a worker: u32 process id */
    /* launcher -> enclave, each with one descriptor attached */
    KS_FRAME_WORKER = 21, /* a fresh worker: u32 process id */
    KS_FRAME_CONFIG = 22, /* first of all: struct ks_enclave_config; no descriptor */
    /* enclave -> worker */
    KS_FRAME_JOB = 30, /* -> counts */
    /* enclave -> ketseal-worker-fl: docs in enclave/fl_work.h */
    KS_FRAME_FL_FILE = 31,       /* one descriptor attached; never answered */
    KS_FRAME_FL_BEGIN = 32,      /* a round, new or from a checkpoint -> what runs it */
    KS_FRAME_FL_UPDATE = 33,     /* a sealed update -> its hash, norm, score */
    KS_FRAME_FL_CHECKPOINT = 34, /* write what was added -> hash of the file */
    KS_FRAME_FL_FINISH = 35,     /* write the new model -> its hash */
    /* enclave -> ketseald, on a channel of their own: files of rounds */
    KS_FRAME_FL_OPEN = 50, /* -> its length, and the descriptor */
    KS_FRAME_FL_SYNC = 51, /* what was written is to survive a crash -> nothing */
    /* enclave <-> ketseald, never answered: the connection to the site's key manager, of whose
     * bytes ketseald sees the ciphertext; the id is the connection's */
    KS_FRAME_LINK_OPEN = 40,  /* enclave -> ketseald: connect */
    KS_FRAME_LINK_DATA = 41,  /* bytes, either way */
    KS_FRAME_LINK_CLOSE = 42, /* either way; from ketseald with the reason, a text */
};

/* What KS_FRAME_FL_STATUS asks for. */
enum ks_fl_ask {
    KS_FL_ASK_SESSIONS = 0,
    KS_FL_ASK_SESSION = 1,
    KS_FL_ASK_DESCRIPTOR = 2, /* of the last round */
    KS_FL_ASK_ROUND = 3,      /* a number */
    KS_FL_ASK_ROUNDS = 4,     /* a page behind a number; so are models and history */
    KS_FL_ASK_MODELS = 5,
    KS_FL_ASK_HISTORY = 6,
    KS_FL_ASK_DEVICES = 7, /* a page behind a name */
    KS_FL_ASK_METRICS = 8, /* of the site */
    KS_FL_ASKS
};
#define KS_FL_PAGE_MAX 1000 /* items of a page */

#define KS_LINK_DATA_MAX 16384 /* bytes in one frame */
#define KS_LINK_TEXT_MAX 200   /* bytes of a reason */

struct ks_frame {
    uint16_t type;
    uint32_t id;
    struct ks_bytes payload; /* borrowed from the channel until the next receive or consume */
};

/* One end of a stream socket with its two buffers. Blocking or not is the descriptor's
 * business. */
struct ks_channel {
    int fd;
    const char *peer; /* names the other end in errors */
    struct ks_buf in;
    struct ks_buf out;
    size_t in_done; /* bytes of IN belonging to the frame given out last */
};

void ks_channel_init(struct ks_channel *channel, int fd, const char *peer);
/* Closes and frees; wipes the buffers, since keys pass through some. */
void ks_channel_done(struct ks_channel *channel);

/* --- writing: build the payload in place -------------------------------------------------- */
/* Starts a frame in OUT; returns its offset, to be given to _end. Put the payload with
 * ks_buf_put_*. */
size_t ks_frame_begin(struct ks_buf *out, uint16_t type, uint32_t id);
void ks_frame_end(struct ks_buf *out, size_t begin);
/* An answer: _begin with the type of REQUEST and code 0; _error with the code and its stored
 * detail. */
size_t ks_answer_begin(struct ks_buf *out, uint16_t request_type, uint32_t id);
void ks_answer_error(struct ks_buf *out, uint16_t request_type, uint32_t id, enum ks_err err);

/* Sends what is buffered. Blocking descriptors: all of it. Non-blocking: as much as goes now.
 */
KS_MUST_CHECK enum ks_err ks_channel_flush(struct ks_channel *channel);

/* --- reading ------------------------------------------------------------------------------ */
/* The next whole frame, if one is buffered. KS_ERR_FORMAT for a length or header that cannot
 * be. */
KS_MUST_CHECK enum ks_err ks_channel_next(struct ks_channel *channel,
                                          struct ks_frame *out_frame, bool *out_found);
/* Reads what is there (at most one read(2)); KS_ERR_NOT_FOUND when the peer has closed. When
 * OUT_FD is not NULL a descriptor that came along is stored there, else -1. */
KS_MUST_CHECK enum ks_err ks_channel_fill(struct ks_channel *channel, int *out_fd);
/* Blocks until one whole frame is there, and reads nothing behind it. A descriptor that comes
 * with it is lost. */
KS_MUST_CHECK enum ks_err ks_channel_receive(struct ks_channel *channel,
                                             struct ks_frame *out_frame);
/* Sends one small frame with descriptor FD attached (SCM_RIGHTS), past the buffer. KS_ERR_IO
 * while that is not empty: the peer leaves unread what was sent before. */
KS_MUST_CHECK enum ks_err ks_channel_send_fd(struct ks_channel *channel, uint16_t type,
                                             uint32_t id, struct ks_bytes payload, int fd);

/* Whether FRAME answers a request of that type, well: such an answer alone can have a
 * descriptor, and the kernel joins an error before it with it in one read. */
bool ks_answer_is_well(const struct ks_frame *frame, uint16_t request_type);
/* Opens an answer's payload: KS_OK with the reader past the code, or the error that the peer
 * sent, with its detail stored. */
KS_MUST_CHECK enum ks_err ks_answer_open(const struct ks_frame *frame,
                                         struct ks_reader *out_reader);

#endif
