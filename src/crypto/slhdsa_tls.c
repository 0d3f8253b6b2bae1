/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* libssl learns signature algorithms from the capability TLS-SIGALG of each provider
 * (provider-base(7)). Of a provider it believes only those whose key type, by name, it fetches
 * from that same provider; and whether a certificate's key is of that type it decides by the
 * object that the name stands for. SLH-DSA keys are managed by libcrypto's default provider,
 * and that is to stay so. So the key type here is the algorithm's object identifier, its last
 * arc written with a leading zero: the same object, as a name one that nobody else has. It says
 * "this provider vouches for the algorithm", and has no keys. Certificates, their keys and the
 * signatures of CertificateVerify are those of the default provider, as of any other algorithm.
 * ks_slhdsa_tls_add checks that libcrypto at run time takes it so. */

#include "crypto/slhdsa_tls.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/provider.h>
#include <openssl/tls1.h>
#include <string.h>

#include "crypto/internal.h"

#define PROVIDER      "ketseal-slhdsa"
#define CAPABILITY    "TLS-SIGALG"
#define SECURITY_BITS 128 /* FIPS 205 table 2: n = 16, category 1 */

/* The numbers that libcrypto reads where a parameter points. TLS 1.3 alone (draft, section 4);
 * no DTLS. */
struct numbers {
    unsigned code;
    unsigned security_bits;
    int tls_min;
    int tls_max; /* 0: no limit above */
    int dtls_min;
    int dtls_max; /* -1: not at all */
};

#define ARC       "2.16.840.1.101.3.4.3."
#define TYPE_128S ARC "020"
#define TYPE_128F ARC "021"
#define NUMBERS(code_point)                                                                    \
    {                                                                                          \
        code_point, SECURITY_BITS, TLS1_3_VERSION, 0, -1, -1                                   \
    }

static const struct {
    const char *iana;
    const char *libcrypto_name;
    const char *oid;  /* RFC 9909 */
    const char *type; /* the same, as the head of this file says */
    struct numbers numbers;
} schemes[] = {
    {KS_SLHDSA_TLS_128S, "SLH-DSA-SHA2-128s", ARC "20", TYPE_128S,
     NUMBERS(KS_SLHDSA_TLS_128S_CODE)},
    {KS_SLHDSA_TLS_128F, "SLH-DSA-SHA2-128f", ARC "21", TYPE_128F,
     NUMBERS(KS_SLHDSA_TLS_128F_CODE)},
};
#define SCHEMES (sizeof schemes / sizeof schemes[0])

/* --- the key types ------------------------------------------------------------------------ */

/* What a key management must have (provider-keymgmt(7)). libcrypto asks for no key of these
 * types; who does gets none. */
static void *key_new(void *context)
{
    (void)context;
    return NULL;
}

static void key_free(void *key)
{
    (void)key;
}

static int key_has(const void *key, int selection)
{
    (void)key;
    (void)selection;
    return 0;
}

static const OSSL_DISPATCH key_functions[] = {
    {OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))key_new},
    {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))key_free},
    {OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))key_has},
    OSSL_DISPATCH_END,
};

static const OSSL_ALGORITHM key_types[] = {
    {TYPE_128S, "provider=" PROVIDER, key_functions, NULL},
    {TYPE_128F, "provider=" PROVIDER, key_functions, NULL},
    {NULL, NULL, NULL, NULL},
};

/* --- the provider ------------------------------------------------------------------------- */

static const OSSL_ALGORITHM *query(void *context, int operation, int *out_no_cache)
{
    (void)context;
    *out_no_cache = 0;
    return operation == OSSL_OP_KEYMGMT ? key_types : NULL;
}

/* The parameters point to constants; libcrypto's callback reads them only. */
static char *text_of(const char *constant)
{
    union {
        const char *constant;
        char *text;
    } cast = {.constant = constant};

    return cast.text;
}

static int tell_scheme(size_t index, OSSL_CALLBACK *tell, void *argument)
{
    struct numbers numbers = schemes[index].numbers;
    char *name = text_of(schemes[index].libcrypto_name);
    char *oid = text_of(schemes[index].oid);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_IANA_NAME,
                                         text_of(schemes[index].iana), 0),
        OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_SIGALG_CODE_POINT, &numbers.code),
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_NAME, name, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_OID, oid, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_KEYTYPE,
                                         text_of(schemes[index].type), 0),
        /* Known already, so that libssl makes no new object of the name. */
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_KEYTYPE_OID, oid, 0),
        OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_SIGALG_SECURITY_BITS,
                                  &numbers.security_bits),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_SIGALG_MIN_TLS, &numbers.tls_min),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_SIGALG_MAX_TLS, &numbers.tls_max),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_SIGALG_MIN_DTLS, &numbers.dtls_min),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_SIGALG_MAX_DTLS, &numbers.dtls_max),
        OSSL_PARAM_construct_end(),
    };

    return tell(params, argument);
}

static int capabilities(void *context, const char *capability, OSSL_CALLBACK *tell,
                        void *argument)
{
    (void)context;
    if (strcmp(capability, CAPABILITY) != 0) {
        return 1; /* nothing to tell is no failure */
    }
    for (size_t i = 0; i < SCHEMES; i++) {
        if (tell_scheme(i, tell, argument) != 1) {
            return 0;
        }
    }
    return 1;
}

static const OSSL_DISPATCH provider_functions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
    OSSL_DISPATCH_END,
};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
                         const OSSL_DISPATCH **out_functions, void **out_context)
{
    static const char context[] = PROVIDER; /* there is nothing to keep; NULL is a failure */

    (void)handle;
    (void)core;
    *out_functions = provider_functions;
    *out_context = text_of(context);
    return 1;
}

/* --- adding it ---------------------------------------------------------------------------- */

/* ARGUMENT is a bool: set when PARAMS are of a code point that we would add. */
static int note_scheme(const OSSL_PARAM params[], void *argument)
{
    bool *known = argument;
    const OSSL_PARAM *code =
        OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_SIGALG_CODE_POINT);
    unsigned value = 0;

    if (code != NULL && OSSL_PARAM_get_uint(code, &value) == 1) {
        for (size_t i = 0; i < SCHEMES; i++) {
            *known = *known || schemes[i].numbers.code == value;
        }
    }
    return 1;
}

static int note_provider(OSSL_PROVIDER *provider, void *argument)
{
    (void)OSSL_PROVIDER_get_capabilities(provider, CAPABILITY, note_scheme, argument);
    return 1;
}

/* That the types do what the head of this file says. */
static enum ks_err check_types(void)
{
    for (size_t i = 0; i < SCHEMES; i++) {
        EVP_KEYMGMT *type = EVP_KEYMGMT_fetch(NULL, schemes[i].type, NULL);
        const OSSL_PROVIDER *provider = type != NULL ? EVP_KEYMGMT_get0_provider(type) : NULL;
        bool ours = provider != NULL &&
                    strcmp(OSSL_PROVIDER_get0_name(provider), PROVIDER) == 0 &&
                    OBJ_txt2nid(schemes[i].type) == OBJ_txt2nid(schemes[i].libcrypto_name);

        EVP_KEYMGMT_free(type);
        if (!ours) {
            return ks_fail_libcrypto(KS_ERR_UNAVAILABLE, schemes[i].iana);
        }
    }
    return KS_OK;
}

enum ks_err ks_slhdsa_tls_add(void)
{
    bool known = false;

    if (OSSL_PROVIDER_do_all(NULL, note_provider, &known) != 1) {
        return ks_fail_libcrypto(KS_ERR_UNAVAILABLE, "asking libcrypto for its providers");
    }
    ks_libcrypto_forget();
    if (known) {
        return KS_OK;
    }
    /* The default provider, which is there for as long as none was asked for, has to stay. */
    if (OSSL_PROVIDER_add_builtin(NULL, PROVIDER, provider_init) != 1 ||
        OSSL_PROVIDER_try_load(NULL, PROVIDER, 1) == NULL) {
        return ks_fail_libcrypto(KS_ERR_UNAVAILABLE, "adding the provider " PROVIDER);
    }
    return check_types();
}
