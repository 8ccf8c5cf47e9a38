#include "train/profile.h"

#include <doctest/doctest.h>

#include "nn/loss.h"
#include "tests/train/tiny_run.h"

using namespace resgrad;

TEST_CASE("the profile counts layers forward and operations backward, while it is alive") {
  const auto net = tiny_net();
  const auto step = [&] {
    CrossEntropyLoss()((*net)(Tensor::ones({2, 3, 8, 8})), Tensor::zeros({2}, DType::int64))
        .backward();
  };
  std::string table;
  {
    const Profile profile;
    step();
    step();
    table = profile.table(2, 1.0);
  }
  step();
  // 1 stem + 2 per block + 1 projection
  CHECK(table.find("forward Conv2d                             6.0") != std::string::npos);
  CHECK(table.find("backward conv2d                            6.0") != std::string::npos);
  CHECK(table.find("backward cross_entropy") != std::string::npos);
  CHECK(table.find("Sequential") == std::string::npos);
  CHECK(table.find("other") != std::string::npos);
}
