#include "data/policy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

using namespace resgrad;
using namespace resgrad::data;

namespace {

Random stream(std::uint64_t sample) {
  return Random(1, Purpose::test, 0, sample);
}

}  // namespace

TEST_CASE("magnitudes and signs are those of torchvision") {
  std::ifstream file(RESGRAD_GOLDEN_DIR "/image_ops.json");
  const auto golden = nlohmann::json::parse(file);
  int checked = 0;
  for (const auto& range : golden.at("magnitudes")) {
    CAPTURE(range.dump());
    const Policy policy = parse_in(kPolicyNames, "policy", range["policy"].get<std::string>());
    const ImageOp op = parse_in(kImageOpNames, "op", range["op"].get<std::string>());
    CHECK(is_signed(op) == range["signed"]);
    const auto& want = range["magnitudes"];
    for (int bin = 0; bin < kMagnitudes; ++bin) {
      const double own = magnitude(policy, op, bin, range["height"], range["width"]);
      if (want.empty()) {
        CHECK(own == 0);
        continue;
      }
      // linspace rounds in float32, as the processor likes
      const double theirs = want[static_cast<std::size_t>(bin)];
      CHECK(std::abs(own - theirs) <= 2e-7 * std::abs(theirs));
      ++checked;
    }
  }
  CHECK(checked == 2 * 2 * 11 * kMagnitudes);
}

TEST_CASE("TrivialAugment draws one operation, all alike, with all magnitudes and both signs") {
  constexpr int kDraws = 14000;
  std::map<ImageOp, int> count;
  std::set<double> shears, solarizes;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    Random random = stream(i);
    const ImageSteps steps = draw_steps(Policy::trivial, 32, 32, random);
    CHECK(steps[1] == ImageStep{});
    ++count[steps[0].op];
    if (steps[0].op == ImageOp::shear_x) shears.insert(steps[0].magnitude);
    if (steps[0].op == ImageOp::solarize) solarizes.insert(steps[0].magnitude);
  }
  CHECK(count.size() == 14);
  for (const auto& entry : count) {
    CHECK(std::abs(entry.second - 1000) < 4 * std::sqrt(1000 * 13 / 14.0));
  }
  CHECK(shears.size() == 2 * kMagnitudes - 1);  // 0 and -0 are one
  CHECK(*shears.begin() == doctest::Approx(-0.99));
  CHECK(*shears.rbegin() == doctest::Approx(0.99));
  CHECK(solarizes.size() == kMagnitudes);
}

TEST_CASE("RandAugment draws two operations with the tenth magnitude") {
  std::set<ImageOp> first, second;
  std::set<double> rotations;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    Random random = stream(i);
    const ImageSteps steps = draw_steps(Policy::rand, 32, 32, random);
    first.insert(steps[0].op);
    second.insert(steps[1].op);
    for (const ImageStep& step : steps) {
      CHECK(std::abs(step.magnitude) == magnitude(Policy::rand, step.op, 9, 32, 32));
      if (step.op == ImageOp::rotate) rotations.insert(step.magnitude);
    }
  }
  CHECK(first.size() == 14);
  CHECK(second.size() == 14);
  CHECK(rotations == std::set<double>{-9, 9});
}

TEST_CASE("draws are a function of the stream, and plain draws nothing") {
  Random a = stream(3), b = stream(3);
  CHECK(draw_steps(Policy::rand, 32, 32, a) == draw_steps(Policy::rand, 32, 32, b));
  const std::uint32_t next = b.next_u32();
  CHECK(draw_steps(Policy::plain, 32, 32, a) == ImageSteps{});
  CHECK(a.next_u32() == next);
}
