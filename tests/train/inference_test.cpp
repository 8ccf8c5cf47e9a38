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

// numpy.pad(x, 1, mode="reflect")[:2, :3] and [2:, 2:]
TEST_CASE("moved fills with reflected pixels in both memory formats") {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {1, 1, 2, 3});
  CHECK(moved(x, 1, 1).to_vector<double>() == std::vector<double>{5, 4, 5, 2, 1, 2});
  CHECK(moved(x, -1, -1).to_vector<double>() == std::vector<double>{5, 6, 5, 2, 3, 2});
  CHECK(moved(x, 0, 2).to_vector<double>() == std::vector<double>{3, 2, 1, 6, 5, 4});
  CHECK(moved(x, 0, 0).to_vector<double>() == x.to_vector<double>());
  Random random(3, Purpose::test);
  const Tensor many = Tensor::randn({2, 3, 4, 5}, random);
  CHECK(moved(many.detach(MemoryFormat::channels_last), -1, 2).to_vector<double>() ==
        moved(many, -1, 2).to_vector<double>());
  CHECK_THROWS_WITH_AS(moved(x, 2, 0), "moved: expected by less than 2 pixels, got 2", ValueError);
  CHECK_THROWS_AS(moved(Tensor::zeros({3, 2, 2}), 1, 1), ShapeError);
}

TEST_CASE("multicrop is the mean over six views, those of the image itself counting twice") {
  const auto net = tiny_net();
  net->eval();
  const NoGradGuard no_grad;
  Random random(4, Purpose::test);
  constexpr std::int64_t kSize = 8;
  const Tensor x = Tensor::randn({2, 3, kSize, kSize}, random);
  // the views one pixel at a time; a border is filled with the pixel next to the outermost one
  std::vector<double> expected(20);
  for (const std::int64_t shift : {0, 1, -1}) {
    for (const bool mirror : {false, true}) {
      Tensor view = Tensor::zeros({2, 3, kSize, kSize});
      for (std::int64_t plane = 0; plane < 6; ++plane) {
        for (std::int64_t i = 0; i < kSize; ++i) {
          for (std::int64_t j = 0; j < kSize; ++j) {
            std::int64_t row = i - shift, column = (mirror ? kSize - 1 - j : j) - shift;
            for (std::int64_t* place : {&row, &column}) {
              if (*place == -1) *place = 1;
              if (*place == kSize) *place = kSize - 2;
            }
            view.data<float>()[(plane * kSize + i) * kSize + j] =
                std::as_const(x).data<float>()[(plane * kSize + row) * kSize + column];
          }
        }
      }
      const auto logits = (*net)(view).to_vector<double>();
      for (std::size_t i = 0; i < 20; ++i) expected[i] += logits[i] / (shift == 0 ? 4 : 8);
    }
  }
  const auto actual = infer(*net, x, Tta::multicrop).to_vector<double>();
  REQUIRE(actual.size() == expected.size());
  const auto flip = infer(*net, x, Tta::flip).to_vector<double>();
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CHECK(actual[i] == doctest::Approx(expected[i]));
    CHECK(actual[i] != doctest::Approx(flip[i]));
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
