// Every case of the catalogue, against central differences in double.
#include <doctest/doctest.h>

#include "core/catalogue/gradcheck_cases.h"
#include "tests/support/guards.h"

using namespace resgrad;

namespace {

// What threads share is compared bit by bit elsewhere; here they would wait for each other most of
// the time, since the tensors are small.
struct OneThread {
  testing::ThreadsGuard guard{1};
};

}  // namespace

TEST_CASE_FIXTURE(OneThread, "every differentiable operation passes its gradient checks") {
  for (const GradcheckCase& c : op_gradcheck_cases()) {
    const GradcheckResult result = c.run({});
    CHECK_MESSAGE(result.ok, c.name, ": ", result.explain());
    CHECK_MESSAGE(result.checked > 0, c.name, " compares nothing");
  }
}

TEST_CASE_FIXTURE(OneThread, "other random weights of the loss pass as well") {
  for (const GradcheckCase& c : op_gradcheck_cases()) {
    const GradcheckResult result = c.run({.seed = 1});
    CHECK_MESSAGE(result.ok, c.name, ": ", result.explain());
  }
}

TEST_CASE_FIXTURE(OneThread, "every convolution engine passes the gradient checks in float32") {
  testing::for_each_isa([](kernels::Isa isa) {
    testing::for_each_conv2d_engine([isa](std::string_view engine) {
      const auto cases = conv2d_engine_gradcheck_cases();
      CAPTURE(name(isa));
      CAPTURE(engine);
      CHECK(cases.size() >= 2);
      for (const GradcheckCase& c : cases) {
        const GradcheckResult result = c.run({});
        CHECK_MESSAGE(result.ok, c.name, ": ", result.explain());
      }
    });
  });
}
