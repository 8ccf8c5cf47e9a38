#include "train/inference.h"

#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "core/random.h"
#include "tests/support/compare.h"
#include "tests/train/tiny_run.h"

using namespace resgrad;

TEST_CASE("mirrored exchanges left and right in both memory formats") {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {1, 2, 2, 3});
  const std::vector<double> want = {3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10};
  CHECK(mirrored(x).to_vector<double>() == want);
  const Tensor y = mirrored(x.detach(MemoryFormat::channels_last));
  CHECK(y.memory_format() == MemoryFormat::channels_last);
  CHECK(y.to_vector<double>() == want);
  CHECK(mirrored(Tensor::zeros({0, 3, 2, 2})).numel() == 0);
  CHECK_THROWS_AS(mirrored(Tensor::zeros({3, 2, 2})), ShapeError);
}

TEST_CASE("flip averages the logits of an image and its mirror image, so that both get the same") {
  const auto net = tiny_net();
  net->eval();
  const NoGradGuard no_grad;
  Random random(3, Purpose::test);
  const Tensor x = Tensor::randn({2, 3, 8, 8}, random, DType::float32, MemoryFormat::channels_last);
  const auto a = infer(*net, x, Tta::flip).to_vector<double>();
  const auto b = infer(*net, mirrored(x), Tta::flip).to_vector<double>();
  const auto plain = infer(*net, x, Tta::none).to_vector<double>();
  const auto mirror = infer(*net, mirrored(x), Tta::none).to_vector<double>();
  CHECK(plain == (*net)(x).to_vector<double>());
  CHECK(plain != mirror);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i] == doctest::Approx((plain[i] + mirror[i]) / 2));
    CHECK(a[i] == doctest::Approx(b[i]));
  }
}

TEST_CASE("largest values come first, the lower index among equal ones") {
  const std::vector<Ranked> top = largest({1, 5, 2, 5, 3}, 3);
  REQUIRE(top.size() == 3);
  CHECK(top[0].index == 1);
  CHECK(top[1].index == 3);
  CHECK(top[2].index == 4);
  CHECK(top[2].value == 3);
  CHECK(largest({1, 2}, 9).size() == 2);
  CHECK(largest({}, 5).empty());
}
