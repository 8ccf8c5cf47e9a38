// The gradients of both residual blocks, against central differences in double.
#include <doctest/doctest.h>

#include <set>

#include "tests/support/guards.h"
#include "train/cli/block_gradcheck_cases.h"

using namespace resgrad;

namespace {

void check_all(const std::string& op, const GradcheckOptions& options) {
  const testing::ThreadsGuard one(
      1);  // small tensors, over which threads would wait for each other
  int checked = 0;
  for (const GradcheckCase& c : block_gradcheck_cases()) {
    if (c.op != op) continue;
    const GradcheckResult result = c.run(options);
    ++checked;
    CHECK_MESSAGE(result.ok, c.name, ": ", result.explain());
    CHECK_MESSAGE(result.checked > 100, c.name, " compares little");
  }
  CHECK(checked >= 24);
}

}  // namespace

TEST_CASE("ResNetBlock passes its gradient checks") {
  check_all("ResNetBlock", {});
}

TEST_CASE("ResNeXtBlock passes its gradient checks") {
  check_all("ResNeXtBlock", {});
}

TEST_CASE("other random weights of the loss pass as well") {
  check_all("ResNetBlock", {.seed = 1});
}

TEST_CASE("the names of the blocks' cases differ and begin with the block") {
  std::set<std::string> names;
  for (const GradcheckCase& c : block_gradcheck_cases()) {
    CAPTURE(c.name);
    CHECK(names.insert(c.name).second);
    CHECK(c.name.starts_with(c.op));
  }
}
