/* Every trouble has a layer, a name and a sentence that fits; every errno of opening has a trouble. */
#include "trouble.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void sentences(void **state)
{
	char why[200];

	for (int i = 1; i < HS_TROUBLE_COUNT; i++) {
		memset(why, 'x', sizeof(why));
		trouble_explain((enum hs_trouble)i, 1023, "/dev/dahdi", why, sizeof(why));
		assert_true(strlen(why) < sizeof(why) - 1);
		assert_non_null(strstr(why, "1023"));
		assert_non_null(strchr(why, ':')); /* what is wrong: the mend */
		assert_string_not_equal(trouble_layer_name(trouble_layer((enum hs_trouble)i)), "?");
	}
	trouble_explain(0, 1, "/dev/dahdi", why, sizeof(why));
	assert_true(strlen(why) > 0);
}

static void errors(void **state)
{
	assert_int_equal(trouble_of(-ENODEV), HS_TROUBLE_NO_DRIVER);
	assert_int_equal(trouble_of(-ENOENT), HS_TROUBLE_MISSING);
	assert_int_equal(trouble_of(-ENXIO), HS_TROUBLE_UNCONFIGURED);
	assert_int_equal(trouble_of(-EBUSY), HS_TROUBLE_IN_USE);
	assert_int_equal(trouble_of(-EACCES), HS_TROUBLE_FORBIDDEN);
	assert_int_equal(trouble_of(-ENOMEM), HS_TROUBLE_NO_RESOURCES);
	assert_int_equal(trouble_of(-ENODATA), HS_TROUBLE_NO_TONE_ZONE);
	assert_int_equal(trouble_of(-EIO), HS_TROUBLE_DEVICE);
	for (int error = 1; error < 600; error++)
		assert_int_not_equal(trouble_of(-error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sentences), cmocka_unit_test(errors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
