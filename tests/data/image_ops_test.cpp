// Image operations against torchvision's, byte for byte, and against what they promise.
#include "data/image_ops.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <span>

#include "core/check.h"
#include "data/md5.h"
#include "data/policy.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

using Planes = std::vector<std::uint8_t>;

// By the formula of scripts/make_image_goldens.py.
Planes image(const std::string& name, int height, int width) {
  Planes planes(static_cast<std::size_t>(3 * height * width));
  for (std::size_t i = 0; i < planes.size(); ++i) {
    const auto z = static_cast<std::uint32_t>((i + 1) * 2654435761u);
    const std::uint32_t b = ((z ^ (z >> 15)) >> 8) % 256;
    planes[i] = static_cast<std::uint8_t>(name == "noise" ? b : name == "dim" ? 60 + b % 61 : 77);
  }
  return planes;
}

Planes after(ImageOp op, double magnitude, Planes planes, int height, int width) {
  apply(op, magnitude, planes.data(), height, width);
  return planes;
}

// One row of grey pixels.
Planes row(const std::vector<std::uint8_t>& values) {
  Planes planes;
  for (int c = 0; c < 3; ++c) planes.insert(planes.end(), values.begin(), values.end());
  return planes;
}

}  // namespace

TEST_CASE("operations at all magnitudes give the bytes of torchvision") {
  std::ifstream file(RESGRAD_GOLDEN_DIR "/image_ops.json");
  const auto golden = nlohmann::json::parse(file);
  std::set<std::string> ops;
  for (const auto& c : golden.at("cases")) {
    CAPTURE(c.dump());
    const int height = c["height"], width = c["width"];
    const Policy policy = parse_in(kPolicyNames, "policy", c["policy"].get<std::string>());
    const ImageOp op = parse_in(kImageOpNames, "op", c["op"].get<std::string>());
    const bool has_magnitude = magnitude(policy, op, 0, height, width) !=
                               magnitude(policy, op, kMagnitudes - 1, height, width);
    const Planes start = image(c["image"], height, width);
    Planes all;
    for (int bin = 0; bin < (has_magnitude ? kMagnitudes : 1); ++bin) {
      for (const double sign : {1.0, -1.0}) {
        if (sign < 0 && !is_signed(op)) continue;
        const Planes result =
            after(op, sign * magnitude(policy, op, bin, height, width), start, height, width);
        all.insert(all.end(), result.begin(), result.end());
      }
    }
    CHECK(md5(std::as_bytes(std::span(all))) == c["md5"]);
    ops.insert(c["op"]);
  }
  CHECK(ops.size() == std::size(kImageOpNames));
}

TEST_CASE("geometry moves pixels as it says, and black comes in") {
  const Planes values = row({1, 2, 3, 4, 5});
  CHECK(after(ImageOp::identity, 3, values, 1, 5) == values);
  CHECK(after(ImageOp::translate_x, 2.9, values, 1, 5) == row({0, 0, 1, 2, 3}));
  CHECK(after(ImageOp::translate_x, -1, values, 1, 5) == row({2, 3, 4, 5, 0}));
  CHECK(after(ImageOp::translate_y, 1, values, 1, 5) == row({0, 0, 0, 0, 0}));
  CHECK(after(ImageOp::translate_y, -2, values, 5, 1) == row({3, 4, 5, 0, 0}));
  const Planes square = row({1, 2, 3, 4});
  CHECK(after(ImageOp::rotate, 90, square, 2, 2) == row({2, 4, 1, 3}));  // against the clock
  CHECK(after(ImageOp::rotate, -90, square, 2, 2) == row({3, 1, 4, 2}));
  // a row further down comes from further right
  CHECK(after(ImageOp::shear_x, 0.5, row({1, 2, 3, 4, 1, 2, 3, 4}), 2, 4) ==
        row({1, 2, 3, 4, 2, 3, 4, 0}));
  CHECK(after(ImageOp::shear_y, 0.5, row({1, 1, 2, 2, 3, 3, 4, 4}), 4, 2) ==
        row({1, 2, 2, 3, 3, 4, 4, 0}));
}

TEST_CASE("colours are blended, cut, inverted, stretched and evened out") {
  CHECK(after(ImageOp::brightness, -0.5, row({0, 100, 255}), 1, 3) == row({0, 50, 127}));
  CHECK(after(ImageOp::brightness, 1, row({0, 100, 255}), 1, 3) == row({0, 200, 255}));
  CHECK(after(ImageOp::contrast, -1, row({0, 100, 200}), 1, 3) == row({99, 99, 99}));
  const Planes red = {200, 0, 0};
  CHECK(after(ImageOp::color, -1, red, 1, 1) == Planes{59, 59, 59});  // 0.2989 * 200
  Planes dot(75, 0);
  for (int c = 0; c < 3; ++c) dot[static_cast<std::size_t>(c * 25 + 12)] = 130;
  const Planes blurred = after(ImageOp::sharpness, -1, dot, 5, 5);
  CHECK(blurred[12] == 50);  // 5 / 13
  CHECK(blurred[7] == 10);   // 1 / 13
  CHECK(blurred[2] == 0);
  CHECK(after(ImageOp::sharpness, -1, row({9, 8}), 1, 2) == row({9, 8}));  // no inner pixel
  CHECK(after(ImageOp::posterize, 2, row({255, 130, 63}), 1, 3) == row({192, 128, 0}));
  CHECK(after(ImageOp::posterize, 8, row({255, 130, 63}), 1, 3) == row({255, 130, 63}));
  CHECK(after(ImageOp::solarize, 127.5, row({127, 128, 255}), 1, 3) == row({127, 127, 0}));
  CHECK(after(ImageOp::auto_contrast, 0, row({50, 75, 100}), 1, 3) == row({0, 127, 255}));
  CHECK(after(ImageOp::auto_contrast, 0, row({50, 50}), 1, 2) == row({50, 50}));
  // 1020 pixels of four levels: 765 of them below the last make a step of 3
  std::vector<std::uint8_t> levels(1020);
  for (std::size_t i = 0; i < levels.size(); ++i)
    levels[i] = static_cast<std::uint8_t>(10 + i / 255);
  const Planes even = after(ImageOp::equalize, 0, row(levels), 4, 255);
  CHECK(std::set<int>(even.begin(), even.end()) == std::set<int>{0, 85, 170, 255});
}

TEST_CASE("magnitudes that no operation has are errors") {
  CHECK_THROWS_WITH_AS(after(ImageOp::brightness, -1.5, row({1}), 1, 1),
                       "image operation: magnitude: expected at least -1, got -1.5", ValueError);
  CHECK_THROWS_WITH_AS(after(ImageOp::posterize, 9, row({1}), 1, 1),
                       "image operation: Posterize: expected 0 to 8 bits, got 9", ValueError);
}
