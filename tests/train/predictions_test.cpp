#include "train/predictions.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/train/tiny_run.h"

using namespace resgrad;

namespace {

data::Dataset named(std::vector<std::string> class_names) {
  data::Dataset d;
  d.class_names = std::move(class_names);
  return d;
}

}  // namespace

TEST_CASE("the table has a row per image by index, with names, files and all digits") {
  data::Dataset d = named({"cat", "big, \"red\" dog"});
  const std::vector<Prediction> rows = {
      {.index = 1, .label = 0, .predicted = 1, .probability = 0.75, .loss = 1.3862943611198906},
      {.index = 0, .label = 1, .predicted = 1, .probability = 1, .loss = 0}};
  CHECK(predictions_csv(rows, d) ==
        "index,file,label,predicted,probability,loss\n"
        "0,,\"big, \"\"red\"\" dog\",\"big, \"\"red\"\" dog\",1,0\n"
        "1,,cat,\"big, \"\"red\"\" dog\",0.75,1.3862943611198906\n");
  d.files = {"cat/b.png", "cat/a,1.png"};
  d.places = {7, 3};  // a part of a larger set
  d.class_names = {"cat", "dog"};
  CHECK(predictions_csv(rows, d) ==
        "index,file,label,predicted,probability,loss\n"
        "3,\"cat/a,1.png\",cat,dog,0.75,1.3862943611198906\n"
        "7,cat/b.png,dog,dog,1,0\n");
  CHECK(predictions_csv({}, d) == "index,file,label,predicted,probability,loss\n");
}

TEST_CASE("the largest losses come first") {
  std::vector<Prediction> all;
  for (const double loss : {0.5, 2.0, 0.1, 2.0})
    all.push_back({.index = std::ssize(all), .loss = loss});
  const auto indices = [&](std::int64_t count) {
    std::vector<std::int64_t> of;
    for (const Prediction& p : top_losses(all, count)) of.push_back(p.index);
    return of;
  };
  using Indices = std::vector<std::int64_t>;
  CHECK(indices(3) == Indices{1, 3, 0});
  CHECK(indices(9) == Indices{1, 3, 0, 2});
  CHECK(indices(0).empty());
}

TEST_CASE("the predictions of an evaluation are its images, and their means its figures") {
  const auto net = tiny_net();
  const auto images = tiny_data(50);
  data::Loader loader(images, {.batch_size = 16});
  std::vector<Prediction> all;
  const Evaluation e =
      evaluate(*net, loader, 10, {.prediction = [&](const Prediction& p) { all.push_back(p); }});
  REQUIRE(all.size() == 50);
  double loss = 0, hits = 0;
  for (std::size_t i = 0; i < 50; ++i) {
    const Prediction& p = all[i];
    CHECK(p.index == static_cast<std::int64_t>(i));
    CHECK(p.label == images->labels[i]);
    CHECK(p.probability >= 0.1);  // the largest of ten
    CHECK(p.probability <= 1);
    if (p.label == p.predicted) {
      CHECK(p.loss == doctest::Approx(-std::log(p.probability)));
    } else {
      CHECK(p.loss >= -std::log(p.probability));
    }
    loss += p.loss / 50;
    hits += p.label == p.predicted;
  }
  CHECK(loss == doctest::Approx(e.loss));
  CHECK(2 * hits == doctest::Approx(e.top1));
}
