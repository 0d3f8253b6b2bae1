#include "attest/appraise.h"
#include "attest/reference.h"
#include "base/json.h"
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
