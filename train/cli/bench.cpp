// resgrad bench: speed and memory of training and inference on random data.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/autograd/grad_mode.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/kernels/peak.h"
#include "core/parallel.h"
#include "core/random.h"
#include "models/models.h"
#include "nn/loss.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/sgd.h"

namespace resgrad::cli {
namespace {

using Clock = std::chrono::steady_clock;
const Clock::time_point process_start = Clock::now();

struct BenchFlags {
  RunOptions run;
  std::int64_t steps = 10;
  bool json = false;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Seconds of each of `steps` calls of f, after `warm_up` calls that are not counted.
template <class F>
std::vector<double> time_calls(std::int64_t warm_up, std::int64_t steps, F&& f) {
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < warm_up + steps; ++i) {
    const Clock::time_point start = Clock::now();
    f();
    if (i >= warm_up) seconds.push_back(seconds_since(start));
  }
  return seconds;
}

int run_bench(const BenchFlags& flags) {
  const RunOptions& o = flags.run;
  apply_machine_flags(o);
  constexpr std::int64_t kImageSize = 32, kClasses = 10;
  const auto net =
      models::make(o.model, model_options(o.activation, o.shortcut, o.stem, kImageSize, kClasses));
  Random random(o.seed, Purpose::test);
  const Tensor images = Tensor::rand({o.batch_size, 3, kImageSize, kImageSize}, random, -1, 1,
                                     DType::float32, MemoryFormat::channels_last);
  Tensor labels = Tensor::empty({o.batch_size}, DType::int64);
  std::generate_n(labels.data<std::int64_t>(), o.batch_size,
                  [&] { return random.below(kClasses); });

  Sgd optimizer({{.parameters = net->named_parameters()}},
                {.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4});
  const CrossEntropyLoss loss;
  const auto train_step = [&] {
    optimizer.zero_grad();
    loss((*net)(images), labels).backward();
    optimizer.step();
  };
  train_step();
  const double first_step_s = seconds_since(process_start);
  const std::vector<double> train = time_calls(1, flags.steps, train_step);
  const double rss_mb = peak_rss_mb();
  net->eval();
  const std::vector<double> infer = time_calls(1, flags.steps, [&] {
    const NoGradGuard no_grad;
    (*net)(images);
  });

  const double peak_flops = kernels::measure_peak_flops();
  const double n = static_cast<double>(o.batch_size);
  // forward, gradient of the input, gradient of the weight: each two operations per multiply-add
  const double flops_per_image =
      3 * 2 * static_cast<double>(multiply_adds(*net, {1, 3, kImageSize, kImageSize}));
  const nlohmann::ordered_json json = {
      {"model", o.model},
      {"batch_size", o.batch_size},
      {"threads", num_threads()},
      {"isa", name(kernels::active_isa())},
      {"conv_engine", kernels::conv2d_engine_setting()},
      {"steps", flags.steps},
      {"train_images_per_s", n / median(train)},
      {"infer_images_per_s", n / median(infer)},
      {"train_step_ms",
       {{"min", 1e3 * std::ranges::min(train)},
        {"median", 1e3 * median(train)},
        {"max", 1e3 * std::ranges::max(train)}}},
      {"first_step_done_s", first_step_s},
      {"peak_rss_mb", rss_mb},
      {"fma_peak_gflops", peak_flops / 1e9},
      {"direct_conv_share", flops_per_image * n / median(train) / peak_flops}};
  if (flags.json) {
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{}, batch {}, {} threads, {}\n", o.model, o.batch_size, num_threads(),
             name(kernels::active_isa()));
  fmt::print("training   {:>9.1f} images/s   step {:.1f} ms (min {:.1f}, max {:.1f})\n",
             n / median(train), 1e3 * median(train), 1e3 * std::ranges::min(train),
             1e3 * std::ranges::max(train));
  fmt::print("inference  {:>9.1f} images/s\n", n / median(infer));
  fmt::print("first step done after {:.2f} s, peak memory of training {:.0f} MB\n", first_step_s,
             rss_mb);
  fmt::print(
      "FMA peak {:.0f} GFLOP/s; training runs at {:.2f} of it, counted as direct convolution\n",
      peak_flops / 1e9, json["direct_conv_share"].get<double>());
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command =
      app.add_subcommand("bench", "measures training and inference on random images");
  add_network_flags(*command, flags->run);
  command->add_option("-b,--batch-size", flags->run.batch_size, "images per step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--steps", flags->steps, "timed steps, after two that are not counted")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--seed", flags->run.seed, "of weights and images")->capture_default_str();
  command->add_flag("--json", flags->json, "print one JSON object");
  add_machine_flags(*command, flags->run);
  command->callback([flags, &action] { action = [flags] { return run_bench(*flags); }; });
}

}  // namespace resgrad::cli
