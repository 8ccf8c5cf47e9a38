#include "train/evaluate.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/train/dist/thread_ranks.h"
#include "tests/train/tiny_run.h"
#include "train/run_data.h"

using namespace resgrad;

TEST_CASE("count_hits ranks the label among the k largest logits") {
  const Tensor logits = Tensor::from<float>({3, 1, 2, 0, 5, 4}, {2, 3});
  const auto hits = [&](std::int64_t a, std::int64_t b, std::int64_t k) {
    return count_hits(logits, Tensor::from<std::int64_t>({a, b}, {2}), k);
  };
  CHECK(hits(0, 1, 1) == 2);
  CHECK(hits(2, 2, 1) == 0);
  CHECK(hits(2, 2, 2) == 2);
  CHECK(hits(1, 0, 2) == 0);
  CHECK(hits(1, 0, 3) == 2);
}

TEST_CASE("among equal logits the lower class ranks first, and NaN is a miss") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor logits = Tensor::from<float>({1, 1, 1, nan, nan, 2}, {2, 3});
  const auto hits = [&](std::int64_t a, std::int64_t b, std::int64_t k) {
    return count_hits(logits, Tensor::from<std::int64_t>({a, b}, {2}), k);
  };
  CHECK(hits(0, 0, 1) == 1);
  CHECK(hits(1, 0, 1) == 0);
  CHECK(hits(1, 2, 2) == 1);  // two NaN rank before the 2
  CHECK(hits(2, 2, 3) == 2);
}

TEST_CASE("evaluate counts every sample once and agrees with its confusion matrix") {
  const auto net = tiny_net();
  net->train();
  data::Loader loader(tiny_data(50), {.batch_size = 16});
  const Evaluation e = evaluate(*net, loader, 10);
  CHECK(e.samples == 50);
  std::int64_t total = 0, diagonal = 0;
  for (int i = 0; i < 10; ++i)
    for (int j = 0; j < 10; ++j) {
      const std::int64_t n = e.confusion[static_cast<std::size_t>(i * 10 + j)];
      total += n;
      diagonal += i == j ? n : 0;
    }
  CHECK(total == 50);
  CHECK(e.top1 == doctest::Approx(100.0 * static_cast<double>(diagonal) / 50));
  CHECK(e.top5 >= e.top1);
  CHECK(std::isfinite(e.loss));
  CHECK(net->is_training());
  CHECK(evaluate(*net, loader, 10, {.limit_batches = 2}).samples == 32);
}

TEST_CASE("evaluate leaves frozen layers frozen, also when it fails") {
  const auto net = tiny_net();
  std::shared_ptr<BatchNorm2d> frozen;
  const auto find = [](const ModulePtr& module, auto&& self) -> std::shared_ptr<BatchNorm2d> {
    for (const auto& [name, child] : module->children()) {
      if (auto norm = std::dynamic_pointer_cast<BatchNorm2d>(child)) return norm;
      if (auto norm = self(child, self)) return norm;
    }
    return nullptr;
  };
  frozen = find(net, find);
  REQUIRE(frozen != nullptr);
  frozen->eval();
  data::Loader loader(tiny_data(20), {.batch_size = 16});
  evaluate(*net, loader, 10);
  CHECK(net->is_training());
  CHECK_FALSE(frozen->is_training());

  struct Failing final : Module {
    std::string class_name() const override { return "Failing"; }
    Tensor forward(const Tensor&) override { throw ValueError("no"); }
  } failing;
  CHECK_THROWS_AS(evaluate(failing, loader, 10), ValueError);
  CHECK(failing.is_training());
}

TEST_CASE("evaluate with mirror images differs from without, and says so of the same images") {
  const auto net = tiny_net();
  data::Loader loader(tiny_data(50), {.batch_size = 16});
  const Evaluation plain = evaluate(*net, loader, 10),
                   flip = evaluate(*net, loader, 10, {.tta = Tta::flip});
  CHECK(flip.samples == plain.samples);
  CHECK(flip.loss != plain.loss);
}

TEST_CASE("evaluate leaves the running statistics alone") {
  const auto net = tiny_net();
  std::vector<std::vector<double>> before;
  for (const NamedTensor& b : net->named_buffers()) before.push_back(b.tensor.to_vector<double>());
  data::Loader loader(tiny_data(20), {.batch_size = 10});
  evaluate(*net, loader, 10);
  std::size_t i = 0;
  for (const NamedTensor& b : net->named_buffers()) {
    CHECK(b.tensor.to_vector<double>() == before[i++]);
  }
}

TEST_CASE("a request to stop ends an evaluation, with what was seen so far") {
  const auto net = tiny_net();
  net->train();
  data::Loader loader(tiny_data(50), {.batch_size = 16});
  class StopAtSecond final : public CallObserver {
   public:
    explicit StopAtSecond(const Module* net) : net_(net) {}
    void enter(const Module&, const Tensor&) override {}
    void leave(const Module& module, const Tensor&) override {
      if (&module == net_ && ++batches_ == 2) source.request_stop();
    }
    std::stop_source source;

   private:
    const Module* net_;
    int batches_ = 0;
  };
  StopAtSecond stop(net.get());
  const Evaluation e = evaluate(*net, loader, 10, {.stop = stop.source.get_token()});
  CHECK(e.interrupted);
  CHECK(e.samples == 32);
  CHECK(net->is_training());
}

TEST_CASE("an evaluation that is not finite says where its values come from") {
  const auto net = tiny_net();
  data::Loader loader(tiny_data(20), {.batch_size = 10});
  CHECK(evaluate(*net, loader, 10).nonfinite.empty());
  const NamedTensor bias = net->named_parameters().back();
  Tensor(bias.tensor).data<float>()[0] = -std::numeric_limits<float>::quiet_NaN();
  const Evaluation e = evaluate(*net, loader, 10);
  CHECK(e.nonfinite ==
        "layer fc (Linear), tensor bias: float32 [10] with 1 NaN and 0 infinite of 10 values");
  CHECK(std::isnan(e.loss));
  CHECK_FALSE(std::signbit(e.loss));  // printed as nan
}

TEST_CASE("an evaluation tells of its progress, up to its limit") {
  const auto net = tiny_net();
  data::Loader loader(tiny_data(50), {.batch_size = 16});
  std::vector<std::pair<std::int64_t, std::int64_t>> told;
  const auto progress = [&](std::int64_t done, std::int64_t total) {
    told.emplace_back(done, total);
  };
  evaluate(*net, loader, 10, {.limit_batches = 2, .progress = progress});
  CHECK(told == std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 2}, {2, 2}});
  told.clear();
  evaluate(*net, loader, 10, {.limit_batches = 99, .progress = progress});
  CHECK(told.back() == std::pair<std::int64_t, std::int64_t>{4, 4});
}

TEST_CASE("ranks tell of the layer that was not finite at one of them, and stop together") {
  const data::DataSplits data = tiny_splits(80, 50);
  const RunOptions o = tiny_options("run");
  for (const int bad : {0, 1, 2}) {
    ThreadRanks::run(3, [&](Communicator& ranks) {
      const auto net = tiny_net();
      data::Loader loader(data.test, eval_loader_options(data, o, ranks));
      if (ranks.rank() == bad) {
        for (const NamedTensor& p : net->named_parameters()) {
          if (p.name == "fc.bias") Tensor(p.tensor).detach().fill_(std::nan(""));
        }
      }
      const Evaluation e = evaluate(*net, loader, 10, {.ranks = ranks});
      CHECK(std::isnan(e.loss));
      CHECK(e.nonfinite.find("fc") != std::string::npos);
      std::stop_source stop;
      if (ranks.rank() == bad) stop.request_stop();
      CHECK(evaluate(*net, loader, 10, {.stop = stop.get_token(), .ranks = ranks}).interrupted);
    });
  }
}
