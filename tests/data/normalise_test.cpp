#include "data/normalise.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/check.h"
#include "data/cifar.h"
#include "data/synthetic.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

void check_preset(const Dataset& train) {
  const Normalisation measured = measure_normalisation(train), preset = normalisation(train.name);
  for (std::size_t c = 0; c < 3; ++c) {
    CAPTURE(c);
    CHECK(std::abs(measured.mean[c] - preset.mean[c]) <= 0.5e-4 + 1e-9);
    CHECK(std::abs(measured.std[c] - preset.std[c]) <= 0.5e-4 + 1e-9);
  }
}

}  // namespace

TEST_CASE("measured mean and deviation of a small data set are those worked out by hand") {
  // red: half 0, half 255: mean 0.5, deviation 0.5; green: all 51: 0.2 and 0; blue: 0
  Dataset d{.images = std::vector<std::uint8_t>(3 * 4), .labels = {0}, .height = 2, .width = 2};
  d.images = {0, 255, 255, 0, 51, 51, 51, 51, 0, 0, 0, 0};
  const Normalisation n = measure_normalisation(d);
  CHECK(n.mean[0] == doctest::Approx(0.5));
  CHECK(n.std[0] == doctest::Approx(0.5));
  CHECK(n.mean[1] == doctest::Approx(0.2));
  CHECK(n.std[1] == doctest::Approx(0.0));
  CHECK(n.mean[2] == 0);
}

TEST_CASE("a constant channel has the deviation 0") {
  for (int level = 0; level < 256; ++level) {
    const Dataset d{.images = std::vector<std::uint8_t>(3 * 7, static_cast<std::uint8_t>(level)),
                    .labels = {0},
                    .height = 1,
                    .width = 7};
    CHECK(measure_normalisation(d).std[1] == doctest::Approx(0.0));
  }
  CHECK_THROWS_WITH_AS(measure_normalisation(Dataset{}),
                       "measure_normalisation: dataset: expected at least one image, got none",
                       ValueError);
}

TEST_CASE("the synthetic preset is that of the default training set") {
  check_preset(make_synthetic(Split::train, 10000, 0));
}

TEST_CASE("the CIFAR-10 preset is that of the training set, where the data are at hand") {
  const char* set = std::getenv("RESGRAD_DATA");
  const std::filesystem::path folder =
      set != nullptr ? set : RESGRAD_SOURCE_DIR "/../shared/data/cifar-10-batches-bin";
  if (!std::filesystem::exists(folder / "data_batch_1.bin") &&
      !std::filesystem::exists(folder / "cifar-10-batches-bin" / "data_batch_1.bin")) {
    MESSAGE("skipped: no CIFAR-10 in " << folder.string());
    return;
  }
  check_preset(load_cifar10(folder, Split::train));
}

TEST_CASE("six numbers are mean and deviation of red, green and blue") {
  const Normalisation n = normalisation("0.1,0.2,0.3,0.4,5e-1,1");
  CHECK(n.mean == std::array<double, 3>{0.1, 0.2, 0.3});
  CHECK(n.std == std::array<double, 3>{0.4, 0.5, 1});
  CHECK(normalisation("imagenet").std[2] == 0.225);
}

TEST_CASE("an unknown preset and other numbers are errors that say what is known") {
  for (const char* text : {"mnist", "", "0.5", "0,0,0,1,1", "0,0,0,1,1,1,1", "0,0,0,1,1,0",
                           "0,0,0,1,1,-1", "0,0,0,1,1,x", "0,0,0,1,1,1x", "0,0,0,1,1,1,",
                           "0,0,nan,1,1,1", "0,0,0,1,inf,1", "0;0;0;1;1;1"}) {
    CHECK_THROWS_WITH_AS(
        normalisation(text),
        (std::string("normalisation: expected one of cifar10, cifar100, synthetic, imagenet, or "
                     "three means and three positive deviations with commas, got ") +
         text)
            .c_str(),
        ValueError);
  }
}

TEST_CASE("a setting gives the same numbers again") {
  const Normalisation n{{0.1, 1.0 / 3, 1e-20}, {0.25, 2.0 / 3, 1}};
  const Normalisation read = normalisation(to_setting(n));
  CHECK(read.mean == n.mean);
  CHECK(read.std == n.std);
}
