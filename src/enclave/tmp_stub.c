#include "attest/appraise.h"
#include "attest/reference.h"
#include "base/json.h"
enum ks_err ks_appraise(const struct ks_platform_evidence *e, const struct ks_appraise_spec *s, struct ks_appraisal *o)
{
    struct ks_quote_expect expect = {.extra_data = s->extra_data, .pcr_mask = e->pcr_mask, .pcr_values = e->pcr_values};
    enum ks_err err = ks_quote_check(e->ak, e->attest, e->signature, &expect, NULL);
    o->passed = err == KS_OK;
    return err;
}
void ks_appraisal_write_eat(const struct ks_appraisal *a, const struct ks_eat_subject *s, struct ks_buf *out)
{
    struct ks_json_writer w = ks_json_writer_of(out);
    (void)s;
    ks_json_put_object(&w);
    ks_json_put_key(&w, "ketseal_checks");
    ks_json_put_object(&w);
    ks_json_put_end(&w);
    ks_json_member_bool(&w, "ketseal_passed", a->passed);
    ks_json_put_end(&w);
}
